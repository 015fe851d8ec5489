"""Pictures drawn again are remembered up to a number of bytes, the newest of them."""

from webui.events import Picture
from webui.jobs.redrawn import Redrawn


def picture(value, size=4):
    return Picture(size, 1, bytes([value]) * 3 * size)


def drawn(redrawn, key, size=4):
    """What is answered, and whether it had to be drawn."""
    asked = []

    def draw():
        asked.append(key)
        return picture(key, size)

    return redrawn.get(key, draw).rgb[0], bool(asked)


def test_the_newest_are_remembered_within_the_bytes_there_are():
    redrawn = Redrawn(most=36)  # three of 12
    assert [drawn(redrawn, key) for key in (1, 2, 3, 1)] == [
        (1, True), (2, True), (3, True), (1, False),
    ]  # fmt: skip
    assert drawn(redrawn, 4) == (4, True)  # 2 is the one that was not asked for longest
    assert [drawn(redrawn, key) for key in (1, 3, 4)] == [(1, False), (3, False), (4, False)]
    assert drawn(redrawn, 2) == (2, True)
    assert drawn(redrawn, 9, size=13) == (9, True)  # too large: never kept
    assert drawn(redrawn, 9, size=13) == (9, True)
    assert redrawn._used == sum(len(each.rgb) for each in redrawn._pictures.values()) <= 36


def test_what_two_have_drawn_at_once_counts_once():
    redrawn = Redrawn(most=36)
    redrawn.get(1, lambda: (drawn(redrawn, 1), picture(1))[1])
    assert redrawn._used == 12
    assert [drawn(redrawn, key)[1] for key in (2, 3, 1)] == [True, True, False]


def test_what_could_not_be_drawn_is_asked_for_again():
    redrawn = Redrawn()
    assert redrawn.get(1, lambda: None) is None
    assert drawn(redrawn, 1) == (1, True)
