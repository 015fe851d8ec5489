"""What it does, tried on a model in miniature: no server, no model file, no card is needed."""

from pathlib import Path

from PIL import ImageOps

from webui.testing import Extension, check

HERE = Path(__file__).parent


def test_the_words_stand_behind_the_prompt(tmp_path: Path) -> None:
    extension = Extension(HERE, tmp_path)
    made = extension.filter(prompt="a cat", extras={"example": {"words": "in snow"}})
    assert made.mishaps == ()
    assert made.prompts == ("a cat, in snow",)


def test_the_picture_has_the_contrast_that_was_asked_for(tmp_path: Path) -> None:
    extension = Extension(HERE, tmp_path)
    plain = extension.run()
    made = extension.run(extras={"example": {"contrast": 1.0}})
    assert made.mishaps == ()
    assert made.pictures == (ImageOps.autocontrast(plain.pictures[0]),)
    assert made.texts == (("Example contrast: 1",),)


def test_it_would_be_loaded() -> None:
    verdict = check(HERE)
    assert verdict.problem == "", verdict.trace
    assert verdict.imports == ()
