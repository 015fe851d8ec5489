"""Latents as pictures: previews while a run goes on, kept steps again, the result.

Knows no run; what it draws it is given, or finds in a trajectory's file.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from webui.engine.device import Device, free, memory_for
from webui.engine.models import Models
from webui.engine.pixels import picture, side_by_side
from webui.engine.plan import unknown
from webui.errors import EngineBusy, NotFinite, OutOfMemory
from webui.events import Picture, PreviewKind, ViewKind
from webui.fields import AUTOMATIC_VAE
from webui.interfaces import Model, PreviewDecoder
from webui.trajectories import KeptStep, of_one, read_guidance, read_header, read_step


class Drawing:
    def __init__(
        self, previews: Mapping[str, PreviewDecoder], models: Models, device: Device
    ) -> None:
        self._previews = previews
        self._models = models
        self._device = device

    def draw(self, model: Model, kept: KeptStep, kind: PreviewKind, method: str) -> Picture:
        """The pictures of a batch side by side. Raises InvalidRequest for an unknown method."""
        decoder = self._previews.get(method)
        if decoder is None:
            raise unknown("method", method, self._previews)
        latents = torch.from_numpy(kept.x if kind == "noisy" else kept.denoised)
        latents = latents.to(self._device.where)
        if kind == "noisy":
            latents = model.shown(latents, torch.tensor(kept.sigma))
        return picture(side_by_side(decoder(latents, model)))

    def decode(self, model: Model, latent: Tensor) -> tuple[Tensor, bool]:
        """(1, C, h, w) -> the image (1, 3, H, W), and whether memory forced tiles."""
        tiled = False
        try:
            with memory_for("decoding the picture"):
                image = model.decode(latent)
        except OutOfMemory:
            free(self._device)
            tiled = True
            with memory_for("decoding the picture in tiles"):
                image = model.decode_tiled(latent)
        if not bool(torch.isfinite(image).all()):
            raise NotFinite("the VAE made NaN or Inf of the picture; --dtype fp32 may help")
        return image, tiled

    @torch.no_grad()
    def again(
        self,
        folder: Path,
        batch: int,
        step: int,
        kind: ViewKind,
        method: str,
        running: bool,
        position: int | None,
    ) -> Picture | None:
        """A kept step drawn again, of all pictures of its batch or the one at `position`; None if
        it was not kept.

        While a run is `running`, raises EngineBusy if it takes another model than the one in
        memory: that one would be driven out, and a GPU may not hold both.
        """
        header, kept = read_header(folder, batch), read_step(folder, batch, step)
        if header is None or kept is None or (position or 0) >= len(kept.x):
            return None
        seen: PreviewKind = "noisy" if kind == "noisy" else "predicted"
        if kind != seen:
            view = read_guidance(folder, batch, step, kind, kept.x.shape)
            if view is None:
                return None
            kept = replace(kept, denoised=view)
        name = str(header.request["model"])
        vae = str(header.request.get("vae", AUTOMATIC_VAE))
        if running and not self._models.is_loaded(name, vae):
            raise EngineBusy(f"drawing it takes the model {name}; look again when no job runs")
        model = self._models.load(name, vae).model
        if position is not None:
            kept = of_one(kept, position)
        with memory_for("drawing the preview"):
            return self.draw(model, kept, seen, method)
