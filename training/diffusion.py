"""The second and third network, trained together: the text encoder, and the UNet that it guides.

The UNet learns which noise was added to a latent (Ho et al. 2020, arXiv:2006.11239) along Stable
Diffusion's noise levels, so that all samplers made for that family work. Easy levels are weighted
down as Hang et al. 2023 do (arXiv:2303.09556, min-SNR, gamma 5). What is kept is an average of the
weights over the last thousand steps or so. The text encoder's table of tokens stays as it began:
what is learnt is to read meanings, so that words that no caption held are understood by theirs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training import prepare, run, vocabulary
from training.compose import Composer
from training.emoji import Emoji
from training.latents import batches, pool
from training.presets import Preset
from training.run import Run

LEVELS = 1000
BETA_FIRST, BETA_LAST = 0.00085, 0.012
TABLE_SCALE = 0.05  # of the table of tokens: about the size of what is added for the position
_GAMMA = 5.0


def signal() -> Tensor:
    """(1000,) float64: the share of the signal's variance at each level, Stable Diffusion's
    "scaled_linear" schedule."""
    betas = torch.linspace(BETA_FIRST**0.5, BETA_LAST**0.5, LEVELS, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0)


class Conditioned(nn.Module):
    """Text encoder and UNet, as one network with one loss."""

    def __init__(self, preset: Preset, tokens: Tensor) -> None:
        super().__init__()
        self.text = CLIPTextModel(text_config(preset))
        table = self.text.get_input_embeddings()
        table.weight.data.copy_(tokens * TABLE_SCALE)
        table.weight.requires_grad_(False)
        self.unet = UNet2DConditionModel(**preset.unet())
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
        return (ratio.clamp(max=_GAMMA) / ratio * error).mean()


def text_config(preset: Preset) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=vocabulary.SIZE,
        hidden_size=preset.width,
        intermediate_size=4 * preset.width,
        num_hidden_layers=preset.text_layers,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=preset.width,
        bos_token_id=vocabulary.SIZE - 2,
        eos_token_id=vocabulary.SIZE - 1,
        pad_token_id=vocabulary.SIZE - 1,
    )


@dataclass(frozen=True)
class Material:
    """What a training is fed from."""

    known: Sequence[Emoji]
    composer: Composer
    tokenizer: CLIPTokenizer
    data: Path


def train(
    preset: Preset, material: Material, folder: Path, left: float, start: Path | None = None
) -> bool:
    """Trains for at most `left` minutes, saves the averaged networks in `folder`; True when the
    training is done. `start`: a model's folder; what fits of its UNet a new training begins with.
    """
    device = run.device()
    vae = AutoencoderKL.from_pretrained(str(folder / "vae"), local_files_only=True)
    vae = vae.to(device, memory_format=torch.channels_last).eval()
    torch.manual_seed(0)
    rows = prepare.tokens(material.data, preset.width)
    network, mean = (_network(preset, rows, start).to(device) for _ in range(2))
    mean.load_state_dict(network.state_dict())
    mean.eval().requires_grad_(False)
    learnt = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learnt, betas=(0.9, 0.98), weight_decay=1e-3)
    parts = {"network": network, "mean": mean, "optimizer": optimizer}
    training = Run(folder / "unet.pt", parts, preset.unet_minutes, left)
    training.resume()
    torch.manual_seed(training.step)
    loss_of = torch.compile(network) if device.type == "cuda" else network
    fed = _fed(preset, material, vae, training.step)
    shown = 0.0
    for progress in training.steps():
        latents, words = next(fed)
        noise = torch.randn_like(latents)
        levels = torch.randint(0, LEVELS, (len(latents),), device=device)
        with torch.autocast(device.type, torch.bfloat16):
            loss = loss_of(latents, words, noise, levels)
        run.descend(optimizer, loss, run.rate(preset.unet_rate, training.step, progress))
        run.average(mean, network, training.step, 0.999)
        if training.step % 50 == 0:
            shown = 0.7 * shown + 0.3 * loss.item() if shown else loss.item()
            print(f"unet {training.trained:.1f} min, step {training.step}: {shown:.4f}", flush=True)
    mean.unet.save_pretrained(folder / "unet")
    mean.text.save_pretrained(folder / "text_encoder")
    return training.finished


def _fed(
    preset: Preset, material: Material, vae: AutoencoderKL, step: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches for ever: (latents of a standard deviation of 1, tokens)."""
    seed = step
    while True:
        made = pool(preset, material.known, material.composer, vae, preset.pool, seed)
        for use in range(preset.pool_uses):
            for latents, words in batches(
                made, material.known, material.tokenizer, preset.unet_batch, seed + use
            ):
                yield latents * vae.config.scaling_factor, words
        seed += 1_000_003  # far from the seeds of other processes, which are steps


def _network(preset: Preset, rows: Tensor, start: Path | None) -> Conditioned:
    network = Conditioned(preset, rows)
    if start is not None:
        given = load_file(start / "unet" / "diffusion_pytorch_model.safetensors")
        own = network.unet.state_dict()
        fitting = {key: w for key, w in given.items() if own[key].shape == w.shape}
        network.unet.load_state_dict(fitting, strict=False)
        print(f"{len(fitting)} of the UNet's {len(own)} tensors begin with {start}", flush=True)
    return network
