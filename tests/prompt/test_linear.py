"""Speed as a safety property: no text takes longer than in proportion to its length.

Only the parser's own thread is counted, so that busy neighbours do not matter.
"""

import gc
import time
from contextlib import suppress

import pytest

from benchmarks.prompt import SHAPES, parsers, shaped
from webui.errors import InvalidRequest

LENGTH = 20_000
MOST = 2.5  # seconds for 100,000 characters: ten times what is meant
TRIES = 10  # a measurement may be disturbed; what is not linear is so each time


@pytest.fixture(autouse=True)
def _no_rubbish_of_other_tests_is_collected_meanwhile():
    gc.disable()
    yield
    gc.enable()


def seconds(work, text):
    began = time.thread_time()
    with suppress(InvalidRequest):
        work(text)
    return time.thread_time() - began


def problem(work, shape):
    """What is wrong with the best of a few measurements, or None as soon as nothing is."""
    once = twice = float("inf")
    for _ in range(TRIES):
        once = min(once, seconds(work, shaped(shape, LENGTH)))
        twice = min(twice, seconds(work, shaped(shape, 2 * LENGTH)))
        longest = twice * 100_000 / (2 * LENGTH)
        if twice <= 2.6 * once + 0.01 and longest <= MOST:
            return None
    return f"{once:.3f} s, twice the text {twice:.3f} s"


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_text_takes_twice_the_time(shape, clip):
    for name, work in parsers(clip).items():
        assert (name, problem(work, SHAPES[shape])) == (name, None)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_what_is_not_linear_is_found(power):
    """A stand-in that takes time by the text's length, 20 ms for LENGTH."""

    def work(text):
        end = time.thread_time() + 0.02 * (len(text) / LENGTH) ** power
        while time.thread_time() < end:
            pass

    assert (problem(work, ("", "a", "")) is None) == (power == 1.0)
