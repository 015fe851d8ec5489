"""What a new training takes over from an older model: the UNet's weights, and what it was told.

A UNet understands the contexts of the text encoder that it was trained with. While a new one, of
another width or depth, learns to read (`words`), a linear map from its contexts to the older ones
is learnt beside: the bridge. The UNet's keys and values of the context are linear too and take it
in. So the UNet goes on where it was.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPTokenizer

from training import networks
from training.captions import caption
from training.emoji import Emoji
from training.latents import tokens
from training.networks import TextEncoder, UNet
from training.presets import Preset
from training.scenes import Chances, drawn

_BATCH = 16
_OF_CONTEXT = (".attn2.to_k.weight", ".attn2.to_v.weight")


@dataclass(frozen=True)
class Older:
    """An older model's folder, its text encoder, and the `bridge`, a linear map from the contexts
    of a new one to those of the older. What that one knew: names of single things on plain
    grounds."""

    folder: Path
    text: TextEncoder
    bridge: nn.Linear
    known: Sequence[Emoji]
    tokenizer: CLIPTokenizer

    @classmethod
    def of(
        cls, folder: Path, preset: Preset, known: Sequence[Emoji], tokenizer: CLIPTokenizer
    ) -> "Older":
        """Raises OSError if the folder holds no model."""
        text = networks.read(folder, "text_encoder")
        bridge = nn.Linear(preset.width, text.config.hidden_size, bias=False)
        by_label = [replace(each, names=(), kin=()) for each in known]
        return cls(folder, text, bridge, by_label, tokenizer)

    def lead(self, text: TextEncoder) -> None:
        """Has a new text encoder of the older one's shape begin as that one, with its own table of
        tokens; one of another shape begins as it is."""
        own, said = text.state_dict(), self.text.state_dict()
        if all(key in said and said[key].shape == each.shape for key, each in own.items()):
            table = text.get_input_embeddings().weight.clone()
            text.load_state_dict(said)
            text.get_input_embeddings().weight.data.copy_(table)
            nn.init.eye_(self.bridge.weight)

    def forgotten(self, text: TextEncoder, seed: int) -> Tensor:
        """How much of what tells a batch of captions apart is not said by the new contexts, taken
        over the bridge: 0 is nothing. (Four fifths of the older ones are the same for every
        caption: where in the text it stands.)"""
        device = self.bridge.weight.device
        asked = self._batch(seed).to(device)
        with torch.no_grad():
            wanted = self.text.to(device)(asked).last_hidden_state
        said = self.bridge(text(asked).last_hidden_state)
        whole: Tensor = (wanted - wanted.mean(0)).square().mean()
        return F.mse_loss(said, wanted) / whole

    def _batch(self, seed: int) -> Tensor:
        """(16, 77) tokens."""
        rng = random.Random(seed)
        chances = Chances(several=0, flat=0, familiar=0.5, gradient=0, placed=0)
        scenes = [drawn(self.known, chances, rng) for _ in range(_BATCH)]
        return tokens(self.tokenizer, [caption(scene, self.known, rng) for scene in scenes])

    def hand_over(self, unet: UNet) -> None:
        """Gives `unet` what fits of the older one's weights, with the bridge taken in."""
        own: dict[str, Any] = unet.state_dict()
        bridge = self.bridge.weight.detach().cpu()
        fitting = {
            key: weight @ bridge if key.endswith(_OF_CONTEXT) else weight
            for key, weight in networks.read(self.folder, "unet").state_dict().items()
        }
        fitting = {
            key: each
            for key, each in fitting.items()
            if key in own and own[key].shape == each.shape
        }
        unet.load_state_dict(fitting, strict=False)
        print(f"{len(fitting)} of the UNet's {len(own)} tensors are the older ones", flush=True)
