"""The third network: the UNet, which the text encoder guides.

The UNet learns the velocity (Salimans & Ho 2022, arXiv:2202.00512) along Stable Diffusion's noise
levels (Ho et al. 2020, arXiv:2006.11239), as Stable Diffusion 2 does, so that all samplers made for
that family work. In little noise the velocity is the noise; in much noise it is the picture, turned
round. A network that always predicts the noise has to copy nearly all of its input there, and what
the prompt says is in the last hundredth of that: on a small budget it is not learnt.
The levels of a batch are spread evenly (Kingma et al. 2021, arXiv:2107.00630), which makes its loss
less a matter of chance. What is kept is an average of the weights over the last thousand steps or
so. The text encoder comes knowing what things look like (`words`) and stays as it is: trained with
the UNet it would unlearn some of it, and the UNet copy what moves.
"""

import copy
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPTokenizer

from training import attention, networks, prepare, run, vocabulary, words
from training.attention import Shown, astray
from training.compose import Composer
from training.emoji import Emoji
from training.inheritance import Older
from training.latents import Feed
from training.looks import Captions, alone, ended
from training.networks import TextEncoder, UNet
from training.pieces import Pieces
from training.presets import Preset
from training.run import Run
from training.words import Teller

LEVELS = 1000
PREDICTION = "v_prediction"
BETA_FIRST, BETA_LAST = 0.00085, 0.012
_OF_LOOKS = 0.3  # how much it weighs at first where attention looks; in the end nothing
_LEAST = 0.1  # that a level counts, of what the last one does
_COOLING = 1.0  # the rate falls all the way
_AS_IT_IS = 0.5  # how far a picture is on the way from what is said of it
_BY_WORDS = 0.2  # of pictures are drawn after the rows of the words alone
_TORN = 0.25  # after words and pictures of two captions
_HEAVIEST = 3.0  # that those words weigh
_LED = 0.4  # of noisy pictures come from the UNet's own step from more noise,
_LED_FROM = 0.5  # from half of the training on: before that its steps lead nowhere
TABLE_SCALE = 0.05  # of the table of tokens: about the size of what is added for the position


def signal() -> Tensor:
    """(1000,) float64: the share of the signal's variance at each level, Stable Diffusion's
    "scaled_linear" schedule."""
    betas = torch.linspace(BETA_FIRST**0.5, BETA_LAST**0.5, LEVELS, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0)


class Conditioned(nn.Module):
    """Text encoder and UNet, as one network with one loss; only the UNet learns. `shown` are those
    of its attentions that are told where to look.

    The pictures that it learns are half what the caption says of them, and half as they are. What
    the text encoder cannot say, the UNet cannot know; left to it, it would make that up, and a
    guess at a detail is twice as far off as none.
    """

    def __init__(self, text: TextEncoder, teller: Teller, unet: UNet) -> None:
        super().__init__()
        self.text, self.unet = text.requires_grad_(False), unet
        self.teller = teller.requires_grad_(False)
        self.shown: list[Shown] = []
        self.signal: Tensor
        self.register_buffer("signal", signal().float(), persistent=False)

    def forward(
        self, latents: Tensor, words: Tensor, noise: Tensor, levels: Tensor, leading: UNet | None
    ) -> tuple[Tensor, Tensor]:
        """The loss, and how far attention goes astray. `latents`, `noise`: (batch, 4, side, side),
        of a standard deviation of 1; `words`: (batch, 77); `levels`: (batch,), from 0 to 999;
        `leading`: the UNet that makes steps, this one's average; None: all pictures are right."""
        context, told, latents = self._context(words, latents)
        noise = noise - self._lacking(latents)
        noisy = self._led(latents, noise, levels, context, leading)
        guess = self.unet(noisy, levels, context).sample.float()
        share, rest = self._shares(levels)
        velocity = (share.sqrt() * noisy - latents) / rest.sqrt()  # from there to the picture
        # in little noise a large part of the velocity is a small one of the picture
        weight = rest.clamp(min=_LEAST)
        loss = (weight * (guess - velocity).square()).mean() / weight.mean()
        return loss, astray(self.shown, told) if self.shown else torch.zeros_like(loss)

    def _shares(self, levels: Tensor) -> tuple[Tensor, Tensor]:
        """The signal's and the noise's, (batch, 1, 1, 1)."""
        share = self.signal[levels][:, None, None, None]
        return share, 1 - share

    @torch.no_grad()
    def _led(
        self, latents: Tensor, noise: Tensor, levels: Tensor, context: Tensor, leading: UNet | None
    ) -> Tensor:
        """The noisy pictures. A sampler never sees the right ones, but those that its steps have
        led to, and what they get wrong adds up ("exposure bias", Ning et al. 2023,
        arXiv:2301.11706). So some come from a level of more noise by one step (DDIM's: Song et al.
        2021, arXiv:2010.02502), with its errors, which the UNet then learns to mend. Not in little
        noise, where a small error of the picture is a large one of the velocity."""
        share, rest = self._shares(levels)
        noisy = share.sqrt() * latents + rest.sqrt() * noise
        chance, way = torch.rand(2, len(levels), device=levels.device)
        rows = ((chance < _LED) & (rest.flatten() > _LEAST)).nonzero()[:, 0]
        if leading is not None and len(rows):
            before = levels[rows] + (way[rows] * (LEVELS - levels[rows])).long()
            clear, dim = self._shares(before)
            start = clear.sqrt() * latents[rows] + dim.sqrt() * noise[rows]
            velocity = leading(start, before, context[rows]).sample.float()
            picture = clear.sqrt() * start - dim.sqrt() * velocity
            left = dim.sqrt() * start + clear.sqrt() * velocity  # the noise that it sees
            noisy[rows] = share[rows].sqrt() * picture + rest[rows].sqrt() * left
        return noisy

    def _lacking(self, latents: Tensor) -> Tensor:
        """What the noise that a sampler sees lacks of the picture, as `latents`. A sampler begins
        with noise alone, at a level where a fifteenth of the picture should be left (Lin et al.
        2024, arXiv:2305.08891). So all that it finds to be noise, from there on, is less by that
        much of the picture. As a ground is the same everywhere, a fifteenth of it is plain to see:
        a UNet that always saw it takes noise alone for a picture of another ground. In the other
        half it lacks less, evenly down to nothing, as after steps that add noise."""
        share, rest = self._shares(torch.tensor([LEVELS - 1], device=latents.device))
        much = (2 * torch.rand_like(latents[:, :1, :1, :1])).clamp(max=1.0)
        return much * (share / rest).sqrt() * latents

    @torch.no_grad()
    def _context(self, words: Tensor, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(batch, 77, width); (batch, 77), where it says patches; and the pictures to learn.

        What is weighted or mixed in a prompt are the rows of its words, so the UNet has to read
        them too. In a part of the captions nothing else is told: the rows from their end on are
        those of an empty caption. In another part those are another caption's: the picture is
        then the further on the way from that one's to their own, the more the words weigh."""
        empty = torch.full_like(words[:1], vocabulary.SIZE - 1)
        empty[0, 0] = vocabulary.SIZE - 2
        rows = self.text(torch.cat([words, empty])).last_hidden_state
        context, nothing, own = rows[:-1], rows[-1], ended(words)
        latents = self.teller.picture(context, own, latents).lerp(latents, _AS_IT_IS)
        both = own & own.roll(1, 0)
        chance, weight = torch.rand(2, len(words), 1, device=words.device)
        by_words, torn = chance < _BY_WORDS, (chance > 1 - _TORN) & both.any(1, keepdim=True)
        weight = torch.where(torn, _HEAVIEST * weight, 1.0)
        others = torch.where((torn & both)[:, :, None], context.roll(1, 0), nothing)
        weighed = torch.where(own | _is_first(words), 1.0, weight)[:, :, None] * context
        context = torch.where((own & (by_words | torn))[:, :, None], others, weighed)
        share = torch.where(torn, weight / (1 + weight), 1.0)[:, :, None, None]
        latents = latents.roll(1, 0).lerp(latents, share)
        return context, torch.where(torn, both, own) & ~by_words, latents


def _is_first(words: Tensor) -> Tensor:
    """(77,) of (batch, 77): the token that every caption begins with."""
    return torch.arange(words.shape[1], device=words.device) == 0


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
    ends = time.monotonic() + left * 60
    device = run.device()
    vae = networks.read(folder, "vae").to(device)
    torch.manual_seed(0)
    text, unet = _text_encoder(preset, material), networks.unet(preset)
    teller = Teller(preset.width, preset.latent)
    feed = Feed(preset, material.known, material.composer, material.tokenizer, vae,
                folder / "pool.safetensors")  # fmt: skip
    if not (folder / "unet.pt").exists():
        older = Older.of(start, preset, material.known, material.tokenizer) if start else None
        if older is not None:
            older.lead(text)
        if not words.learn(text, teller, preset, _captions(feed), older, folder, left):
            return False
        if older is not None:
            older.hand_over(unet)
    network = Conditioned(text, teller, unet).to(device)
    network.unet.to(memory_format=run.layout(device))
    mean = copy.deepcopy(network).eval().requires_grad_(False)
    network.shown = attention.show(network.unet, plain=device.type == "cpu")
    parts = {"network": network, "mean": mean, "optimizer": _optimizer(network, device)}
    left = (ends - time.monotonic()) / 60
    training = Run(folder / "unet.pt", parts, preset.unet_minutes, left)
    training.resume()
    if compiled or device.type == "cuda":
        network.unet.compile(dynamic=False)
    _learn(training, preset, feed, device)
    mean.unet.save_pretrained(folder / "unet")
    mean.text.save_pretrained(folder / "text_encoder")
    return training.finished


def _optimizer(network: Conditioned, device: torch.device) -> torch.optim.Optimizer:
    fused = {"fused": True} if device.type == "cuda" else {}
    return torch.optim.AdamW(
        network.unet.parameters(), betas=(0.9, 0.98), weight_decay=1e-3, **fused
    )


def _learn(training: Run, preset: Preset, feed: Feed, device: torch.device) -> None:
    network, optimizer = training.parts["network"], training.parts["optimizer"]
    coming = feed.batches(training.step)
    torch.manual_seed(training.step)
    shown = 0.0
    for progress in training.steps():
        latents, words = next(coming)
        noise = torch.randn_like(latents)
        levels = spread(len(latents), device)
        leading = training.parts["mean"].unet if progress > _LED_FROM else None
        with torch.autocast(device.type, torch.bfloat16):
            loss, lost = network(latents, words, noise, levels, leading)
        rate = run.rate(preset.unet_rate, training.step, progress, _COOLING)
        run.descend(loss + _OF_LOOKS * (1 - progress) * lost, rate, optimizer)
        run.average(training.parts["mean"], network, training.step, 0.999)
        if training.step % 50 == 0:
            shown = 0.7 * shown + 0.3 * loss.item() if shown else loss.item()
            so_far = f"unet {training.trained:.1f} min, step {training.step}"
            print(f"{so_far}: {shown:.4f}, astray {lost.item():.2f}", flush=True)


def spread(count: int, device: torch.device) -> Tensor:
    """(count,) levels from 0 to 999: each as likely, and all of a batch equally far apart."""
    places = (torch.rand((), device=device) + torch.arange(count, device=device) / count) % 1
    return (places * LEVELS).long().clamp(max=LEVELS - 1)


def _captions(feed: Feed) -> Captions:
    """Of the feed's first compositions, of each thing by itself, and of some together."""
    scenes, found = feed.pool(0)
    single = alone(2 if feed.preset.flat_share else 1, len(feed.known))
    some, each = (feed.scaled(latents).cpu() for latents in (found, feed.encoded(single)))
    pieces = Pieces.of(feed) if feed.preset.grid else None
    return Captions.of(feed.known, feed.tokenizer, (scenes, some), (single, each), pieces)


def _text_encoder(preset: Preset, material: Material) -> TextEncoder:
    made = networks.text_encoder(preset)
    table = made.get_input_embeddings()
    table.weight.data.copy_(prepare.tokens(material.data, preset.width) * TABLE_SCALE)
    table.weight.requires_grad_(False)
    return made
