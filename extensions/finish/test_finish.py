"""Light and colour of a finished picture, and the second look at it."""

from pathlib import Path

from webui.testing import Extension

HERE = Path(__file__).parent


def test_colour_0_is_black_and_white(tmp_path: Path) -> None:
    extension = Extension(HERE, tmp_path)
    plain, grey = extension.run(), extension.run(extras={"finish": {"colour": 0.0}})
    assert grey.mishaps == ()
    assert grey.pictures == (plain.pictures[0].convert("L").convert("RGB"),)
    assert grey.texts == (("Finish colour: 0",),)


def test_a_second_look_is_another_picture_of_the_same_size(tmp_path: Path) -> None:
    extension = Extension(HERE, tmp_path)
    plain, again = extension.run(), extension.run(extras={"finish": {"again": 0.5}})
    assert again.mishaps == ()
    assert again.pictures[0].size == (64, 64)
    assert again.pictures != plain.pictures
    assert len(again.pictures) == 1
