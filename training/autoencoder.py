"""The first network: pictures to latents of an eighth of the size, and back.

Rombach et al. 2022 (arXiv:2112.10752), section 3.1. The loss is made of differences of pixels and
of their slopes at three sizes: the slopes keep edges sharp, as a perceptual network would, and need
no other network's weights. The divergence from the normal distribution is weighted lightly: enough
to keep latents near the size that diffusion starts from.
"""

import copy
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from training import networks, run
from training.compose import Composer
from training.emoji import Emoji
from training.networks import Autoencoder
from training.presets import Preset
from training.run import Run
from training.scenes import Chances, Scene, drawn

_DIVERGENCE = 2e-4
_WHOLE_PICTURES = 0.85  # of the training is spent on crops, the rest on whole pictures


def difference(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean over the batch of absolute and squared error, and of the slopes' error at three sizes;
    (batch, 3, height, width) each, from -1 to 1."""
    loss = F.l1_loss(made, wanted) + F.mse_loss(made, wanted)
    for _ in range(3):
        for axis in (2, 3):
            loss = loss + F.l1_loss(made.diff(dim=axis), wanted.diff(dim=axis))
        made, wanted = F.avg_pool2d(made, 2), F.avg_pool2d(wanted, 2)
    return loss


def divergence(mean: Tensor, logvar: Tensor) -> Tensor:
    """Kullback-Leibler divergence from the standard normal distribution, per number."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()


def cropped(pictures: Tensor, side: int, rng: random.Random) -> Tensor:
    """One square of each picture, each from another place."""
    room = pictures.shape[-1] - side
    corners = [(rng.randint(0, room), rng.randint(0, room)) for _ in pictures]
    return torch.stack(
        [
            each[:, y : y + side, x : x + side]
            for each, (y, x) in zip(pictures, corners, strict=True)
        ]
    )


def for_reconstruction(known: Sequence[Emoji], preset: Preset, rng: random.Random) -> Scene:
    """A scene as the autoencoder should see them: mirrored too, and more of the coloured ones."""
    chances = Chances(
        several=max(0.3, preset.several_share),
        flat=preset.flat_share,
        familiar=preset.familiar_share / 2,
        mirrored=0.5,
        gradient=0.35,
        bare=0.0,
    )
    return drawn(known, chances, rng)


def train(
    preset: Preset,
    known: Sequence[Emoji],
    composer: Composer,
    folder: Path,
    left: float,
    start: Path | None = None,
) -> bool:
    """Trains for at most `left` minutes, saves the averaged network in `folder`; True when the
    training is done. `start`: a model's folder whose autoencoder a new training begins with.

    After `encoder_share` of the budget only the decoder learns, from the averaged encoder: steps
    are cheaper, and as latents stay what they are, the UNet may be trained meanwhile. With `start`
    the encoder stays from the first step on: the UNet that is taken over knows its latents.
    """
    share = 0.0 if start else preset.encoder_share
    device = run.device()
    network = _network(preset, start).to(device, memory_format=run.layout(device))
    mean = copy.deepcopy(network).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), betas=(0.9, 0.99), weight_decay=1e-4)
    parts = {"network": network, "mean": mean, "optimizer": optimizer}
    training = Run(folder / "vae.pt", parts, preset.vae_minutes, left)
    training.resume()
    settled = training.trained >= share * preset.vae_minutes
    rng = random.Random(training.step)
    both, decoder = (_compiled(loss, device) for loss in (_loss, _loss_of_decoder))
    frozen = False
    shown = 0.0
    for progress in training.steps():
        if not frozen and progress >= share:
            _freeze_encoder(network, mean)
            frozen = True
        scenes = [for_reconstruction(known, preset, rng) for _ in range(preset.vae_batch)]
        pictures = composer(scenes, preset.pixels)
        if progress < _WHOLE_PICTURES:
            pictures = cropped(pictures, preset.vae_crop, rng)
        pictures = pictures.to(memory_format=run.layout(device))
        with torch.autocast(device.type, torch.bfloat16):
            loss = (decoder if frozen else both)(network, pictures)
        run.descend(loss, run.rate(preset.vae_rate, training.step, progress), optimizer)
        run.average(mean, network, training.step, 0.998)
        if training.step % 10 == 0:  # not more often: reading the number waits for a GPU
            shown = 0.9 * shown + 0.1 * loss.item() if shown else loss.item()
        if training.step % 100 == 0:
            print(f"vae {training.trained:.1f} min, step {training.step}: {shown:.4f}", flush=True)
    # others may have been trained on the latents of an encoder that was settled before
    known_by = start or (folder if settled and (folder / "vae").exists() else None)
    if known_by:
        scaling = networks.read(known_by, "vae").config.scaling_factor
    else:
        scaling = _scaling(mean, composer, known, preset)
    mean.register_to_config(scaling_factor=scaling)
    mean.save_pretrained(folder / "vae")
    return training.finished


def _freeze_encoder(network: Autoencoder, mean: Autoencoder) -> None:
    for part in ("encoder", "quant_conv"):
        own = getattr(network, part)
        own.load_state_dict(getattr(mean, part).state_dict())
        own.requires_grad_(False)


def _scaling(
    network: Autoencoder, composer: Composer, known: Sequence[Emoji], preset: Preset
) -> float:
    """What latents are multiplied by, to have a standard deviation of 1."""
    rng = random.Random(1)
    scenes = [drawn(known, Chances.of(preset), rng) for _ in range(128)]
    spread = [
        encoded(network, composer(scenes[start : start + 16], preset.pixels))
        for start in range(0, len(scenes), 16)
    ]
    return 1 / torch.cat(spread).std().item()


def _loss(network: Autoencoder, pictures: Tensor) -> Tensor:
    posterior = network.encode(pictures).latent_dist
    made = network.decode(posterior.sample()).sample.float()
    spread = divergence(posterior.mean.float(), posterior.logvar.float())
    return difference(made, pictures) + _DIVERGENCE * spread


def _loss_of_decoder(network: Autoencoder, pictures: Tensor) -> Tensor:
    with torch.no_grad():
        latents = network.encode(pictures).latent_dist.sample()
    return difference(network.decode(latents).sample.float(), pictures)


def _compiled(
    loss: Callable[[Autoencoder, Tensor], Tensor], device: torch.device
) -> Callable[[Autoencoder, Tensor], Tensor]:
    return torch.compile(loss, dynamic=False) if device.type == "cuda" else loss


def _network(preset: Preset, start: Path | None) -> Autoencoder:
    torch.manual_seed(0)
    network = networks.autoencoder(preset)
    if start is not None:
        network.load_state_dict(networks.read(start, "vae").state_dict())
    return network


@torch.no_grad()
def encoded(network: Autoencoder, pictures: Tensor) -> Tensor:
    """(batch, 4, height / 8, width / 8) float32: the middle of each picture's posterior."""
    pictures = pictures.to(memory_format=torch.channels_last)
    with torch.autocast(pictures.device.type, torch.bfloat16):
        posterior = network.encode(pictures).latent_dist
    middle: Tensor = posterior.mean
    return middle.float()


@torch.no_grad()
def decoded(network: Autoencoder, latents: Tensor) -> Tensor:
    """(batch, 3, 8 height, 8 width) float32, from -1 to 1."""
    made: Tensor = network.decode(latents).sample
    return made.float().clamp(-1, 1)
