"""The second and third network, trained together: the text encoder, and the UNet that it guides.

The UNet learns which noise was added to a latent (Ho et al. 2020, arXiv:2006.11239) along Stable
Diffusion's noise levels, so that all samplers made for that family work. In much noise a guess is
nearly right whatever the picture, and yet there its outlines are decided: such levels are weighted
up as Yu et al. 2023 do (arXiv:2310.08442, the error over the root of the signal-to-noise ratio).
The levels of a batch are spread evenly (Kingma et al. 2021, arXiv:2107.00630), which makes its loss
less a matter of chance. What is kept is an average of the weights over the last thousand steps or
so. The text encoder's table of tokens stays as it began
(after an older model: as `inheritance` left it): what is learnt is to read meanings, so that words
that no caption held are understood by theirs.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTokenizer

from training import inheritance, networks, prepare, run
from training.compose import Composer
from training.emoji import Emoji
from training.latents import Feed
from training.networks import TextEncoder, UNet
from training.presets import Preset
from training.run import Run

LEVELS = 1000
BETA_FIRST, BETA_LAST = 0.00085, 0.012
TABLE_SCALE = 0.05  # of the table of tokens: about the size of what is added for the position


def signal() -> Tensor:
    """(1000,) float64: the share of the signal's variance at each level, Stable Diffusion's
    "scaled_linear" schedule."""
    betas = torch.linspace(BETA_FIRST**0.5, BETA_LAST**0.5, LEVELS, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0)


class Conditioned(nn.Module):
    """Text encoder and UNet, as one network with one loss."""

    def __init__(self, text: TextEncoder, unet: UNet) -> None:
        super().__init__()
        self.text, self.unet = text, unet
        self.signal: Tensor
        self.register_buffer("signal", signal().float(), persistent=False)

    def forward(self, latents: Tensor, words: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        """The loss. `latents`, `noise`: (batch, 4, side, side), of a standard deviation of 1;
        `words`: (batch, 77); `levels`: (batch,), from 0 to 999."""
        share = self.signal[levels][:, None, None, None]
        noisy = share.sqrt() * latents + (1 - share).sqrt() * noise
        context = self.text(words).last_hidden_state  # (batch, 77, width)
        guess = self.unet(noisy, levels, context).sample.float()
        ratio = self.signal[levels] / (1 - self.signal[levels])
        error = F.mse_loss(guess, noise, reduction="none").mean((1, 2, 3))
        return (ratio.rsqrt() * error).mean()


@dataclass(frozen=True)
class Material:
    """What a training is fed from."""

    known: list[Emoji]
    composer: Composer
    tokenizer: CLIPTokenizer
    data: Path


def train(
    preset: Preset,
    material: Material,
    folder: Path,
    left: float,
    start: Path | None = None,
    compiled: bool = False,
) -> bool:
    """Trains for at most `left` minutes, saves the averaged networks in `folder`; True when the
    training is done. `start`: a model's folder; what fits of its UNet, and what its text encoder
    says, a new training begins with. `compiled`: without a GPU too; with one the UNet always is.
    """
    device = run.device()
    vae = networks.read(folder, "vae").to(device)
    torch.manual_seed(0)
    network = Conditioned(_text_encoder(preset, material), networks.unet(preset))
    if start is not None and not (folder / "unet.pt").exists():
        words = inheritance.Words(material.known, material.tokenizer)
        if not inheritance.inherit(network.text, network.unet, preset, words, start, folder, left):
            return False
    network.text.get_input_embeddings().requires_grad_(False)
    network = network.to(device)
    network.unet.to(memory_format=run.layout(device))
    if device.type == "cpu":  # the fused attention's way back takes a third longer there
        network.unet.set_attn_processor(AttnProcessor())
    mean = copy.deepcopy(network).eval().requires_grad_(False)
    learnt = [weight for weight in network.parameters() if weight.requires_grad]
    fused = {"fused": True} if device.type == "cuda" else {}
    optimizer = torch.optim.AdamW(learnt, betas=(0.9, 0.98), weight_decay=1e-3, **fused)
    parts = {"network": network, "mean": mean, "optimizer": optimizer}
    training = Run(folder / "unet.pt", parts, preset.unet_minutes, left)
    training.resume()
    if compiled or device.type == "cuda":
        network.unet.compile(dynamic=False)
    _learn(training, preset, Feed(preset, material.known, material.composer, material.tokenizer,
                                  vae, folder / "pool.safetensors"), device)  # fmt: skip
    mean.unet.save_pretrained(folder / "unet")
    mean.text.save_pretrained(folder / "text_encoder")
    return training.finished


def _learn(training: Run, preset: Preset, feed: Feed, device: torch.device) -> None:
    network, optimizer = training.parts["network"], training.parts["optimizer"]
    coming = feed.batches(training.step)
    torch.manual_seed(training.step)
    shown = 0.0
    for progress in training.steps():
        latents, words = next(coming)
        noise = torch.randn_like(latents)
        levels = spread(len(latents), device)
        with torch.autocast(device.type, torch.bfloat16):
            loss = network(latents, words, noise, levels)
        run.descend(optimizer, loss, run.rate(preset.unet_rate, training.step, progress))
        run.average(training.parts["mean"], network, training.step, 0.999)
        if training.step % 50 == 0:
            shown = 0.7 * shown + 0.3 * loss.item() if shown else loss.item()
            print(f"unet {training.trained:.1f} min, step {training.step}: {shown:.4f}", flush=True)


def spread(count: int, device: torch.device) -> Tensor:
    """(count,) levels from 0 to 999: each as likely, and all of a batch equally far apart."""
    places = (torch.rand((), device=device) + torch.arange(count, device=device) / count) % 1
    return (places * LEVELS).long().clamp(max=LEVELS - 1)


def _text_encoder(preset: Preset, material: Material) -> TextEncoder:
    made = networks.text_encoder(preset)
    table = made.get_input_embeddings()
    table.weight.data.copy_(prepare.tokens(material.data, preset.width) * TABLE_SCALE)
    return made
