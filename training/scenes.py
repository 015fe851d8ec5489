"""What a training picture shows: one, two or three emoji on a ground of a colour or two; seldom
the ground alone.

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
    bare: float = 0.04  # grounds alone
    play: float = 1.0  # how far places and sizes vary about the usual ones: 0 is not at all, and
    # things that no caption calls small or large are of one size in place of two
    grid: float = 0.0  # corners and sides are multiples of this part of the picture's side

    @classmethod
    def of(cls, preset: Preset) -> "Chances":
        """As the UNet sees the world. A thing moved by as much as a latent's number stands for has
        the same latents elsewhere, and one moved by less has others: on a grid of that size, and
        in a few places of it, there is much less to learn, and a short training gets further."""
        grid, play = preset.grid / preset.pixels, 0.0 if preset.grid else 1.0
        return cls(
            preset.several_share, preset.flat_share, preset.familiar_share, play=play, grid=grid
        )

    def about(self, usual: float, reach: float, rng: random.Random) -> float:
        """A place or a size: the usual one, or one up to so far from it."""
        return usual + self.play * rng.uniform(-reach, reach)


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
    if rng.random() < chances.bare:
        places: list[Place] = []
    elif rng.random() >= chances.several:
        places = [_alone(chances, rng)]
    elif rng.random() < 0.75:
        stacked = rng.random() < 0.4
        places = _two(stacked, chances, rng)
    else:
        places = _three(chances, rng)
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
    about = chances.about
    if rng.random() >= chances.placed:
        usual = not chances.play or rng.random() < 0.75
        side = about(0.76, 0.08, rng) if usual else about(0.63, 0.05, rng)
        return about(0.5, 0.03, rng), about(0.5, 0.03, rng), side
    if rng.random() < 0.35:
        side = rng.choice([about(0.36, 0.06, rng), about(0.94, 0.04, rng)])
        return about(0.5, 0.02, rng), about(0.5, 0.02, rng), side
    side = rng.choice([about(0.36, 0.06, rng), about(0.53, 0.05, rng)])
    near = side / 2 + about(0.04, 0.02, rng)
    return rng.choice([(near, 0.5, side), (1 - near, 0.5, side), (0.5, near, side),
                       (0.5, 1 - near, side)])  # fmt: skip


def _snapped(place: Place, grid: float) -> Place:
    """The nearest place whose corners and side are multiples of `grid`."""
    x, y, side = place
    side = max(1, round(side / grid)) * grid
    left, top = (round((middle - side / 2) / grid) * grid for middle in (x, y))
    return left + side / 2, top + side / 2, side


def _two(stacked: bool, chances: Chances, rng: random.Random) -> list[Place]:
    first, second = (chances.about(0.45, 0.03, rng) for _ in range(2))
    drift = [chances.about(0.0, 0.04, rng) for _ in range(2)]
    if stacked:
        return [(0.5 + drift[0], 0.26, first), (0.5 + drift[1], 0.74, second)]
    return [(0.26, 0.5 + drift[0], first), (0.74, 0.5 + drift[1], second)]


def _three(chances: Chances, rng: random.Random) -> list[Place]:
    about = chances.about
    return [(x, about(0.5, 0.05, rng), about(0.305, 0.015, rng)) for x in (0.18, 0.5, 0.82)]


def _ground(chances: Chances, rng: random.Random) -> tuple[tuple[int, int], int]:
    if rng.random() < chances.gradient:
        first, second = rng.sample(range(len(COLOURS)), 2)
        return (first, second), rng.choice([DOWN, RIGHT])
    only = 0 if rng.random() < chances.white else rng.randrange(1, len(COLOURS))
    return (only, only), PLAIN
