"""Previews: ways to look at a latent, one file each, one line each in PREVIEWS."""

from collections.abc import Mapping

from webui.engine.previews.fast import fast
from webui.engine.previews.tiny import tiny
from webui.engine.previews.vae import vae
from webui.interfaces import PreviewDecoder

PREVIEWS: Mapping[str, PreviewDecoder] = {"fast": fast, "tiny": tiny, "vae": vae}
