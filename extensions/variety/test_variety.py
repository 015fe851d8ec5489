"""How the picture moves with the strength, and that the tag says the same."""

from pathlib import Path

from webui.testing import Extension

HERE = Path(__file__).parent


def test_a_picture_is_another_one_with_it_and_the_same_each_time(tmp_path: Path) -> None:
    extension = Extension(HERE, tmp_path)
    plain = extension.run(prompt="a red fox")
    made = extension.run(prompt="a red fox", extras={"variety": {"strength": 0.5}})
    again = extension.run(prompt="a red fox", extras={"variety": {"strength": 0.5}})
    assert made.mishaps == ()
    assert made.pictures != plain.pictures
    assert again.pictures == made.pictures
    assert made.texts == (("Variety: 0.5",),)
