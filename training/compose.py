"""Scenes as pictures: emoji laid over a ground, a whole batch at once on any device."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from training.scenes import DOWN, PALETTE, RIGHT, Scene


class Composer:
    """Draws scenes with the emoji that it was given.

    `pictures`: (styles, classes, 4, side, side) uint8, RGB times alpha, then alpha. Halves and
    quarters of them are kept too: a small thing is drawn from the size nearest above its own, as
    reading a large one at few places would leave parts of it out.
    """

    def __init__(self, pictures: Tensor, device: torch.device) -> None:
        self._device = device
        self._sizes = [pictures.to(device)]
        for _ in range(2):
            halved = F.avg_pool2d(self._sizes[-1].flatten(0, 1).float(), 2)
            shape = (*pictures.shape[:3], *halved.shape[-2:])
            self._sizes.append(halved.round().to(torch.uint8).view(shape))
        self._palette = torch.tensor(list(PALETTE.values()), device=device) / 127.5 - 1

    def __call__(self, scenes: Sequence[Scene], pixels: int) -> Tensor:
        """(scenes, 3, pixels, pixels) float32, sRGB from -1 to 1."""
        made = self.grounds(scenes, pixels)
        for layer in range(max(len(scene.things) for scene in scenes)):
            for level in range(len(self._sizes)):
                rows = [
                    row
                    for row, scene in enumerate(scenes)
                    if layer < len(scene.things)
                    and self._level(scene.things[layer].side * pixels) == level
                ]
                if rows:
                    self._lay(made, scenes, rows, layer, level)
        return made

    def grounds(self, scenes: Sequence[Scene], pixels: int) -> Tensor:
        """The same without the things."""
        ends = self._palette[torch.tensor([scene.colours for scene in scenes])]  # (scenes, 2, 3)
        ramp = torch.linspace(0, 1, pixels, device=self._device)
        flat = torch.zeros(pixels, pixels, device=self._device)
        ramps = {DOWN: ramp[:, None].expand(-1, pixels), RIGHT: ramp[None].expand(pixels, -1)}
        share = torch.stack([ramps.get(scene.direction, flat) for scene in scenes])[:, None]
        first, second = ends[:, 0, :, None, None], ends[:, 1, :, None, None]
        return first + (second - first) * share

    def _level(self, side: float) -> int:
        level = 0
        while level + 1 < len(self._sizes) and self._sizes[level + 1].shape[-1] >= side:
            level += 1
        return level

    def _lay(
        self, made: Tensor, scenes: Sequence[Scene], rows: list[int], layer: int, level: int
    ) -> None:
        """The things of one layer over `made`, in place, for these rows."""
        things = [scenes[row].things[layer] for row in rows]
        styles = [scenes[row].style for row in rows]
        source = self._sizes[level][styles, [thing.which for thing in things]].float() / 255
        numbers = torch.tensor(
            [(thing.x, thing.y, thing.side, -1.0 if thing.mirrored else 1.0) for thing in things],
            device=self._device,
        )
        x, y, side, turned = numbers.unbind(1)
        grid = torch.zeros(len(rows), 2, 3, device=self._device)
        grid[:, 0, 0], grid[:, 0, 2] = turned / side, -turned * (2 * x - 1) / side
        grid[:, 1, 1], grid[:, 1, 2] = 1 / side, -(2 * y - 1) / side
        where = F.affine_grid(grid, [len(rows), 4, *made.shape[-2:]], align_corners=False)
        laid = F.grid_sample(source, where, align_corners=False)
        colour, alpha = laid[:, :3], laid[:, 3:]
        made[rows] = colour * 2 - alpha + made[rows] * (1 - alpha)
