"""Noise: what a seed gives, whatever stands beside it in the batch."""

import torch

from webui.engine.noise import SeededNoise

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
