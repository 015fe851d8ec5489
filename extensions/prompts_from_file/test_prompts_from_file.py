"""From lines to jobs."""

from pathlib import Path

import pytest

from webui import InvalidRequest
from webui.testing import Extension

HERE = Path(__file__).parent


def test_each_line_is_a_job(tmp_path: Path) -> None:
    lines = 'a cat\n\n--prompt "a dog" --steps 9 --seed 3'
    made = Extension(HERE, tmp_path).filter(
        prompt="not used", extras={"prompts_from_file": {"on": True, "lines": lines}}
    )
    assert made.mishaps == ()
    said = [(each.prompt, each.steps, each.seed) for each in made.requests]
    assert said == [("a cat", 4, 1), ("a dog", 9, 3)]


def test_a_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    lines = "a cat\n\n--steps many"
    with pytest.raises(InvalidRequest, match="line 3: --steps needs a whole number, got 'many'"):
        Extension(HERE, tmp_path).filter(extras={"prompts_from_file": {"on": True, "lines": lines}})
