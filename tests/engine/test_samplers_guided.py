"""CFG++ forms: what they make of the unguided prediction."""

import pytest
import torch

from tests.engine.gaussian import Draws, bent, falling
from webui.engine.samplers import ENTRIES, SAMPLERS

FORMS = {"Euler a CFG++": "Euler a", "DPM++ 2M CFG++": "DPM++ 2M", "DDIM CFG++": "DDIM"}
SHAPE = (1, 2, 4, 4)


class Guided:
    """Guesses `bent` and, unguided, something else; remembers the unguided guess."""

    def __init__(self, pull):
        self.pull, self.last = pull, None

    def __call__(self, x, sigma):
        self.last = bent(x, sigma)
        return self.last + self.pull

    def unguided(self):
        return self.last


def start():
    return 10 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)).double()


def run(sampler, denoise, **options):
    return list(SAMPLERS[sampler](denoise, start(), falling(9), Draws(SHAPE), **options))


def test_the_forms_are_those_that_the_table_marks():
    assert {name for name, entry in ENTRIES.items() if entry.plus_plus} == set(FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_without_guidance_the_form_is_the_sampler_itself(form):
    for mine, plain in zip(run(form, bent), run(FORMS[form], bent), strict=True):
        assert torch.allclose(mine.x, plain.x, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_the_noise_that_is_left_is_the_unguided_one(form):
    # algorithm 2: x' = guided + sigma' / sigma * (x - unguided); a pull P shifts it by P alone
    guided, sigmas = Guided(0.3), falling(9)
    options = {"unguided": guided.unguided} | ({} if form == "DPM++ 2M CFG++" else {"eta": 0.0})
    first = next(iter(SAMPLERS[form](guided, start(), sigmas, Draws(SHAPE), **options)))
    plain = bent(start(), sigmas[0])
    expected = plain + 0.3 + sigmas[1] / sigmas[0] * (start() - plain)
    assert torch.allclose(first.x, expected, atol=1e-12)
    assert torch.allclose(first.denoised, plain + 0.3)


def test_2ms_correction_is_by_unguided_guesses_alone():
    guided, sigmas = Guided(0.3), falling(9)
    first, second, *_ = SAMPLERS["DPM++ 2M CFG++"](
        guided, start(), sigmas, Draws(SHAPE), unguided=guided.unguided
    )
    before, plain = bent(start(), sigmas[0]), bent(first.x, sigmas[1])
    h_last, h = (sigmas[0] / sigmas[1]).log(), (sigmas[1] / sigmas[2]).log()
    correction = (1 - (-h).exp()) * (plain - before) * h / h_last / 2
    expected = plain + 0.3 + (-h).exp() * (first.x - plain) + correction
    assert torch.allclose(second.x, expected, atol=1e-12)
    assert torch.equal(first.memory, before)
