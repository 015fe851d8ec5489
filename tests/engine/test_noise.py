"""Noise: what a seed gives, whatever stands beside it in the batch."""

import math

import pytest
import torch

from webui.engine.noise import SeededNoise, pasted, slerp

SHAPE, CPU = (4, 8, 8), torch.device("cpu")


def test_an_image_of_a_batch_gets_the_noise_it_gets_alone():
    batch = SeededNoise([7, 8, 9], SHAPE, CPU)
    alone = SeededNoise([8], SHAPE, CPU)
    for _ in range(3):
        assert torch.equal(batch.draw()[1:2], alone.draw())


def test_the_first_draw_of_a_seed_is_torchs_own():
    expected = torch.randn(SHAPE, generator=torch.Generator("cpu").manual_seed(42))
    assert torch.equal(SeededNoise([42], SHAPE, CPU).draw()[0], expected)


def test_skipping_gives_the_draw_that_would_have_come():
    straight, resumed = SeededNoise([1, 2], SHAPE, CPU), SeededNoise([1, 2], SHAPE, CPU)
    for _ in range(4):
        straight.draw()
    resumed.skip_to(4)
    assert torch.equal(straight.draw(), resumed.draw())
    assert straight.draws == resumed.draws == 5


def test_different_seeds_and_different_draws_differ():
    noise = SeededNoise([1, 2], SHAPE, CPU)
    first, second = noise.draw(), noise.draw()
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, second)


# --- nv -----------------------------------------------------------------------------------------


def test_nv_gives_what_torch_gives_on_cuda():
    # torch.randn(12, device="cuda") after torch.manual_seed(0)
    noise = SeededNoise([0], (1, 3, 4), CPU, "nv").draw()
    assert noise.flatten().tolist() == pytest.approx(
        [
            -0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564,
            -0.62285122, -0.32838709, -1.07454231, -0.36314407, -1.67105067, 2.26550497,
        ],
        abs=1e-6,
    )  # fmt: skip


def test_nv_is_seeded_for_each_image_and_skips_like_the_other():
    batch, alone = SeededNoise([7, 8], SHAPE, CPU, "nv"), SeededNoise([8], SHAPE, CPU, "nv")
    batch.draw()
    alone.skip_to(1)
    drawn = batch.draw()
    assert torch.equal(drawn[1:], alone.draw())
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn, SeededNoise([7, 8], SHAPE, CPU).draw())


# --- variation, and another size ---------------------------------------------------------------


def by_seed(seed, shape=SHAPE):
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))


def test_a_variation_turns_the_noise_towards_the_other_seeds():
    for strength, expected in ((0.0, by_seed(1)), (1.0, by_seed(5))):
        start = SeededNoise([1], SHAPE, CPU).start([5], strength)
        assert torch.allclose(start[0], expected, atol=1e-5)
    between = SeededNoise([1], SHAPE, CPU).start([5], 0.5)[0]
    assert torch.allclose(between, slerp(0.5, by_seed(1), by_seed(5)))
    assert between.std().item() == pytest.approx(1, abs=0.1)  # a mean would have 0.7


def test_the_arc_is_taken_column_by_column_as_a1111_takes_it():
    low, high = torch.tensor([[[3.0, 1.0], [0.0, 0.0]]]), torch.tensor([[[0.0, 1.0], [2.0, 1.0]]])
    turned = slerp(0.5, low, high)[0]
    # the first column at a right angle: both shares are sin 45 / sin 90; the second at 45 degrees
    assert torch.allclose(turned[:, 0], torch.tensor([3.0, 2.0]) * 0.5**0.5)
    share = math.sin(math.pi / 8) / math.sin(math.pi / 4)
    assert torch.allclose(turned[:, 1], torch.tensor([2 * share, share]))
    assert torch.equal(slerp(0.25, low, low), low)


def test_images_of_a_batch_vary_the_same_noise_each_its_own_way():
    start = SeededNoise([1, 1], SHAPE, CPU).start([5, 6], 0.3)
    assert torch.equal(start[:1], SeededNoise([1], SHAPE, CPU).start([5], 0.3))
    assert torch.equal(start[1:], SeededNoise([1], SHAPE, CPU).start([6], 0.3))


def test_noise_of_a_smaller_picture_lies_in_the_middle_of_fresh_noise():
    start = SeededNoise([1], (4, 8, 12), CPU).start(old_size=(4, 6))[0]
    fresh, old = by_seed(1, (4, 8, 12)), by_seed(1, (4, 4, 6))
    assert torch.equal(start[:, 2:6, 3:9], old)
    outside = torch.ones(8, 12, dtype=torch.bool)
    outside[2:6, 3:9] = False
    assert torch.equal(start[:, outside], fresh[:, outside])


def test_noise_of_a_bigger_picture_gives_its_middle():
    start = SeededNoise([1], (4, 4, 6), CPU).start(old_size=(8, 12))[0]
    assert torch.equal(start, by_seed(1, (4, 8, 12))[:, 2:6, 3:9])
    tall = pasted(by_seed(1, (4, 2, 9)), by_seed(2, (4, 6, 5)))
    assert torch.equal(tall[:, 2:4], by_seed(1, (4, 2, 9))[:, :, 2:7])


def test_a_variation_is_made_at_the_old_size():
    start = SeededNoise([1], (4, 8, 8), CPU).start([5], 0.4, (4, 4))[0]
    varied = slerp(0.4, by_seed(1, (4, 4, 4)), by_seed(5, (4, 4, 4)))
    assert torch.equal(start[:, 2:6, 2:6], varied)


def test_what_is_drawn_after_the_start_does_not_depend_on_how_it_was_made():
    plain, changed = SeededNoise([1], SHAPE, CPU), SeededNoise([1], SHAPE, CPU)
    plain.start()
    changed.start([9], 0.5, (4, 4))
    assert torch.equal(plain.draw(), changed.draw())
    assert plain.draws == changed.draws == 2
