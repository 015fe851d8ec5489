"""Which emoji a picture shows: the nearest reference, whatever its place, its size and its blur.

A trained network could be fooled by what another network draws, so the features are made by hand:
colours and directions of edges on a grid over the thing, after the thing has been moved to the
middle and brought to one size. What differs between two augmentations of one emoji (blur, noise,
another contrast, a slight turn) is then found from augmented references and divided out (linear
discriminant analysis: directions that vary within a class count less). `Likeness.check` says how
well that works: on augmentations that it has not seen, and on noise.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_SIDE = 48  # of the square that a thing is brought to
_COLOURS, _EDGES, _DIRECTIONS = 16, 12, 6
_REACH = 2.6  # half of that square's side, in standard deviations of the thing's pixels
_KEPT = 320  # principal components
_SIGNIFICANT = 0.12  # a pixel this far from the ground, of 2, belongs to the thing
_VARIANTS = tuple((s, x, y) for s in (0.92, 1.0, 1.09) for x in (-0.06, 0, 0.06)
                  for y in (-0.06, 0, 0.06))  # fmt: skip


def normalized(pictures: Tensor, variant: tuple[float, float, float] = (1.0, 0.0, 0.0)) -> Tensor:
    """(batch, 3, 48, 48): the thing in each picture, in the middle and of one size.

    `pictures`: (batch, 3, side, side) from -1 to 1, on a white ground. `variant`: how much larger
    the square is cut, and how far it is moved, in halves of its side.
    """
    side = pictures.shape[-1]
    away = (pictures - 1).abs().amax(1)  # (batch, side, side)
    weight = (away - _SIGNIFICANT).clamp(min=0).sqrt() + 1e-6
    weight = weight / weight.sum((1, 2), keepdim=True)
    line = (torch.arange(side, device=pictures.device) + 0.5) * 2 / side - 1
    x, y = (weight.sum(1) * line).sum(1), (weight.sum(2) * line).sum(1)
    spread = (
        weight * ((line[None, None] - x[:, None, None]) ** 2
                  + (line[None, :, None] - y[:, None, None]) ** 2)
    ).sum((1, 2))  # fmt: skip
    half = _REACH * (spread / 2).sqrt().clamp(min=0.02) * variant[0]
    grid = torch.zeros(len(pictures), 2, 3, device=pictures.device)
    grid[:, 0, 0] = grid[:, 1, 1] = half
    grid[:, 0, 2], grid[:, 1, 2] = x + half * variant[1], y + half * variant[2]
    where = F.affine_grid(grid, [len(pictures), 3, 2 * _SIDE, 2 * _SIDE], align_corners=False)
    # less one: what lies outside the picture is then white
    cut = F.grid_sample(pictures - 1, where, align_corners=False) + 1
    return F.avg_pool2d(cut, 2)


def features(things: Tensor) -> Tensor:
    """(batch, numbers): colours, and strengths of edges by direction, of `normalized` pictures."""
    colours = F.adaptive_avg_pool2d(things, _COLOURS).flatten(1)
    across = F.pad(things.diff(dim=3), (0, 1)).mean(1)
    down = F.pad(things.diff(dim=2), (0, 0, 0, 1)).mean(1)
    strength = (across**2 + down**2).sqrt()
    angle = torch.atan2(down, across) * 2  # an edge and its reverse are one direction
    turns = torch.arange(_DIRECTIONS, device=things.device) * 2 * torch.pi / _DIRECTIONS
    bins = strength[:, None] * (angle[:, None] - turns[:, None, None]).cos().clamp(min=0)
    edges = F.adaptive_avg_pool2d(bins, _EDGES).sqrt().flatten(1)
    return torch.cat([colours, edges * 1.5], 1)


def augmented(pictures: Tensor, seed: int) -> Tensor:
    """The same things elsewhere, in another size, turned by up to 8 degrees, blurred as a small
    model blurs, with other contrast and tint and some noise; on white."""
    draw = torch.Generator().manual_seed(seed)
    count = len(pictures)

    def between(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=draw) * (high - low) + low

    size, turn = between(0.7, 1.05), between(-0.14, 0.14)
    grid = torch.stack(
        [turn.cos() / size, -turn.sin() / size, between(-0.15, 0.15),
         turn.sin() / size, turn.cos() / size, between(-0.15, 0.15)], 1,
    ).view(count, 2, 3)  # fmt: skip
    where = F.affine_grid(grid, list(pictures.shape), align_corners=False)
    moved = F.grid_sample(pictures - 1, where, align_corners=False) * between(0.85, 1.15, 1, 1, 1)
    moved = moved * between(0.92, 1.08, 3, 1, 1)
    blurred = []
    for each, sigma in zip(moved, between(0.2, 0.014 * pictures.shape[-1]).tolist(), strict=True):
        reach = torch.arange(-6, 7, dtype=torch.float32)
        bell = (-(reach**2) / (2 * sigma**2)).exp()
        bell = (bell / bell.sum()).expand(3, 1, 1, -1)
        softer = F.conv2d(each[None], bell, padding=(0, 6), groups=3)
        blurred.append(F.conv2d(softer, bell.transpose(2, 3), padding=(6, 0), groups=3)[0])
    noise = torch.randn(pictures.shape, generator=draw) * between(0, 0.05, 1, 1, 1)
    return (torch.stack(blurred) + 1 + noise).clamp(-1, 1)


@dataclass(frozen=True)
class Likeness:
    """`mean`, `axes`: the discriminant space; `references`: (classes, numbers) in it, of length 1;
    `group`: (classes,) which ones are one class, as they are more alike than two augmentations."""

    mean: Tensor
    axes: Tensor
    references: Tensor
    group: Tensor

    @classmethod
    def of(cls, pictures: Tensor, rounds: int = 8) -> "Likeness":
        """From the references, (classes, 3, side, side) on white; learns from `rounds` of
        augmentations of each."""
        views = torch.stack(
            [features(normalized(augmented(pictures, 100 + seed))) for seed in range(rounds)]
        )  # (rounds, classes, numbers)
        flat = views.flatten(0, 1)
        mean = flat.mean(0)
        _, values, principal = torch.pca_lowrank(
            flat, q=min(_KEPT, *flat.shape), center=True, niter=4
        )
        basis = principal[:, values > values[0] * 1e-4]
        inside = ((views - views.mean(0)) @ basis).flatten(0, 1)
        within = inside.T @ inside / len(inside)
        within += torch.eye(len(within)) * within.diagonal().mean() * 0.1
        spread, turned = torch.linalg.eigh(within)
        axes = basis @ turned @ torch.diag(spread.rsqrt())
        references = F.normalize((features(normalized(pictures)) - mean) @ axes)
        first, second = (F.normalize((views[number] - mean) @ axes) for number in range(2))
        alike = (first * second).sum(1).median().item()
        return cls(mean, axes, references, _groups(references, alike))

    def ranked(self, pictures: Tensor) -> Tensor:
        """(batch, classes): groups by likeness, the nearest first; a group may come twice."""
        best = torch.full((len(pictures), len(self.references)), -1.0)
        for variant in _VARIANTS:
            seen = features(normalized(pictures, variant))
            best = torch.maximum(
                best, F.normalize((seen - self.mean) @ self.axes) @ self.references.T
            )
        return self.group[best.argsort(1, descending=True)]

    def check(self, pictures: Tensor, seed: int = 7) -> tuple[float, float]:
        """Shares of references found: of such augmentations as were not seen, and of noise."""
        there = self.group
        found = self.ranked(augmented(pictures, seed))[:, 0] == there
        draw = torch.Generator().manual_seed(seed)
        noise = torch.rand(pictures.shape, generator=draw) * 2 - 1
        chance = self.ranked(noise)[:, 0] == there
        return found.float().mean().item(), chance.float().mean().item()


def _groups(references: Tensor, alike: float) -> Tensor:
    """(classes,): the smallest number among the classes that each is one with."""
    near = references @ references.T > alike
    group = torch.arange(len(references))
    for _ in range(len(references)):
        joined = torch.where(near, group[None], len(references)).amin(1)
        joined = torch.minimum(joined, group)
        if torch.equal(joined, group):
            break
        group = joined
    return group
