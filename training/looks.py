"""What pictures look like, in numbers that a text encoder can learn to say.

Stable Diffusion's text encoder is CLIP's (Radford et al. 2021, arXiv:2103.00020): before a UNet was
trained with it, it had learnt from pictures what words look like. Learnt together with the UNet
only, from noisy pictures and through many layers, that takes most of a short training. So it is
learnt first here too (`words`), without noise and without a UNet; and as there are few things, by
regression in place of contrast. A linear map of the contexts has to say

- from the last token of a thing's name on: the looks of that thing, the largest principal
  components of its latents (64 of them tell 98 % of 1,144 things apart);
- from the caption's end on: the picture. The end token and the padding after it have read all of
  the caption, and there are many of them: each says one patch of 8 x 8. A UNet that draws one place
  looks up its patch, in place of working the whole picture out of one row. After a caption of
  eleven words there is a place for every patch; after a longer one those at the border, which
  seldom say more than the ground, are missing first.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from training import vocabulary
from training.captions import caption
from training.emoji import Emoji
from training.latents import tokens
from training.pieces import Pieces
from training.scenes import PLAIN, Scene, Thing

KEPT = 64  # principal components
ACROSS = 8  # patches of a picture, each way
_FIRST = 13  # the place from which on every patch is said once
_SIDE = 0.75  # of a thing that stands alone, in the middle, on white
_TOGETHER = 0.4  # of captions are of several things, where there are pieces of them;
_ALONE = 0.3  # of the others, of such pictures
_BATCH = 64
_LENGTH = 77
_END = vocabulary.SIZE - 1


def places() -> Tensor:
    """(77,): which patch, counted as one reads, is said at which place of the context: from place
    13 on those furthest from the middle first."""
    line = torch.arange(ACROSS) - (ACROSS - 1) / 2
    away = (line[:, None].square() + line.square()).flatten()
    inwards = away.argsort(descending=True, stable=True)
    return inwards[(torch.arange(_LENGTH) - _FIRST) % ACROSS**2]


def alone(styles: int, classes: int) -> list[Scene]:
    """Each thing by itself, first all of the first style."""
    return [
        Scene((Thing(which, 0.5, 0.5, _SIDE),), style, (0, 0), PLAIN)
        for style in range(styles)
        for which in range(classes)
    ]


def looks(latents: Tensor) -> Tensor:
    """(things, at most KEPT) of a standard deviation of 1 over all: the principal components of the
    (things, 4, side, side), each over the root of its size, so that what is small counts too."""
    flat = latents.flatten(1)
    places, sizes, _ = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    found = places[:, :KEPT] * sizes[:KEPT].sqrt()
    spread: Tensor = found / found.std()
    return spread


def patches(latents: Tensor) -> Tensor:
    """(pictures, 64, numbers) of (pictures, 4, side, side): a row of patches after the other."""
    cell = latents.shape[-1] // ACROSS
    cells = latents.reshape(
        len(latents), -1, ACROSS, cell, ACROSS, cell
    )  # (., 4, row, y, column, x)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(len(latents), ACROSS**2, -1)


def joined(cells: Tensor) -> Tensor:
    """(pictures, 4, side, side) of (pictures, 64, numbers): what `patches` made the patches of."""
    cell = int((cells.shape[2] // 4) ** 0.5)
    apart = cells.reshape(len(cells), ACROSS, ACROSS, 4, cell, cell).permute(0, 3, 1, 4, 2, 5)
    return apart.reshape(len(cells), 4, ACROSS * cell, ACROSS * cell)


def ended(words: Tensor) -> Tensor:
    """(batch, 77), of (batch, 77) tokens: from the end of a caption on; nowhere of an empty one, of
    which nothing is asked."""
    end = (words == _END).int().argmax(1)[:, None]
    return (torch.arange(words.shape[1], device=words.device) >= end) & (end > 1)


@dataclass(frozen=True)
class Asked:
    """Captions, (batch, 77) tokens, and what their contexts should say: `looks`, (batch, 77, kept),
    where `named`, (batch, 77), is 1; `patches`, (batch, 77, numbers), where `ended` is. They are
    read with the rows of the table of tokens that lie `share`, (batch,), of the way from those of
    `words` to those of `others`."""

    words: Tensor
    others: Tensor
    share: Tensor
    looks: Tensor
    named: Tensor
    patches: Tensor
    ended: Tensor

    def to(self, device: torch.device) -> "Asked":
        return Asked(**{name: each.to(device) for name, each in vars(self).items()})


@dataclass(frozen=True)
class Captions:
    """Captions without end, and what they should say. `looks`: (styles, classes, kept); `scenes`
    with `patches`, (scenes, 64, numbers), the last of them things that stand alone, all about their
    `mean`, (64, numbers); `names`: the tokens of each name of each class, the longest first;
    `pieces`: what more pictures of several things are made of; None: of nothing."""

    known: Sequence[Emoji]
    tokenizer: CLIPTokenizer
    names: list[list[list[int]]]
    looks: Tensor
    scenes: Sequence[Scene]
    patches: Tensor
    mean: Tensor
    pieces: Pieces | None = None

    @classmethod
    def of(
        cls,
        known: Sequence[Emoji],
        tokenizer: CLIPTokenizer,
        some: tuple[Sequence[Scene], Tensor],
        single: tuple[Sequence[Scene], Tensor],
        pieces: Pieces | None = None,
    ) -> "Captions":
        """From scenes with their latents: `some`, and those of `alone`."""
        spoken = [(each.label, *each.names, *each.kin) for each in known]
        read = [tokenizer(list(names), add_special_tokens=False).input_ids for names in spoken]
        names = [sorted(each, key=len, reverse=True) for each in read]
        shown = looks(single[1])
        cut = patches(torch.cat([some[1], single[1]]))
        scenes = [*some[0], *single[0]]
        return cls(
            known,
            tokenizer,
            names,
            shown.view(-1, len(known), shown.shape[1]),
            scenes,
            cut - cut.mean(0),
            cut.mean(0),
            pieces,
        )

    def batch(self, seed: int) -> Asked:
        """64 captions, the same for the same seed."""
        rng = random.Random(f"looks {seed}")
        shown = [self._shown(rng) for _ in range(_BATCH)]
        said = [caption(scene, self.known, rng) for scene, _ in shown]
        words = tokens(self.tokenizer, said)
        told = [
            self.told(scene, line) for (scene, _), line in zip(shown, words.tolist(), strict=True)
        ]
        looks, named = (torch.stack(each) for each in zip(*told, strict=True))
        said_there = torch.stack([each for _, each in shown])[:, places()]
        return Asked(
            words, words, torch.zeros(_BATCH), looks, named, said_there, ended(words).float()
        )

    def _shown(self, rng: random.Random) -> tuple[Scene, Tensor]:
        """A scene and its patches, (64, numbers)."""
        if self.pieces is not None and rng.random() < _TOGETHER:
            scene = self.pieces.scene(rng)
            return scene, patches(self.pieces.together(scene)[None])[0] - self.mean
        single = len(self.scenes) - self.looks.shape[0] * self.looks.shape[1]
        ranges = (range(single, len(self.scenes)), range(single))
        row = rng.choice(ranges[rng.random() >= _ALONE])
        return self.scenes[row], self.patches[row]

    def alone(self, which: int) -> Tensor:
        """(77, numbers): the patches of this thing alone, of the first style, at each place."""
        first = len(self.scenes) - self.looks.shape[0] * self.looks.shape[1]
        return self.patches[first + which][places()]

    def told(self, scene: Scene, line: list[int]) -> tuple[Tensor, Tensor]:
        """(77, kept) and (77,): the looks of each thing from its name to the next one's or the
        end, and where they are asked for."""
        wanted, named = torch.zeros(len(line), self.looks.shape[2]), torch.zeros(len(line))
        end = line.index(_END)
        found = [(self._read(line[:end], thing.which), thing.which) for thing in scene.things]
        read = sorted((at, which) for at, which in found if at)
        for (at, which), (stop, _) in pairwise([*read, (end, 0)]):
            wanted[at:stop] = self.looks[scene.style, which]
            named[at:stop] = 1
        return wanted, named

    def _read(self, line: list[int], which: int) -> int:
        """Where the last token of a name of this class is; 0: nowhere."""
        for name in self.names[which]:
            for start in range(1, len(line) - len(name) + 1):
                if line[start : start + len(name)] == name:
                    return start + len(name) - 1
        return 0
