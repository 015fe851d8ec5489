"""What is drawn, and what a picture says of it."""

from pathlib import Path

import pytest

from webui import InvalidRequest
from webui.testing import Extension

HERE = Path(__file__).parent
ON = {"extras": {"wildcards": {"on": True}}}


def test_a_line_of_a_file_is_drawn_with_the_seed_of_each_picture(tmp_path: Path) -> None:
    extension = Extension(HERE, tmp_path)
    extension.files.mkdir(parents=True)
    (extension.files / "animal.txt").write_text("cat\n# no animal\n\ndog\n")
    made = extension.filter(prompt="a __animal__", images=20, **ON)
    assert made.mishaps == ()
    assert set(made.prompts) == {"a cat", "a dog"}
    assert extension.filter(prompt="a __animal__", images=20, **ON) == made


def test_the_template_stands_in_the_text(tmp_path: Path) -> None:
    extension = Extension(HERE, tmp_path)
    (drawn,) = extension.filter(prompt="a {red|red} car", **ON).requests
    assert drawn.prompt == "a red car"
    assert extension.text(drawn) == ("Template: a {red|red} car",)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="names the wildcard __nosuch__"):
        Extension(HERE, tmp_path).filter(prompt="a __nosuch__", **ON)
