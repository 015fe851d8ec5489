"""Guidance by several texts at once: the numbers, and the calls they take."""

import pytest
import torch

from webui.engine.denoiser import Guides, RecordedGuidance, guided
from webui.interfaces import Conditioning

X, SIGMA = torch.zeros(2, 1, 1, 1), torch.tensor(1.0)


class Telling:
    """Predicts the number that a conditioning holds; remembers how many it was asked at once."""

    def __init__(self):
        self.calls = []

    def predict(self, x, sigma, conditionings):
        self.calls.append(len(conditionings))
        return [torch.full_like(x, each.context.item()) for each in conditionings]


def number(value):
    return Conditioning(torch.full((1, 1, 1), float(value)))


def guides(*positive, negative=1.0):
    return Guides(number(negative), [(weight, number(value)) for weight, value in positive])


def told(denoise):
    result = denoise(X, SIGMA)
    assert result.shape == X.shape
    assert (result == result[0]).all()
    return result[0].item()


def test_each_part_pulls_away_from_the_negative_by_its_weight_times_the_scale():
    model = Telling()
    now = guides((1.0, 3.0), (0.5, 7.0), (-2.0, 2.0))
    assert told(guided(model, lambda: now, 5.0)) == 1 + 5 * (1 * 2 + 0.5 * 6 - 2 * 1)
    assert model.calls == [4]


def test_at_scale_1_the_negative_is_asked_only_if_it_has_an_influence():
    model = Telling()
    assert told(guided(model, lambda: guides((1.0, 3.0)), 1.0)) == 3.0
    assert told(guided(model, lambda: guides((0.25, 3.0), (0.75, 7.0)), 1.0)) == 6.0
    assert model.calls == [1, 2]
    assert told(guided(model, lambda: guides((2.0, 3.0)), 1.0)) == 1 + 2 * 2
    assert told(guided(model, lambda: guides((1.0, 3.0), (1.0, 7.0)), 1.0)) == 1 + 2 + 6
    assert model.calls == [1, 2, 2, 3]


def test_without_any_part_the_negative_is_all_there_is():
    for scale in (1.0, 5.0):
        assert told(guided(Telling(), lambda: guides(), scale)) == 1.0


def test_many_parts_are_asked_in_chunks_no_larger_than_a_full_batch():
    parts = [(1.0, float(value)) for value in range(2, 12)]
    model = Telling()
    assert told(guided(model, lambda: guides(*parts), 2.0)) == 1 + 2 * sum(range(1, 11))
    assert model.calls == [4, 4, 3]  # two pictures each: 8 latents at once
    model = Telling()
    guided(model, lambda: guides(*parts), 2.0)(torch.zeros(8, 1, 1, 1), SIGMA)
    assert model.calls == [2, 2, 2, 2, 2, 1]


def test_recorded_guidance_composes_too_and_remembers_the_unguided_prediction():
    recorded = RecordedGuidance(Telling(), lambda: guides((1.0, 3.0), (0.5, 7.0)), 0.5)
    assert told(recorded) == 1 + 0.5 * (2 + 3)
    assert recorded.unguided()[0].item() == 1.0
    with pytest.raises(RuntimeError, match="nothing has been predicted yet"):
        RecordedGuidance(Telling(), guides, 1.0).unguided()


def test_what_guides_is_asked_for_at_every_call():
    asked = iter([guides((1.0, 3.0)), guides((1.0, 7.0))])
    denoise = guided(Telling(), lambda: next(asked), 2.0)
    assert [told(denoise), told(denoise)] == [5.0, 13.0]
