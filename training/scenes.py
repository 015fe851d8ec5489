"""What a training picture shows: one, two or three emoji on a ground of a colour or two.

A `Scene` says it in numbers and knows neither pixels (`compose`) nor words (`captions`).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from training.emoji import Emoji
from training.presets import Preset

PALETTE = {  # the name of each ground's colour, and the colour itself: sRGB
    "white": (255, 255, 255),
    "black": (20, 20, 20),
    "red": (220, 40, 40),
    "orange": (245, 145, 40),
    "yellow": (250, 220, 60),
    "green": (60, 170, 80),
    "blue": (50, 100, 220),
    "purple": (140, 70, 190),
    "pink": (250, 150, 190),
    "brown": (130, 85, 55),
    "gray": (140, 140, 140),
    "cyan": (90, 210, 225),
}
COLOURS = tuple(PALETTE)
PLAIN, DOWN, RIGHT = range(3)  # directions of a gradient
SMALL, LARGE = 0.45, 0.85  # a thing below, or above, is called small, or large
ASIDE = 0.1  # a thing this far from the middle is at the left, right, top or bottom


@dataclass(frozen=True)
class Thing:
    """One emoji: its class, the middle of its square and that square's side, of a picture whose
    own side is 1; x grows to the right, y downwards."""

    which: int
    x: float
    y: float
    side: float
    mirrored: bool = False


@dataclass(frozen=True)
class Scene:
    """`colours` are indices into COLOURS, the same twice for a plain ground; `style` into STYLES of
    `prepare`. Later things lie over earlier ones; two of them stand side by side, or, if `stacked`,
    the first above the second."""

    things: tuple[Thing, ...]
    style: int
    colours: tuple[int, int]
    direction: int
    stacked: bool = False


@dataclass(frozen=True)
class Chances:
    """How often a scene is what; `mirrored` is 0 where a thing should always look the same."""

    several: float
    flat: float
    familiar: float
    mirrored: float = 0.0
    white: float = 0.35
    gradient: float = 0.2
    placed: float = 0.35  # of single things
    grid: float = 0.0  # corners and sides are multiples of this part of the picture's side

    @classmethod
    def of(cls, preset: Preset) -> "Chances":
        """As the UNet sees the world. A thing moved by as much as a latent's number stands for has
        the same latents elsewhere, and one moved by less has others: on a grid of that size there
        is much less to learn, and a short training gets further."""
        grid = preset.grid / preset.pixels
        return cls(preset.several_share, preset.flat_share, preset.familiar_share, grid=grid)


def drawn(known: Sequence[Emoji], chances: Chances, rng: random.Random) -> Scene:
    """A scene by these chances."""

    def which() -> int:
        one = rng.randrange(len(known))
        if rng.random() < chances.familiar:
            for _ in range(64):  # where none is familiar, any will do
                if known[one].familiar:
                    break
                one = rng.randrange(len(known))
        return one

    stacked = False
    if rng.random() >= chances.several:
        places = [_alone(chances, rng)]
    elif rng.random() < 0.75:
        stacked = rng.random() < 0.4
        places = _two(stacked, rng)
    else:
        places = _three(rng)
    if chances.grid:
        places = [_snapped(place, chances.grid) for place in places]
    chosen: list[int] = []
    while len(chosen) < len(places):
        chosen += [one for one in [which()] if one not in chosen]
    things = tuple(
        Thing(one, *place, rng.random() < chances.mirrored and not known[one].unmirrored)
        for one, place in zip(chosen, places, strict=True)
    )
    colours, direction = _ground(chances, rng)
    return Scene(things, int(rng.random() < chances.flat), colours, direction, stacked)


Place = tuple[float, float, float]  # x, y, side


def _alone(chances: Chances, rng: random.Random) -> Place:
    """In the middle and of a usual size; or of a size, or at a side, that a caption can name."""
    if rng.random() >= chances.placed:
        side = rng.uniform(0.68, 0.84)
        return rng.uniform(0.47, 0.53), rng.uniform(0.47, 0.53), side
    if rng.random() < 0.35:
        side = rng.choice([rng.uniform(0.3, 0.42), rng.uniform(0.9, 0.98)])
        return rng.uniform(0.48, 0.52), rng.uniform(0.48, 0.52), side
    side = rng.choice([rng.uniform(0.3, 0.42), rng.uniform(0.5, 0.6)])
    near = side / 2 + rng.uniform(0.02, 0.06)
    return rng.choice([(near, 0.5, side), (1 - near, 0.5, side), (0.5, near, side),
                       (0.5, 1 - near, side)])  # fmt: skip


def _snapped(place: Place, grid: float) -> Place:
    """The nearest place whose corners and side are multiples of `grid`."""
    x, y, side = place
    side = max(1, round(side / grid)) * grid
    left, top = (round((middle - side / 2) / grid) * grid for middle in (x, y))
    return left + side / 2, top + side / 2, side


def _two(stacked: bool, rng: random.Random) -> list[Place]:
    first, second = rng.uniform(0.42, 0.48), rng.uniform(0.42, 0.48)
    drift = [rng.uniform(-0.04, 0.04) for _ in range(2)]
    if stacked:
        return [(0.5 + drift[0], 0.26, first), (0.5 + drift[1], 0.74, second)]
    return [(0.26, 0.5 + drift[0], first), (0.74, 0.5 + drift[1], second)]


def _three(rng: random.Random) -> list[Place]:
    return [(x, 0.5 + rng.uniform(-0.05, 0.05), rng.uniform(0.29, 0.32)) for x in (0.18, 0.5, 0.82)]


def _ground(chances: Chances, rng: random.Random) -> tuple[tuple[int, int], int]:
    if rng.random() < chances.gradient:
        first, second = rng.sample(range(len(COLOURS)), 2)
        return (first, second), rng.choice([DOWN, RIGHT])
    only = 0 if rng.random() < chances.white else rng.randrange(1, len(COLOURS))
    return (only, only), PLAIN
