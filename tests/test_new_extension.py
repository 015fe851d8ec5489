"""`new-extension`: what it makes works as it is, and what it refuses leaves nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from webui.commands import new_extension
from webui.errors import InvalidRequest
from webui.extensions import find

ROOT = Path(__file__).parent.parent
PYTHON = Path(sys.executable)
FILES = ["README.md", "engine.py", "extension.toml", "server.py"]


def launched(*arguments: str, folder: Path, python: str = sys.executable) -> tuple[int, str, str]:
    """Through launch.py, under a Python that has no packages."""
    command = [python, "-I", "-S", str(ROOT / "launch.py"), "new-extension", *arguments]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stdout, ended.stderr


def listed(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.name[0] not in "._")


def test_what_is_made_passes_its_own_test_as_the_next_step_says(tmp_path: Path) -> None:
    code, said, wrong = launched("loud_words", "--into", "my own", folder=tmp_path)
    folder = tmp_path / "my own" / "loud_words"
    assert (code, wrong) == (0, "")
    assert listed(tmp_path / "my own") == ["loud_words"]
    assert listed(folder) == [*FILES, "test_loud_words.py"]
    assert said.splitlines()[0] == f"Made {folder}"
    assert "there is a fold 'Loud words' on the generating tabs" in said
    (step,) = [line.strip() for line in said.splitlines() if " -m pytest " in line]
    own = str(ROOT / ".venv" / "bin" / "python")
    assert step.startswith(own) or sys.platform == "win32"
    ended = subprocess.run(
        step.replace(own, sys.executable), shell=True, cwd=tmp_path, capture_output=True, text=True,
        timeout=110,
    )  # fmt: skip
    assert "3 passed" in ended.stdout, ended.stdout + ended.stderr
    style = [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml")]
    assert subprocess.run([*style, str(folder)], capture_output=True).returncode == 0


def test_the_usual_place_is_where_the_server_looks(tmp_path: Path) -> None:
    arguments = ["mine", "--data-dir", str(tmp_path / "data")]
    said = new_extension.main(arguments, {}, tmp_path, PYTHON)
    assert "\n  python launch.py\n" in said
    (found,) = find(tmp_path / "data" / "extensions", tmp_path / "none")
    assert (found.id, found.problem) == ("mine", "")
    assert found.manifest is not None
    assert found.manifest.name == "Mine"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Loud Words!", "try loud_words"),
        ("../evil", "try evil"),
        ("/tmp/evil", "try tmp_evil"),
        ("con", "aux, con, nul, prn"),
        ("com7", "com1 to lpt9"),
        ("did_not_run", "did_not_run"),
        ("a", "2 to 40"),
        ("x" * 41, "try " + "x" * 40),
        ("ünï", "got 'ünï'"),
        ("-", "got '-'"),
        ("", "got ''"),
        ("a\nb", "try a_b"),
        ("wildcards", "is an extension that ships"),
    ],
)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_made(
    tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        new_extension.made(name, tmp_path / "into")
    assert (caught.value.field, said in caught.value.problem) == ("NAME", True)
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("kind", ["folder", "empty", "file", "link"])
def test_nothing_is_overwritten(tmp_path: Path, kind: str) -> None:
    there = tmp_path / "mine"
    if kind == "file":
        there.write_text("mine")
    elif kind == "link":
        there.symlink_to(tmp_path / "nowhere")
    else:
        there.mkdir()
        if kind == "folder":
            (there / "server.py").write_text("mine")
    with pytest.raises(InvalidRequest, match="is there already; choose another name"):
        new_extension.made("mine", tmp_path)
    assert listed(tmp_path) == ["mine"]
    assert kind != "folder" or (there / "server.py").read_text() == "mine"


def test_a_place_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, wrong = launched("mine", "--into", "file", folder=tmp_path)
    assert code == 1
    assert wrong.startswith(f"darkroom: {tmp_path / 'file' / 'mine'} cannot be made: ")
    assert wrong.count("\n") == 1


def test_the_arguments_are_told() -> None:
    code, said, _ = launched("--help", folder=ROOT)
    assert code == 0
    assert "NAME [--into FOLDER]" in said
