"""Which conditioning is in force at which step, also for samplers that go at their own pace."""

import pytest
import torch

from webui.engine.conditioning.timeline import Timeline, Track
from webui.engine.progress import Progress
from webui.interfaces import Conditioning, Pace, Step

A, B, C, LONG = (
    Conditioning(torch.full((1, n, 1), v)) for n, v in ((1, 1.0), (1, 2.0), (1, 3.0), (3, 4.0))
)
EMPTY = Conditioning(torch.zeros(1, 1, 1))


def alone(conditioning):
    return Track(1.0, [(9, conditioning)])


def test_a_stage_ends_after_its_last_step():
    line = Timeline([Track(1.0, [(2, A), (3, B), (6, C)])], alone(EMPTY), alone(EMPTY), 6)
    stages = [line.at(step).positive[0][1] for step in range(1, 9)]
    assert stages == [A, A, B, C, C, C, C, C]


def test_parts_and_the_negative_change_each_at_its_own_steps():
    parts = [Track(1.0, [(1, A), (3, B)]), Track(0.5, [(2, B), (3, C)])]
    line = Timeline(parts, Track(1.0, [(1, B), (3, A)]), alone(EMPTY), 3)
    seen = [(line.at(k).negative, *line.at(k).positive) for k in (1, 2, 3)]
    assert seen == [
        (B, (1.0, A), (0.5, B)),
        (A, (1.0, B), (0.5, B)),
        (A, (1.0, B), (0.5, C)),
    ]


def test_a_part_of_weight_0_is_left_out_and_does_not_even_lengthen_the_others():
    line = Timeline([alone(A), Track(0.0, [(9, LONG)])], alone(B), alone(EMPTY), 3)
    assert line.at(1).positive == ((1.0, A),)
    assert line.at(1).negative is B


def test_shorter_texts_are_padded_only_while_a_longer_one_is_in_force():
    line = Timeline([Track(1.0, [(1, A), (3, LONG)])], alone(B), alone(EMPTY), 3)
    assert line.at(1).negative is B
    assert line.at(2).negative.context.flatten().tolist() == [2.0, 0.0, 0.0]
    assert line.at(2).positive[0][1] is LONG
    assert line.at(3) is line.at(2)


def walked(steps, paces):
    progress, seen = Progress(steps), []
    progress.begin([])
    for made, pace in enumerate(paces, 1):
        seen.append(progress.step)
        progress.after(made, Step(EMPTY.context, EMPTY.context, pace=pace))
    return seen


def test_most_samplers_take_the_steps_that_were_asked_for():
    assert walked(5, [None] * 5) == [1, 2, 3, 4, 5]


def test_a_sampler_with_fewer_or_more_steps_stands_at_the_same_share_of_them():
    assert walked(20, [Pace(1.0, 8)] * 8) == [1, 3, 6, 8, 11, 13, 16, 18]
    assert walked(4, [Pace(1.0, 8)] * 8) == [1, 1, 2, 2, 3, 3, 4, 4]


def test_a_guess_that_grows_does_not_bring_an_earlier_stage_back():
    guesses = [Pace(1.0, total) for total in (4, 4, 40, 40, 5, 5)]
    assert walked(10, guesses) == [1, 3, 6, 6, 6, 10]
    assert walked(10, [Pace(1.0, 1)] * 3) == [1, 10, 10]


@pytest.mark.parametrize("k", range(7))
def test_a_run_that_goes_on_stands_where_the_whole_run_stood(k):
    steps = [Step(EMPTY.context, EMPTY.context, pace=Pace(1.0, n)) for n in (4, 4, 40, 40, 5, 5)]
    whole = Progress(10)
    for made, step in enumerate(steps[:k], 1):
        whole.after(made, step)
    again = Progress(10)
    again.after(9, steps[0])  # what an earlier batch left
    again.begin(steps[:k])
    assert again.step == whole.step
