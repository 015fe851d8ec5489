"""Where attention looks, and where it is told to."""

import math
from dataclasses import replace

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor

from training import networks
from training.attention import Shown, astray, show
from training.looks import ended, places
from training.presets import PRESETS

TINY = PRESETS["tiny"]
END = 49407


@pytest.mark.parametrize("plain", [True, False])
def test_what_shows_where_it_looks_computes_the_same(plain: bool) -> None:
    torch.manual_seed(0)
    unet = networks.unet(TINY).eval()
    noisy, context = torch.randn(2, 4, 8, 8), torch.randn(2, 77, TINY.width)
    with torch.no_grad():
        wanted = unet(noisy, 500, context).sample
        shown = show(unet, plain)
        found = unet(noisy, 500, context).sample
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    # the middle, and two in each of two levels on the way up, of 2 x 2 to 8 x 8 places, 4 heads
    sides = sorted(each.weights.shape[1] ** 0.5 for each in shown if each.weights is not None)
    assert sides == [2, 4, 4, 8, 8]
    for each in shown:
        assert each.weights is not None and each.weights.shape[::2] == (8, 77)
        torch.testing.assert_close(each.weights.sum(2), torch.ones(each.weights.shape[:2]))


def test_the_way_down_is_told_nothing() -> None:
    unet = networks.unet(replace(TINY, down_attends=True))
    show(unet, plain=True)
    kinds = {name.split("_")[0]: type(each) for name, each in unet.attn_processors.items()
             if "attn2" in name}  # fmt: skip
    assert kinds == {"down": AttnProcessor, "mid": Shown, "up": Shown}


def looking(at: torch.Tensor) -> Shown:
    """4 heads that look with these weights, (batch, pictures' places, 77)."""
    one = Shown()
    one.weights = at.repeat_interleave(4, 0)
    return one


def own(side: int) -> torch.Tensor:
    """(side * side, 77) of a picture of 8 x 8 places or fewer: 1 where a patch of theirs is said,
    from place 13 on, where each is said once."""
    made = torch.zeros(side * side, 77)
    step = 8 // side
    for at, patch in enumerate(places().tolist()):
        if at >= 13:
            made[patch // 8 // step * side + patch % 8 // step, at] = 1
    return made


@pytest.mark.parametrize("side", [2, 4, 8])
def test_who_looks_up_its_own_patches_is_not_astray(side: int) -> None:
    after = torch.arange(77).expand(2, -1) >= 13
    each = 64 // side**2  # patches of one place
    right = (own(side) / each).expand(2, -1, -1)
    assert right.sum(2).unique().tolist() == [1]
    assert astray([looking(right)], after).item() == pytest.approx(0, abs=1e-6)
    everywhere = torch.full((2, side * side, 77), 1 / 77)
    whole = math.log(77 / each)
    assert astray([looking(everywhere)], after).item() == pytest.approx(whole, abs=1e-5)
    both = astray([looking(right), looking(everywhere)], after).item()
    assert both == pytest.approx(whole / 2, abs=1e-5)
    assert astray([looking(right.roll(1, 1))], after).item() > 4


def test_four_places_of_a_finer_picture_look_up_the_same_patch_each_by_a_head_of_its_own() -> None:
    after = torch.arange(77).expand(1, -1) >= 13
    finer = own(8).view(8, 8, 77).repeat_interleave(2, 0).repeat_interleave(2, 1).view(1, 256, 77)
    each = looking(finer)
    by_part = torch.zeros(1, 4, 16, 16, 77)
    by_part[..., 0] = 1  # the start
    for head in range(4):
        rows, columns = slice(head // 2, None, 2), slice(head % 2, None, 2)
        by_part[:, head, rows, columns] = finer.view(1, 16, 16, 77)[:, rows, columns]
    first = Shown()
    first.weights = by_part.view(4, 256, 77)
    assert astray([first, each], after).item() == pytest.approx(0, abs=1e-6)
    # three of four heads look where they should not, in one of two attentions
    wrong = -math.log(1e-4) * 3 / 4 / 2
    assert astray([each, each], after).item() == pytest.approx(wrong, rel=1e-4)


def test_only_the_first_two_heads_are_told_and_no_empty_caption() -> None:
    words = torch.tensor([[49406, *[320] * 12, *[END] * 64], [49406, *[END] * 76]])
    after = ended(words)
    assert after.sum(1).tolist() == [64, 0]
    shown = looking(own(8).expand(2, -1, -1))
    assert shown.weights is not None
    heads = shown.weights.view(2, 4, 64, 77).clone()
    heads[:, 2:] = 0  # the other heads
    heads[1] = 0  # the empty caption
    shown.weights = heads.flatten(0, 1)
    assert astray([shown], after).item() == pytest.approx(0, abs=1e-6)
    heads[0, 0] = 0
    shown.weights = heads.flatten(0, 1)
    assert astray([shown], after).item() == pytest.approx(-math.log(1e-4) / 2, rel=1e-4)
