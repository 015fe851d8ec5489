"""The tutorial of docs/extensions.md, followed to the letter in a fresh data folder."""

import json
import re
from pathlib import Path

import pytest

import webui
from webui.extensions import find
from webui.testing import Extension

ROOT = Path(webui.__file__).parents[1]
DOCS = (ROOT / "docs" / "extensions.md").read_text("utf-8")
TUTORIAL = DOCS[DOCS.index("## Ten lines") : DOCS.index("## What an extension is")]
FILES = dict(re.findall(r"```(?:toml|python)\n# (\S+)\n(.*?)```", TUTORIAL, re.S))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """As the tutorial says, but in a data folder of its own."""
    said = re.search(r"`outputs/\.darkroom/(\S+)`", TUTORIAL)
    made = tmp_path_factory.mktemp("data") / said[1]
    made.mkdir(parents=True)
    for name, text in FILES.items():
        (made / name).write_text(text)
    return made


def test_the_extension_has_ten_lines():
    assert list(FILES) == ["extension.toml", "server.py", "test_ink.py"]
    code = [line for line in FILES["server.py"].splitlines() if line.strip()]
    assert len(code) <= 10
    assert len(FILES["extension.toml"].splitlines()) <= 10


def test_it_does_what_the_tutorial_says(folder, tmp_path):
    (found,) = find(folder.parent, tmp_path / "none")
    assert (found.id, found.problem) == ("ink", "")
    extension = Extension(folder, tmp_path)
    plain = extension.run(prompt="a red fox")
    (body,) = re.findall(r"```json\n(.*?)```", TUTORIAL, re.S)
    made = extension.run(**json.loads(body))
    prompts = [each.prompt for each in (*plain.requests, *made.requests)]
    assert prompts == ["a red fox", "a red fox, ink"]
    assert (plain.texts, made.texts) == (((),), (("Ink: True",),))
    assert made.pictures[0].tobytes() != plain.pictures[0].tobytes()


def test_its_own_test_passes(folder, tmp_path):
    tests = {"__file__": str(folder / "test_ink.py")}
    exec(compile(FILES["test_ink.py"], tests["__file__"], "exec"), tests)
    tests["test_it_is_drawn_with_ink"](tmp_path)
    tests["test_it_would_be_loaded"]()
    assert {name for name in tests if name.startswith("test_")} == {
        "test_it_is_drawn_with_ink",
        "test_it_would_be_loaded",
    }


def test_the_template_is_named_as_it_is_called():
    from webui.commands.new_extension import COMMAND

    assert f"python launch.py {COMMAND} NAME" in TUTORIAL


def test_every_public_name_of_the_kit_is_told():
    from webui import testing

    part = DOCS[DOCS.index("## The test kit") : DOCS.index("## What the hooks carry")]
    methods = [name for name in vars(Extension) if name[0] != "_"]
    told = set(re.findall(r"\w+", part))
    assert {*methods, *testing.__all__} <= told


@pytest.mark.parametrize("found", find(ROOT / "nowhere"), ids=lambda found: found.id)
def test_what_ships_has_its_readme_and_its_test_beside_it(found):
    readme = (found.folder / "README.md").read_text("utf-8")
    assert readme.startswith(f"# {found.manifest.name}\n")
    body = re.search(r"`(\{.*\"extras\".*\})`", readme)
    test = (found.folder / f"test_{found.id}.py").read_text("utf-8")
    assert body is not None
    assert set(json.loads(body[1])["extras"]) == {found.id}
    assert "from webui.testing import Extension" in test
