"""What docs/client.md, docs/command-line.md and the README show is run as it stands there."""

import json
import re
import shlex

import pytest
from PIL import Image

from tests.client.conftest import ROOT
from tests.client.test_commands import ran


def blocks(name, language):
    text = (ROOT / name).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


COMMANDS = [
    line
    for name in ("docs/command-line.md", "README.md")
    for block in blocks(name, "")
    for line in block.splitlines()
    if line.startswith(("python launch.py generate", "python launch.py batch"))
]


@pytest.fixture
def here(server, tmp_path, monkeypatch):
    """With the files that the examples name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DARKROOM_SERVER", server.address)
    Image.new("RGB", (64, 64), (9, 99, 200)).save("dog.png")
    Image.new("L", (64, 64), 255).save("mask.png")
    (lines,) = blocks("docs/command-line.md", "json")
    (tmp_path / "jobs.jsonl").write_text(lines)
    return tmp_path


@pytest.mark.parametrize("number", range(len(blocks("docs/client.md", "python"))))
def test_each_program_of_the_docs_runs(server, here, capsys, number):
    text = blocks("docs/client.md", "python")[number]
    assert "http://127.0.0.1:7860" in text
    text = text.replace("http://127.0.0.1:7860", server.address)
    exec(compile(text, "client.md", "exec"), {})
    said = capsys.readouterr().out
    for line in re.findall(r"print\(.*\)  # (.*)", text):
        assert line in said


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_of_the_docs_runs(here, line):
    words = shlex.split(line)[2:]
    code, out, err = ran(*words)
    assert (code, err) == (0, "")
    if words[0] == "batch":
        made = [json.loads(each)["pictures"] for each in out.splitlines()]
        assert len(made) == 2 and all((here / each[0]).exists() for each in made)
    else:
        assert all((here / each).exists() for each in out.splitlines()) and out


def test_the_docs_and_the_readme_show_commands():
    assert len(COMMANDS) >= 7
