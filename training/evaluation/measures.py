"""The measures, one function each; every one says what it counts, and all have fixed seeds."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training import autoencoder
from training.compose import Composer
from training.emoji import Emoji, held_out
from training.evaluation.likeness import Likeness
from training.evaluation.model import Model
from training.networks import Autoencoder
from training.presets import Preset
from training.scenes import ASIDE, COLOURS, PALETTE, PLAIN, Scene, Thing

_HELD_OUT_SEED = 1_000_000_007  # of compositions: no training begins with it
_WHITE = " on a white background"
_SIDES = ("on the left", "on the right", "at the top", "at the bottom")
_SIZES = ("small", "large")
_SEEN = 0.25  # a pixel this far from white, of 2, is drawn


@dataclass(frozen=True)
class Scale:
    """How much is asked: of names (0: every class), pictures for each, and so on."""

    names: int
    seeds: int
    colours: int
    pairs: int
    places: int
    compositions: int


def references(composer: Composer, known: Sequence[Emoji], pixels: int) -> Tensor:
    """(classes, 3, pixels, pixels): each emoji alone on white, from -1 to 1, on the CPU."""
    scenes = [
        Scene((Thing(number, 0.5, 0.5, 0.75),), 0, (0, 0), PLAIN) for number in range(len(known))
    ]
    made = [composer(scenes[start : start + 64], pixels) for start in range(0, len(scenes), 64)]
    return torch.cat(made).cpu()


def reconstruction(
    vae: Autoencoder, composer: Composer, known: Sequence[Emoji], preset: Preset, count: int
) -> float:
    """Mean over compositions that no training saw of 10 log10(1 / squared error), colours from 0
    to 1, through encoder and decoder; dB."""
    rng = random.Random(_HELD_OUT_SEED)
    values = []
    for _ in range(0, count, 16):
        scenes = [autoencoder.for_reconstruction(known, preset, rng) for _ in range(16)]
        pictures = composer(scenes, preset.pixels)
        made = autoencoder.decoded(vae, autoencoder.encoded(vae, pictures))
        values.append(-10 * ((made - pictures) / 2).square().mean((1, 2, 3)).log10())
    return torch.cat(values).mean().item()


def names(
    model: Model, likeness: Likeness, known: Sequence[Emoji], scale: Scale
) -> list[tuple[float, float]]:
    """Shares of pictures of "LABEL on a white background" whose class is the nearest reference's,
    or among the five nearest classes', of all classes; then the same of the familiar ones among
    those asked for."""
    order = random.Random(_HELD_OUT_SEED).sample(range(len(known)), len(known))
    asked = order[: scale.names or None] * scale.seeds
    prompts = [known[which].label + _WHITE for which in asked]
    ranked = likeness.ranked(model.pictures(prompts, range(len(prompts))))
    wanted = likeness.group[asked][:, None]
    familiar = torch.tensor([known[which].familiar for which in asked])
    return [
        (_within(ranked[those], wanted[those], 1), _within(ranked[those], wanted[those], 5))
        for those in (torch.ones_like(familiar), familiar)
    ]


def synonyms(model: Model, likeness: Likeness, known: Sequence[Emoji], seeds: int) -> float:
    """Share of pictures of words that no caption held whose right class, or one of them, is among
    the five nearest; words that mean none of `known` are left out."""
    numbers = {each.label: number for number, each in enumerate(known)}
    words = [
        (word, [numbers[label] for label in labels])
        for word, labels in held_out()
        if set(labels) <= set(numbers)
    ] * seeds
    prompts = [word + _WHITE for word, _ in words]
    ranked = likeness.ranked(model.pictures(prompts, range(len(prompts))))
    hits = [
        _within(row[None], likeness.group[right][None], 5)
        for row, (_, right) in zip(ranked, words, strict=True)
    ]
    return sum(hits) / len(hits)


def colours(model: Model, known: Sequence[Emoji], count: int) -> float:
    """Share of pictures of "LABEL on a COLOUR background", over all colours of the palette in
    turn, whose border (a sixteenth of the side) has a median nearest to that colour."""
    familiar = [each for each in known if each.familiar]
    chosen = random.Random(_HELD_OUT_SEED).choices(familiar, k=count)
    asked = torch.arange(count) % len(COLOURS)
    words = ["an orange" if name == "orange" else f"a {name}" for name in COLOURS]
    prompts = [
        f"{each.label} on {words[colour]} background"
        for each, colour in zip(chosen, asked.tolist(), strict=True)
    ]
    pictures = model.pictures(prompts, range(count))
    edge = model.pixels // 16
    inside = torch.zeros(model.pixels, model.pixels, dtype=torch.bool)
    inside[edge:-edge, edge:-edge] = True
    borders = pictures[:, :, ~inside].median(2).values  # (count, 3)
    palette = torch.tensor(list(PALETTE.values())) / 127.5 - 1
    return (torch.cdist(borders, palette).argmin(1) == asked).float().mean().item()


def places(model: Model, known: Sequence[Emoji], count: int) -> tuple[float, float]:
    """Shares of pictures of "small LABEL on the left", "on the right", "at the top" and "at the
    bottom" with the middle of what is drawn on that side; and of pictures of "small LABEL" and
    "large LABEL" where what is drawn reaches over less, or more, than three fifths of the picture,
    the longer way. All on white, half of the pictures for each."""
    familiar = [each for each in known if each.familiar]
    chosen = random.Random(_HELD_OUT_SEED).choices(familiar, k=count)
    half = count // 2
    asked = [f"small {each.label} {_SIDES[n % 4]}" for n, each in enumerate(chosen[:half])]
    asked += [f"{_SIZES[n % 2]} {each.label}" for n, each in enumerate(chosen[half:])]
    pictures = model.pictures([prompt + _WHITE for prompt in asked], range(count))
    x, y, extent = drawn_at(pictures)
    off = torch.stack([-x, x, -y, y], 1)[:half]
    wanted = torch.arange(half) % 4
    placed = (off[torch.arange(half), wanted] > 2 * ASIDE).float().mean().item()
    small = torch.arange(count - half) % 2 == 0
    sized = ((extent[half:] < 0.6) == small).float().mean().item()
    return placed, sized


def drawn_at(pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of (batch, 3, side, side) on white, three times (batch,): the middle of what is drawn, from
    -1 to 1 to the right and downwards, and how much of the picture it reaches over, the longer way.
    """
    seen = (pictures - 1).abs().amax(1) > _SEEN  # (batch, side, side)
    side = seen.shape[-1]
    line = (torch.arange(side) + 0.5) * 2 / side - 1
    count = seen.sum((1, 2)).clamp(min=1)
    x = (seen.sum(1) * line).sum(1) / count
    y = (seen.sum(2) * line).sum(1) / count
    # a column or a row counts from two pixels on: a speck is no thing
    spans = [_span(seen.sum(axis) >= 2) for axis in (1, 2)]
    return x, y, torch.maximum(*spans) / side


def _span(there: Tensor) -> Tensor:
    """(batch,): from the first true to the last of each row of (batch, side)."""
    width = there.shape[1]
    first, last = there.int().argmax(1), width - 1 - there.flip(1).int().argmax(1)
    return torch.where(there.any(1), last - first + 1, 0)


def pairs(
    model: Model, likeness: Likeness, known: Sequence[Emoji], count: int
) -> tuple[float, float]:
    """Shares of pictures of "A and B", or "A above B", on white, where each half shows what was
    asked for there: as the nearest class, and among the five nearest."""
    rng = random.Random(_HELD_OUT_SEED)
    familiar = [number for number, each in enumerate(known) if each.familiar]
    asked = [rng.sample(familiar, 2) for _ in range(count)]
    joins = [" above " if number % 4 == 0 else " and " for number in range(count)]
    prompts = [
        known[first].label + join + known[second].label + _WHITE
        for (first, second), join in zip(asked, joins, strict=True)
    ]
    pictures = model.pictures(prompts, range(count))
    shares = []
    for near in (1, 5):
        both = torch.ones(count, dtype=torch.bool)
        for half in range(2):
            ranked = likeness.ranked(_halves(pictures, joins, half))
            wanted = likeness.group[[each[half] for each in asked]]
            both &= (_nearest(ranked, near) == wanted[:, None]).any(1)
        shares.append(both.float().mean().item())
    return shares[0], shares[1]


def _halves(pictures: Tensor, joins: Sequence[str], half: int) -> Tensor:
    """The pictures with the other half made white."""
    middle = pictures.shape[-1] // 2
    other = slice(middle, None) if half == 0 else slice(0, middle)
    cut = pictures.clone()
    for picture, join in zip(cut, joins, strict=True):
        if join == " above ":
            picture[:, other] = 1
        else:
            picture[:, :, other] = 1
    return cut


def _within(ranked: Tensor, wanted: Tensor, near: int) -> float:
    """Share of rows with one of their `wanted`, (rows, any), among the `near` nearest classes."""
    first = _nearest(ranked, near)
    return (first[:, :, None] == wanted[:, None]).any(2).any(1).float().mean().item()


def _nearest(ranked: Tensor, near: int) -> Tensor:
    """(rows, near): the first of each row, every group once."""
    return torch.stack(
        [torch.tensor(list(dict.fromkeys(row[: near * 6].tolist()))[:near]) for row in ranked]
    )
