"""A decoder small enough to show every step, and a matrix smaller still.

The decoder is AutoencoderTiny's (Ollin Boer Bohan's TAESD), 32 channels wide, taught to draw what
the autoencoder draws. The matrix takes a latent's four numbers, and one, to the mean colour of
their 8 x 8 pixels: least squares.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.vae import DecoderTiny
from safetensors.torch import save_file
from torch import Tensor

from training import autoencoder, networks, run
from training.compose import Composer
from training.emoji import Emoji
from training.presets import Preset
from training.run import Run

_BLOCKS = (2, 2, 2, 1)
_WIDTH = 32


def train(
    preset: Preset, known: Sequence[Emoji], composer: Composer, folder: Path, left: float
) -> bool:
    """Trains for at most `left` minutes; writes tiny.safetensors (AutoencoderTiny's names) and
    latent_rgb.json into `folder`; True when the training is done."""
    device = run.device()
    vae = networks.read(folder, "vae").to(device)
    torch.manual_seed(0)
    network, mean = (_network().to(device) for _ in range(2))
    mean.load_state_dict(network.state_dict())
    mean.requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-4)
    parts = {"network": network, "mean": mean, "optimizer": optimizer}
    training = Run(folder / "tiny.pt", parts, preset.tiny_minutes, left)
    training.resume()
    rng = random.Random(training.step)
    batch = max(8, preset.vae_batch // 2)
    latents: list[Tensor] = []
    colours: list[Tensor] = []
    for progress in training.steps():
        scenes = [autoencoder.for_reconstruction(known, preset, rng) for _ in range(batch)]
        latent = autoencoder.encoded(vae, composer(scenes, preset.pixels))
        wanted = autoencoder.decoded(vae, latent)
        latent = latent * vae.config.scaling_factor
        loss = autoencoder.difference(network(latent), wanted)
        run.descend(loss, run.rate(1e-3, training.step, progress), optimizer)
        run.average(mean, network, training.step, 0.998)
        if len(latents) < 32:
            latents.append(latent)
            colours.append(F.avg_pool2d(wanted, 8))
        if training.step % 100 == 0:
            print(f"tiny {training.trained:.1f} min, step {training.step}: {loss.item():.4f}")
    weights = {f"decoder.{key}": w.half().cpu() for key, w in mean.state_dict().items()}
    save_file(weights, folder / "tiny.safetensors", {"format": "pt"})
    if latents:
        matrix = least_squares(torch.cat(latents).cpu(), torch.cat(colours).cpu())
        (folder / "latent_rgb.json").write_text(json.dumps(matrix.tolist()), "utf-8")
    return training.finished


def least_squares(latents: Tensor, colours: Tensor) -> Tensor:
    """(5, 3): what (batch, 4, h, w), and a one, is multiplied by to come nearest to the colours,
    (batch, 3, h, w)."""
    known = latents.movedim(1, -1).flatten(0, -2)
    known = torch.cat([known, torch.ones_like(known[:, :1])], 1)
    solved: Tensor = torch.linalg.lstsq(known, colours.movedim(1, -1).flatten(0, -2)).solution
    return solved


def _network() -> DecoderTiny:
    return DecoderTiny(4, 3, _BLOCKS, (_WIDTH,) * len(_BLOCKS), 2, "relu", "nearest")
