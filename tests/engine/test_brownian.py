"""The Brownian tree: torchsde's numbers, and what makes a path a path."""

import pytest
import torch

from webui.engine.brownian import BrownianNoise, BrownianTree
from webui.engine.noise import STREAMS

SHAPE, CPU = (2, 3, 4), torch.device("cpu")
SIGMAS = torch.tensor([14.6146, 5.0, 1.3, 0.2, 0.0291675, 0.0])

# torchsde 0.2.6: BrownianTree(0.0291675, zeros(4), 14.6146, entropy=7)(low, high), float32 levels
RECORDED = {
    (0.0291675, 14.6146): [-7.72182941, 9.41464996, -0.20070852, 11.65514374],
    (5.0, 14.6146): [-5.94814777, 4.16122341, -2.46111560, 8.94758987],
    (1.3, 5.0): [-1.69091272, 3.54408050, 2.97337985, 1.85797584],
    (0.2, 1.3): [-0.63638288, 1.85556817, -0.27878979, 1.60634577],
    (0.0291675, 0.2): [0.55361420, -0.14622283, -0.43418321, -0.75676799],
    (3.0, 3.001): [-0.05840912, -0.01169722, -0.00225701, -0.01481472],
}


def tree(seed=7, shape=(4,)):
    low, high = float(torch.tensor(0.0291675)), float(torch.tensor(14.6146))
    return BrownianTree(seed, shape, low, high, STREAMS["cpu"])


@pytest.mark.parametrize(("interval", "expected"), RECORDED.items())
def test_the_path_is_torchsdes(interval, expected):
    low, high = (float(torch.tensor(level)) for level in interval)
    assert tree().increment(low, high).tolist() == pytest.approx(expected, abs=1e-6)


def test_an_interval_gives_the_same_bits_whatever_was_asked_before():
    fresh, used = tree(), tree()
    for low, high in ((0.1, 14.0), (3.0, 3.1), (0.03, 0.0301), (2.9, 5.0)):
        used.increment(low, high)
    assert torch.equal(fresh.increment(1.0, 4.0), used.increment(1.0, 4.0))


def test_parts_add_up_to_the_whole():
    path = tree()
    whole = path.increment(0.5, 9.0)
    assert torch.allclose(path.increment(0.5, 2.2) + path.increment(2.2, 9.0), whole, atol=1e-5)


def test_noise_for_any_interval_is_standard_normal():
    noise = BrownianNoise([3, 4], (4, 32, 32), SIGMAS, CPU)
    for high, low in ((14.6146, 5.0), (5.0, 4.9), (0.2, 0.0291675)):
        drawn = noise(torch.tensor(high), torch.tensor(low))
        assert drawn.shape == (2, 4, 32, 32)
        assert drawn.std().item() == pytest.approx(1, abs=0.03)
        assert abs((drawn[0] * drawn[1]).mean().item()) < 0.06


def test_noise_is_the_paths_way_downwards_over_the_root_of_the_interval():
    # k-diffusion's sign: a path from low to high, walked from high to low
    path = BrownianTree(3, SHAPE, 0.0291675, 14.6146, STREAMS["cpu"])
    drawn = BrownianNoise([3], SHAPE, SIGMAS, CPU)(torch.tensor(5.0), torch.tensor(1.25))
    assert torch.allclose(drawn[0], -path.increment(1.25, 5.0) / 3.75**0.5, atol=1e-5)


def test_neighbouring_intervals_are_independent():
    noise = BrownianNoise([3], (4, 32, 32), SIGMAS, CPU)
    one, two = (
        noise(torch.tensor(5.0), torch.tensor(1.3)),
        noise(torch.tensor(1.3), torch.tensor(0.2)),
    )
    assert abs((one * two).mean().item()) < 0.05


def test_an_image_of_a_batch_gets_the_path_it_gets_alone():
    batch, alone = (BrownianNoise(seeds, SHAPE, SIGMAS, CPU) for seeds in ([3, 4], [4]))
    interval = torch.tensor(5.0), torch.tensor(1.3)
    assert torch.equal(batch(*interval)[1:], alone(*interval))


def test_nv_draws_the_path_from_philox():
    interval = torch.tensor(5.0), torch.tensor(1.3)
    ours, theirs = (BrownianNoise([3], SHAPE, SIGMAS, CPU, rng)(*interval) for rng in ("cpu", "nv"))
    assert not torch.equal(ours, theirs)
    assert torch.isfinite(theirs).all()
