"""Which prompts a matrix has."""

from pathlib import Path

from webui.testing import Extension

HERE = Path(__file__).parent


def test_a_matrix_has_every_choice_of_the_parts(tmp_path: Path) -> None:
    extension = Extension(HERE, tmp_path)
    made = extension.filter(prompt="castle | night | rain", extras={"prompt_matrix": {"on": True}})
    assert made.mishaps == ()
    assert made.prompts == ("castle", "castle, night", "castle, rain", "castle, night, rain")
    assert {each.seed for each in made.requests} == {1}


def test_without_it_a_line_is_a_line(tmp_path: Path) -> None:
    assert Extension(HERE, tmp_path).filter(prompt="a | b").prompts == ("a | b",)
