"""`extension.toml`, its versions, what is found, and what is turned off."""

import json
import threading
from dataclasses import asdict
from functools import partial

import pytest

from tests.extensions.made import GOOD, make
from webui import server_side
from webui.errors import ExtensionError, NotSaved, StartError
from webui.extensions import Catalogue, Choices, Trials, Verdict, find
from webui.extensions.discovery import SHIPPED, digest
from webui.extensions.imports import complaints
from webui.extensions.manifest import Manifest, missing, read
from webui.extensions.versions import lies_in
from webui.settings import read as read_settings

LINES = {
    "id": '"mine"',
    "name": '"Mine"',
    "version": '"1.2.0"',
    "description": '"What it is."',
    "api": '">=1.0,<2"',
    "touches": '["controls", "network"]',
    "server": '"server"',
}


def written(tmp_path, **changes):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "server.py").touch()
    lines = LINES | changes
    text = "\n".join(f"{key} = {value}" for key, value in lines.items() if value is not None)
    (folder / "extension.toml").write_text(text)
    return folder


def test_all_of_it_is_read(tmp_path):
    assert read(written(tmp_path, dependencies='["numpy>=1"]')) == Manifest(
        id="mine",
        name="Mine",
        version="1.2.0",
        description="What it is.",
        api=">=1.0,<2",
        touches=("controls", "network"),
        server="server",
        dependencies=("numpy>=1",),
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": '"red"'}, "'colour' is no key; known are id, name,"),
        ({"name": None}, "name is missing"),
        ({"id": '"../mine"'}, "id: must be 2 to 40 small letters"),
        ({"id": '"other"'}, "id: must be its folder's name, 'mine'; got 'other'"),
        ({"id": '"builtin"'}, "id: must be 2 to 40 small letters"),
        ({"id": "7"}, "id: must be text of 1 to 1000 characters, got '7'"),
        ({"version": '"1.0-beta"'}, "version: '1.0-beta' is no version such as 1.2.0"),
        ({"api": '">=2"'}, "api: it was written for >=2; this is 1.0"),
        ({"api": '"1.0"'}, "'1.0' is no bound such as >=1.0"),
        ({"touches": '["everything"]'}, "touches: 'everything' is not known; known are samplers"),
        ({"touches": '"controls"'}, "touches: must be a list of texts"),
        ({"server": None}, "needs a module"),
        ({"server": '"nosuch"'}, "server: there is no nosuch.py in"),
        ({"engine": '"../engine"'}, "engine: must be a module's name such as 'engine'"),
        ({"dependencies": '["git+https://x/y"]'}, "dependencies: 'git+https://x/y' is none such"),
        ({"description": '"' + "x" * 1001 + '"'}, "description: must be text of 1 to 1000"),
        ({"id": "[[["}, "cannot be read"),
        *(
            ({key: f'"a{written}b"'}, f"{key}: must be one line of visible characters; {letter}")
            for key in ("name", "description")
            for written, letter in (
                ("\\n", "U+000A"), ("\\u001B[2J", "U+001B"), ("\\u2028", "U+2028"),
                ("\u202e", "U+202E"), ("\u2067", "U+2067"), ("\u200b", "U+200B"),
            )
        ),
        *(
            ({"dependencies": f'["{each}"]'}, f"dependencies: {said}")
            for each, said in (
                ("numpy-", "'numpy-' is none such as"), ("./numpy", "'./numpy' is none"),
                ("numpy[extra]", "'numpy[extra]' is none"), ("numpy;x", "'numpy;x' is none"),
                ("numpy\\n>=2", "must be one line"), ("numpy>=2,\\u000B<3", "must be one line"),
            )
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_the_file_and_the_key(tmp_path, changes, said):
    folder = written(tmp_path, **changes)
    with pytest.raises(ExtensionError) as caught:
        read(folder)
    assert said in str(caught.value)
    assert str(folder / "extension.toml") in str(caught.value)


@pytest.mark.parametrize(
    ("found", "bounds", "within"),
    [
        ("1.0", ">=1.0,<2", True),
        ("1", "==1.0", True),
        ("1.10", ">1.9", True),
        ("2.0.0", "<2", False),
        ("0.9", ">=1", False),
        ("1.2rc1", ">=1.2", True),
        ("nothing", ">=0", False),
    ],
)
def test_a_version_lies_within_bounds(found, bounds, within):
    assert lies_in(found, bounds) is within


def test_a_dependency_that_is_not_there_as_needed_is_named(tmp_path):
    manifest = read(written(tmp_path, dependencies='["nosuch", "numpy>=999", "numpy>=1"]'))
    first, second = missing(manifest, tmp_path)
    assert first == "nosuch is not installed"
    assert second.startswith("numpy>=999 is needed, and ")


def test_folders_are_found_by_origin_and_an_id_is_taken_once(tmp_path):
    make(tmp_path / "shipped", "one", GOOD)
    make(tmp_path / "installed", "one", GOOD)
    make(tmp_path / "installed", "two", GOOD)
    (tmp_path / "installed" / "empty").mkdir()
    (tmp_path / "installed" / ".git").mkdir()
    (tmp_path / "installed" / "a file").touch()
    found = find(tmp_path / "installed", tmp_path / "shipped")
    said = [(each.id, each.origin, bool(each.problem)) for each in found]
    assert said == [
        ("one", "shipped", False),
        ("empty", "installed", True),
        ("one", "installed", True),
        ("two", "installed", False),
    ]
    assert found[2].problem == "the id 'one' is taken by an extension that ships"


def test_a_digest_knows_every_file_and_its_name(tmp_path):
    make(tmp_path / "x", "one", GOOD)
    (found,) = find(tmp_path / "x", tmp_path / "none")
    before = digest(found)
    assert digest(found) == before
    (found.folder / "__pycache__").mkdir()
    (found.folder / "__pycache__" / "server.pyc").write_bytes(b"x")
    assert digest(found) == before
    (found.folder / "data.txt").touch()
    added = digest(found)
    (found.folder / "data.txt").rename(found.folder / "other.txt")
    assert len({before, added, digest(found)}) == 3


def test_what_is_turned_off_stays_off_until_it_is_turned_on(tmp_path):
    choices = Choices(tmp_path)
    choices.turn("one", on=False)
    choices.turn("two", on=False)
    choices.turn("one", on=True)
    assert Choices(tmp_path).disabled() == {"two"}


@pytest.mark.parametrize("cut", range(0, 21, 4))
def test_a_damaged_file_of_choices_is_laid_aside(tmp_path, cut):
    Choices(tmp_path).turn("one", on=False)
    path = tmp_path / "extensions.json"
    path.write_bytes(path.read_bytes()[:cut])
    choices = Choices(tmp_path)
    assert choices.disabled() == frozenset()
    assert "was damaged; it is kept as extensions.json.bad-" in choices.notice
    assert len(list(tmp_path.glob("extensions.json.bad-*"))) == 1


def test_choices_that_cannot_be_read_now_are_not_thrown_away(tmp_path):
    """A disk or a permission that fails for a moment must not turn all extensions on."""
    path = tmp_path / "extensions.json"
    path.mkdir()  # what no user may read, root among them
    with pytest.raises(OSError):
        Choices(tmp_path).disabled()
    assert path.is_dir() and not list(tmp_path.glob("*.bad-*"))
    settings = read_settings(["--data-dir", str(tmp_path)], {})
    for start in (server_side.engine_arguments, server_side.load):
        with pytest.raises(StartError, match="extensions.json cannot be read: .*--safe-mode"):
            start(settings)
    safe = read_settings(["--data-dir", str(tmp_path), "--safe-mode"], {})
    assert server_side.engine_arguments(safe) == []
    assert server_side._turned_off(safe) == frozenset()
    with pytest.raises(NotSaved, match="cannot be read"):
        Catalogue(data_dir=tmp_path).newcomers()


def at_once(*calls):
    ready = threading.Barrier(len(calls))
    threads = [threading.Thread(target=lambda each=each: (ready.wait(), each())) for each in calls]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def test_clicks_at_the_same_time_all_count(tmp_path):
    ids = [f"e{number}" for number in range(12)]
    at_once(*(partial(Choices(tmp_path).turn, id, on=False) for id in ids))
    assert Choices(tmp_path).disabled() == {*ids}
    verdicts = {id: {"mark": "m", **asdict(Verdict("bad"))} for id in ids}
    (tmp_path / "trials").write_text(json.dumps(verdicts))
    at_once(*(partial(Trials("server", tmp_path / "trials").forget, id) for id in ids[1:]))
    assert list(json.loads((tmp_path / "trials").read_text())) == ids[:1]


def test_what_is_forgotten_while_others_are_tried_stays_so(tmp_path, monkeypatch):
    for id in ("one", "two"):
        make(tmp_path / "x", id, GOOD)
    found = find(tmp_path / "x", tmp_path / "none")
    trials = Trials("server", tmp_path / "trials")
    monkeypatch.setattr(Trials, "_try", lambda self, each: Verdict("bad"))
    trials.of(found[:1])

    def tried(self, each):
        trials.forget("one")
        return Verdict("bad")

    monkeypatch.setattr(Trials, "_try", tried)
    assert trials.of(found).keys() == {"one", "two"}
    assert list(json.loads((tmp_path / "trials").read_text())) == ["two"]


def test_imports_of_what_is_not_public_are_listed(tmp_path):
    code = "import webui.services\nfrom webui import Services, app\nimport os\nfrom .x import y\n"
    folder = make(tmp_path, "one", code, broken="def (:")
    said = complaints(folder)
    assert said[0].startswith("broken.py: cannot be read: ")
    assert said[1:] == [
        "server.py, line 1: webui.services is not public and may change",
        "server.py, line 2: webui.app is not public and may change",
    ]


def test_what_ships_imports_what_is_public_alone():
    found = find(SHIPPED / "nowhere")
    assert len(found) >= 6
    assert [each.problem for each in found if each.problem] == []
    assert [said for each in found for said in complaints(each.folder)] == []
