"""Philox against its authors' own numbers."""

import numpy as np
import pytest

from webui.engine.philox import PhiloxStream, philox

# Random123 1.14, tests/kat_vectors, lines "philox4x32 10": counter, key, result
PUBLISHED = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), PUBLISHED)
def test_the_published_vectors(counter, key, expected):
    words = philox(np.array(counter, np.uint32)[:, None], key)
    assert tuple(words[:, 0].tolist()) == expected


def test_all_of_them_at_once():
    counters = np.array([counter for counter, _, _ in PUBLISHED[:1]] * 3, np.uint32).T
    assert (philox(counters, (0, 0)) == np.array(PUBLISHED[0][2], np.uint32)[:, None]).all()


def test_a_stream_gives_normal_numbers_that_never_repeat():
    stream = PhiloxStream(2**32 + 5)
    first, second = stream((200, 200)), stream((200, 200))
    assert first.mean().item() == pytest.approx(0, abs=0.02)
    assert first.std().item() == pytest.approx(1, abs=0.02)
    assert abs((first * second).mean().item()) < 0.02
    assert (first != PhiloxStream(5)((200, 200))).all()  # the upper half of the seed counts
