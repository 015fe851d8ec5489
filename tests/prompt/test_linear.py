"""Speed as a safety property: no text takes longer than in proportion to its length.

Only the parser's own thread is counted, so that busy neighbours do not matter.
"""

import time
from contextlib import suppress

import pytest

from benchmarks.prompt import SHAPES, parsers, shaped
from webui.errors import InvalidRequest

LENGTH = 12_500
MOST = 2.5  # seconds for 100,000 characters: ten times what is meant


def seconds(work, text):
    """The best of a few runs."""
    taken = []
    for _ in range(3):
        began = time.thread_time()
        with suppress(InvalidRequest):
            work(text)
        taken.append(time.thread_time() - began)
    return min(taken)


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_text_takes_twice_the_time(shape, clip):
    for name, work in parsers(clip).items():
        once, twice = (seconds(work, shaped(SHAPES[shape], n * LENGTH)) for n in (1, 2))
        assert twice <= 2.6 * once + 0.01, name
        assert twice * 100_000 / (2 * LENGTH) <= MOST, name
