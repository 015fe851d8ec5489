"""Samplers against their rule, written out again: what no closed form sees."""

import math

import pytest
import torch

from tests.engine.gaussian import SIGMA_MAX, Draws, Unit, bent, falling, ideal
from webui.engine.samplers import SAMPLERS
from webui.sampler_table import SAMPLER_INFOS

SHAPE = (1, 3, 2, 2)


def start():
    return SIGMA_MAX * torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)).double()


# --- strength of the noise -----------------------------------------------------------------------

LOUD = [info.name for info in SAMPLER_INFOS if "s_noise" in info.parameters]


@pytest.mark.parametrize("sampler", [name for name in LOUD if name != "DPM adaptive"])
def test_half_of_s_noise_is_half_of_what_is_drawn(sampler):
    # with a linear denoiser row 0 is the start's share in the result, row j + 1 that of draw j
    options = {"s_churn": 8.0} if sampler in ("Euler", "Heun", "DPM2", "Heun++ 2") else {}
    if sampler == "DPM fast":
        options = {"eta": 1.0}
    rows = 100
    x = torch.zeros(rows, 1, 1, 1).double()
    x[0] = SIGMA_MAX
    whole, half = (
        list(SAMPLERS[sampler](ideal, x, falling(20), Unit(rows), s_noise=s_noise, **options))[-1].x
        for s_noise in (1.0, 0.5)
    )
    assert whole[1:].abs().max() > 0
    assert torch.allclose(half[1:], whole[1:] / 2, rtol=1e-12)
    assert torch.equal(half[:1], whole[:1])


def test_dpm_adaptive_draws_as_loud_as_it_is_told():
    first, second = (
        next(iter(SAMPLERS["DPM adaptive"](ideal, start(), falling(9), Draws(SHAPE), eta=1.0, **s)))
        for s in ({"s_noise": 0.0}, {"s_noise": 0.5})
    )
    third = next(iter(SAMPLERS["DPM adaptive"](ideal, start(), falling(9), Draws(SHAPE), eta=1.0)))
    assert (third.x - first.x).abs().max() > 0.1
    assert torch.allclose(second.x - first.x, (third.x - first.x) / 2, atol=1e-12)


# --- Restart -------------------------------------------------------------------------------------


def karras(n, high, low):
    return falling(n, low, high)[:-1]


def nearest(levels, wanted):
    return min(range(len(levels)), key=lambda i: abs(levels[i].item() - wanted))


@pytest.mark.parametrize(("n", "again", "times"), [(20, 9, 1), (35, 9, 1), (36, 9, 2), (60, 15, 2)])
def test_restart_goes_back_from_0_1_to_2_on_karras_levels(n, again, times):
    # A1111's choice, for SD 1's levels
    given = falling(n, 0.03, 14.6)
    levels = torch.cat([karras(n - again * times, 14.6, 0.03), torch.zeros(1).double()])
    low, high = nearest(levels, 0.1), nearest(levels, 2.0)
    back = karras(again + 1, levels[high].item(), levels[low].item())
    expected = [*levels[1 : low + 1], *([*back[1:]] * times), *levels[low + 1 :]]
    steps = list(SAMPLERS["Restart"](bent, start(), given, Draws(SHAPE)))
    assert [each.pace.sigma for each in steps] == pytest.approx([float(e) for e in expected])
    assert abs(levels[low].item() - 0.1) < 0.1 < 1 < levels[high].item() < 3


# --- ER-SDE --------------------------------------------------------------------------------------


def er_sde(sigmas, phi, draws):
    """arXiv:2309.06169, algorithm 2, with sums over 20,000 cells for the integrals."""
    x, guesses, levels = start(), [], sigmas.tolist()
    for i in range(len(levels) - 2):
        s, t = levels[i], levels[i + 1]
        guesses.append(bent(x, sigmas[i]))
        ratio = phi(t) / phi(s)
        x = ratio * x + (1 - ratio) * guesses[i]
        cell = (s - t) / 20_000
        middles = [t + cell * (k + 0.5) for k in range(20_000)]
        if i >= 1:
            first = (guesses[i] - guesses[i - 1]) / (s - levels[i - 1])
            area = sum(cell / phi(sigma) for sigma in middles)
            x = x + (t - s + area * phi(t)) * first
        if i >= 2:
            before = (guesses[i - 1] - guesses[i - 2]) / (levels[i - 1] - levels[i - 2])
            second = (first - before) / ((s - levels[i - 2]) / 2)
            area = sum(cell * (sigma - s) / phi(sigma) for sigma in middles)
            x = x + ((t - s) ** 2 / 2 + area * phi(t)) * second
        x = x + draws(s, t) * math.sqrt(max(0.0, t**2 - (s * ratio) ** 2))
        yield x


@pytest.mark.parametrize(
    ("solver_type", "phi"),
    [
        # the authors' choice ("SDE 5", func_type 7 of their code), DDPM's, and none
        ("er_sde", lambda sigma: sigma * (math.exp(sigma**0.3) + 10)),
        ("reverse_sde", lambda sigma: sigma**2),
        ("ode", lambda sigma: sigma),
    ],
)
def test_er_sde_follows_the_papers_algorithm_with_its_noise_scales(solver_type, phi):
    sigmas = falling(7, 0.03)
    ours = SAMPLERS["ER-SDE"](bent, start(), sigmas, Draws(SHAPE), solver_type=solver_type)
    theirs = list(er_sde(sigmas, phi, Draws(SHAPE)))
    for mine, other in zip(list(ours)[:-1], theirs, strict=True):
        assert torch.allclose(mine.x, other, atol=1e-6)


def test_er_sde_of_first_order_with_ddpms_noise_is_euler_a():
    ours, theirs = (
        [step.x for step in SAMPLERS[name](bent, start(), falling(9), Draws(SHAPE), **options)]
        for name, options in (
            ("ER-SDE", {"order": 1, "solver_type": "reverse_sde"}), ("Euler a", {}),
        )
    )  # fmt: skip
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, atol=1e-9)
