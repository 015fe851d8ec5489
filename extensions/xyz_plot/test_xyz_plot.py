"""It would be loaded, with all its hooks; its cells are tried in tests/extensions/test_xyz.py."""

from pathlib import Path

from webui.testing import Extension, check

HERE = Path(__file__).parent


def test_it_would_be_loaded() -> None:
    verdict = check(HERE)
    assert verdict.problem == "", verdict.trace
    assert "axes" in verdict.hooks


def test_without_it_a_request_is_one_job(tmp_path: Path) -> None:
    assert Extension(HERE, tmp_path).filter(prompt="a fox").prompts == ("a fox",)
