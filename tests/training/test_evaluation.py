"""The measures find what is there, and do not find what is not."""

import pytest
import torch

from tests.training.conftest import KNOWN, drawing
from training.compose import Composer
from training.evaluation import measures
from training.evaluation.likeness import Likeness, augmented, normalized


def references() -> torch.Tensor:
    rows = []
    for number in range(len(KNOWN)):
        picture = drawing(number).resize((64, 64)).convert("RGBA")
        flat = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(64, 64, 4)
        flat = flat.clone()
        flat[..., :3] = flat[..., :3] * (flat[..., 3:] > 127)
        rows.append(flat.permute(2, 0, 1))
    twice = torch.stack(rows)[None].repeat(2, 1, 1, 1, 1)
    return measures.references(Composer(twice, torch.device("cpu")), KNOWN, 64)


def test_each_thing_is_found_wherever_it_is_and_noise_only_by_chance() -> None:
    likeness = Likeness.of(references(), rounds=24)
    assert likeness.group.tolist() == [0, 1, 2, 3, 4, 5]
    seen, noise = likeness.check(references())
    assert seen == 1.0
    assert noise <= 1 / 3


def test_what_looks_the_same_is_one_class() -> None:
    pictures = references()
    assert Likeness.of(pictures[[0, 1, 0, 4]], rounds=24).group.tolist() == [0, 1, 0, 3]


def test_place_and_size_are_taken_away() -> None:
    # a turn, a blur and a tint stay, so the things are only near each other
    pictures = references()
    same = normalized(pictures) - normalized(augmented(pictures, 3))
    other = normalized(pictures) - normalized(pictures.roll(1, 0))
    assert same.abs().mean() < 0.6 * other.abs().mean()


def test_a_row_counts_a_class_once_among_its_nearest() -> None:
    ranked = torch.tensor([[4, 4, 4, 2, 2, 1, 0, 3]])
    assert measures._nearest(ranked, 3).tolist() == [[4, 2, 1]]
    assert measures._within(ranked, torch.tensor([[1]]), 3) == 1.0
    assert measures._within(ranked, torch.tensor([[1]]), 2) == 0.0


def test_the_other_half_is_white() -> None:
    pictures = -torch.ones(2, 3, 4, 4)
    left = measures._halves(pictures, [" and ", " above "], 0)
    assert (left[0] == 1).nonzero()[:, 2].unique().tolist() == [2, 3]
    assert (left[1] == 1).nonzero()[:, 1].unique().tolist() == [2, 3]


def test_where_and_how_large_a_thing_is_drawn() -> None:
    pictures = torch.ones(3, 3, 20, 20)
    pictures[0, :, 5:15, 0:4] = -1
    pictures[1, 1, 16:20, 0:10] = 0
    pictures[1, :, 10, 19] = -1  # a speck
    x, y, extent = measures.drawn_at(pictures)
    assert extent.tolist() == pytest.approx([0.5, 0.5, 0.0])
    assert x.tolist() == pytest.approx([-0.8, -0.5, 0.0], abs=0.05)
    assert y.tolist() == pytest.approx([0.0, 0.8, 0.0], abs=0.05)
