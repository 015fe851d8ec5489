"""Speed as a safety property: no text takes longer than in proportion to its length.

Only the parser's own thread is counted, and eight times the text may take 2.5 times as much as
eight times as long, so that busy neighbours do not matter; what is quadratic takes 64 times.
"""

import gc
import time
from contextlib import suppress

import pytest

from benchmarks.prompt import SHAPES, parsers, shaped
from webui.errors import InvalidRequest

LENGTH = 5_000
TIMES = 8
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
    short = long = float("inf")
    for _ in range(TRIES):
        short = min(short, seconds(work, shaped(shape, LENGTH)))
        long = min(long, seconds(work, shaped(shape, TIMES * LENGTH)))
        longest = long * 100_000 / (TIMES * LENGTH)
        if long <= 2.5 * TIMES * short + 0.01 and longest <= MOST:
            return None
    return f"{short:.4f} s, {TIMES} times the text {long:.4f} s"


@pytest.mark.parametrize("shape", SHAPES)
def test_the_time_grows_as_the_text_does(shape, clip):
    for name, work in parsers(clip).items():
        assert (name, problem(work, SHAPES[shape])) == (name, None)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_what_is_not_linear_is_found(power):
    """A stand-in that takes time by the text's length, 5 ms for LENGTH."""

    def work(text):
        end = time.thread_time() + 0.005 * (len(text) / LENGTH) ** power
        while time.thread_time() < end:
            pass

    assert (problem(work, ("", "a", "")) is None) == (power == 1.0)
