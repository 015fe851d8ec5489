"""Pictures of several things, put together from latents of each, another two or three each time.

Which of two names stands for which side is not learnt from the few pictures of two things that a
pool holds: a text encoder comes to know each of them by heart. On a grid of latents a thing has
the same latents at every place (but for what the autoencoder sees of its surroundings), so two
things can be laid side by side, or one above the other, without drawing and encoding them: on
white any two; on another colour those that have been encoded on it, an eleventh of all.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from training.emoji import Emoji
from training.latents import Feed
from training.scenes import COLOURS, PLAIN, Chances, Scene, Thing, drawn

_COLOURED = len(COLOURS) - 1  # grounds that are not white


@dataclass(frozen=True)
class Pieces:
    """Latents of a standard deviation of 1. `grounds`: (colours, 4, side, side); `things`: by how
    many latents they are wide and high, (2, classes, 4, wide, wide), first on white, then each on
    a colour of its own."""

    known: Sequence[Emoji]
    chances: Chances
    grounds: Tensor
    things: dict[int, Tensor]

    @classmethod
    def of(cls, feed: Feed) -> "Pieces":
        """In the sizes in which two and three things stand together; the preset must have a grid.
        Raises ValueError if it has none."""
        if not feed.preset.grid:
            raise ValueError(f"the preset {feed.preset.name!r} has no grid to lay pieces on")
        chances = replace(Chances.of(feed.preset), several=1.0, flat=0.0, gradient=0.0, bare=0.0)
        rng = random.Random(0)
        sides = {drawn(feed.known, chances, rng).things[0].side for _ in range(100)}

        def latents(scenes: Sequence[Scene]) -> Tensor:
            return feed.scaled(feed.encoded(scenes)).cpu()

        grounds = latents([_on(colour, ()) for colour in range(len(COLOURS))])
        things = {}
        for side in sides:
            lone = [(Thing(which, 0.5, 0.5, side),) for which in range(len(feed.known))]
            white = latents([_on(0, each) for each in lone])
            coloured = latents([_on(_own(each[0].which), each) for each in lone])
            wide = round(side * feed.preset.latent)
            past = (feed.preset.latent - wide) // 2
            whole = torch.stack([white, coloured])
            things[wide] = whole[..., past : past + wide, past : past + wide].contiguous()
        return cls(feed.known, chances, grounds, things)

    def scene(self, rng: random.Random) -> Scene:
        """Two or three things on a plain ground that they have pieces for."""
        found = drawn(self.known, self.chances, rng)
        colour = found.colours[0]
        own = range(colour - 1, len(self.known), _COLOURED)  # the classes that stand on it
        if not colour or len(own) < len(found.things):
            return replace(found, colours=(0, 0))
        chosen = rng.sample(own, len(found.things))
        things = zip(found.things, chosen, strict=True)
        return replace(found, things=tuple(replace(each, which=which) for each, which in things))

    def together(self, scene: Scene) -> Tensor:
        """(4, side, side) of such a scene."""
        made = self.grounds[scene.colours[0]].clone()
        side = made.shape[-1]
        for thing in scene.things:
            wide = round(thing.side * side)
            left, top = (round((at - thing.side / 2) * side) for at in (thing.x, thing.y))
            piece = self.things[wide][int(scene.colours[0] > 0), thing.which]
            made[:, top : top + wide, left : left + wide] = piece
        return made


def _own(which: int) -> int:
    """The colour, other than white, that things of this class stand on."""
    return 1 + which % _COLOURED


def _on(colour: int, things: tuple[Thing, ...]) -> Scene:
    return Scene(things, 0, (colour, colour), PLAIN)
