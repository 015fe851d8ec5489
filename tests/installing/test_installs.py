"""Extensions installed, updated, rolled back and removed, from real repositories and folders."""

import os
import signal
import subprocess
import sys
import threading
from functools import partial
from itertools import product
from pathlib import Path

import pytest

from tests.installing.conftest import looked, put, settled
from tests.installing.repositories import Repository, files_of, service, tree_of, wheel
from tests.jobs.fakes import eventually
from webui.errors import InstallNotFound, InvalidRequest, NotAllowed, WrongState
from webui.extensions import Choices, find
from webui.extensions.loading import tables_of
from webui.extensions.manifest import read
from webui.installing import Installs, placing, recover
from webui.installing.packages import locked


def kept(data):
    """The names in the folder of extensions; work leaves none of its own."""
    return sorted(each.name for each in (data / "extensions").iterdir())


def test_a_look_says_what_it_is_and_installs_nothing(installs, repository, data):
    before = tree_of(data / "extensions" / "handmade")
    commit = repository.git("rev-parse", "main")
    found = looked(installs, repository.address)
    look = found.look
    assert (look.manifest.id, look.manifest.version, look.files) == ("shout", "1.0", 2)
    assert (look.commit.id, look.commit.subject, look.commit.author) == (commit, "First", "Ann")
    assert (look.packages, look.problem, look.replaced, look.changes) == ((), "", None, None)
    assert find(data / "extensions", data / "none")[0].id == "handmade"
    assert kept(data) == [".staging", "handmade"]
    installs.end(found.id)
    assert kept(data) == ["handmade"]
    assert tree_of(data / "extensions" / "handmade") == before
    with pytest.raises(InstallNotFound):
        installs.get(found.id)


def test_what_was_seen_is_what_is_installed_though_the_origin_moves_on(installs, repository, data):
    seen = looked(installs, repository.address)
    repository.add(files_of("shout", "2.0"), "Second")
    settled(installs, installs.confirm(seen.id, False))
    folder = data / "extensions" / "shout"
    assert (folder / "extension.toml").read_text() == files_of("shout")["extension.toml"]
    assert (folder / "server.py").read_text() == files_of("shout")["server.py"]
    record = installs.records()["shout"]
    assert (record.source, record.commit, record.version) == (
        repository.address,
        seen.look.commit.id,
        "1.0",
    )
    (found,) = [each for each in find(data / "extensions", data / "none") if each.id == "shout"]
    assert (found.problem, found.manifest.version) == ("", "1.0")
    assert kept(data) == ["handmade", "shout"]


def test_branches_tags_and_commits_are_told_apart(installs, repository):
    first = repository.git("rev-parse", "main")
    repository.git("tag", "v1")
    repository.git("tag", "-a", "-m", "One", "v1-signed")
    repository.add(files_of("shout", "2.0"), "Second")
    repository.add(files_of("shout", "3.0"), "Third", branch="dev/new")
    versions = {
        revision: looked(installs, repository.address, revision).look.manifest.version
        for revision in ("", "main", "v1", "v1-signed", "dev/new", first)
    }
    assert list(versions.values()) == ["2.0", "2.0", "1.0", "1.0", "3.0", "1.0"]
    gone = looked(installs, repository.address, "nosuch")
    assert (gone.state, gone.field) == ("failed", "revision")
    assert "no branch, tag or commit of that name" in gone.error


def test_an_update_shows_the_log_and_can_be_rolled_back_and_forth(installs, repository, data):
    put(installs, repository.address)
    same = looked(installs, "", update="shout")
    assert same.look.problem == "this is what is installed already"
    with pytest.raises(WrongState, match="installed already"):
        installs.confirm(same.id, False)
    installs.end(same.id)
    repository.add(files_of("shout", "1.1", more="x"), "Louder")
    second = repository.add(files_of("shout", "1.2"), "Loudest")
    found = looked(installs, "", update="shout")
    assert [each.subject for each in found.look.changes] == ["Loudest", "Louder"]
    assert (found.look.replaced.version, found.look.manifest.version) == ("1.0", "1.2")
    Choices(data).turn("shout", on=False)
    settled(installs, installs.confirm(found.id, False))
    assert (installs.records()["shout"].commit, installs.before()["shout"].version) == (
        second,
        "1.0",
    )
    installs.roll_back("shout")
    assert read(data / "extensions" / "shout").version == "1.0"
    assert installs.before()["shout"].version == "1.2"
    installs.roll_back("shout")
    assert read(data / "extensions" / "shout").version == "1.2"
    assert kept(data) == [".before", "handmade", "shout"]
    assert Choices(data).disabled() == {"shout"}  # an update turns nothing on


def test_a_history_that_was_written_anew_is_not_called_a_log(installs, repository):
    put(installs, repository.address)
    repository.git("update-ref", "-d", "refs/heads/main")
    repository.add(files_of("shout", "1.1"), "From the beginning")
    found = looked(installs, "", update="shout")
    assert (found.look.changes, found.look.problem) == (None, "")


def test_an_update_that_is_another_extension_now_is_refused(installs, repository, data):
    put(installs, repository.address)
    before = tree_of(data / "extensions")
    repository.add(files_of("whisper"), "Another name")
    failed = looked(installs, "", update="shout")
    assert "it is called 'whisper' now" in failed.error
    assert tree_of(data / "extensions") == before


def test_what_is_removed_is_gone_with_all_that_came_with_it(installs, repository, data):
    put(installs, repository.address)
    repository.add(files_of("shout", "2.0"), "Second")
    put(installs, "", update="shout")
    Choices(data).turn("shout", on=False)
    (data / "extension-data" / "shout").mkdir(parents=True)
    settings = data / "extension-settings"
    settings.mkdir()
    for name in ("shout.json", "shout.json.bad-1", "shouting.json"):
        (settings / name).write_text('{"token": "secret"}')
    installs.remove("shout")
    assert kept(data) == ["handmade"]
    assert [each.name for each in settings.iterdir()] == ["shouting.json"]
    assert Choices(data).disabled() == frozenset()
    assert (data / "extension-data" / "shout").is_dir()
    put(installs, repository.address)
    with pytest.raises(WrongState, match="nothing to go back to"):
        installs.roll_back("shout")


@pytest.mark.parametrize("id", ["handmade", "nosuch", "../..", ".staging", "", "wildcards"])
def test_what_was_not_installed_from_here_is_not_touched(installs, data, id):
    before = tree_of(data)
    for call in (installs.roll_back, installs.remove):
        with pytest.raises(InvalidRequest, match="was not installed from here"):
            call(id)
    with pytest.raises(InvalidRequest):
        installs.begin("https://example.org/x", "", id or "none")
    assert tree_of(data) == before


def test_a_folder_is_copied_without_its_hidden_and_compiled_files(installs, tmp_path, data):
    folder = tmp_path / "mine"
    for name, text in files_of("shout", **{"sub/a.txt": "a"}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in (".git/config", "__pycache__/server.cpython-311.pyc", ".installed.json", "x.pyc"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    found = put(installs, str(folder))
    assert (found.look.files, found.look.left_out, found.look.commit) == (3, 2, None)
    there = sorted(tree_of(data / "extensions" / "shout"))
    assert there == [".installed.json", "extension.toml", "server.py", "sub", "sub/a.txt"]
    (folder / "server.py").write_text(files_of("shout")["server.py"] + "\n# more")
    put(installs, "", update="shout")
    assert (data / "extensions" / "shout" / "server.py").read_text().endswith("# more")


def test_one_that_is_there_already_is_not_installed_twice(installs, repository, data):
    put(installs, repository.address)
    before = tree_of(data / "extensions")
    assert (
        "'shout' is installed already, from file://" in looked(installs, repository.address).error
    )
    repository.add(files_of("handmade"))
    assert "put there by hand" in looked(installs, repository.address).error
    repository.add(files_of("wildcards"))
    assert "taken by an extension that ships" in looked(installs, repository.address).error
    assert tree_of(data / "extensions") == before


def test_two_looks_at_one_extension_install_it_once(installs, repository, data):
    first, second = looked(installs, repository.address), looked(installs, repository.address)
    settled(installs, installs.confirm(first.id, False))
    before = tree_of(data / "extensions" / "shout")
    failed = settled(installs, installs.confirm(second.id, False))
    assert "has changed meanwhile; look again" in failed.error
    assert tree_of(data / "extensions" / "shout") == before
    assert kept(data) == ["handmade", "shout"]


def test_nothing_happens_where_it_is_forbidden(data, repository):
    ready = service(data)
    put(ready, repository.address)
    made = Installs(data, ready.tools, ready.index, allowed=("https", "file"), forbidden="not here")
    for call in (
        lambda: made.begin(repository.address),
        lambda: made.confirm("0" * 16, True),
        lambda: made.roll_back("shout"),
        lambda: made.remove("shout"),
    ):
        with pytest.raises(NotAllowed, match="not here"):
            call()
    assert kept(data) == ["handmade", "shout"]
    ready.close()


def test_many_looks_push_out_the_oldest(installs, repository, data):
    first = looked(installs, repository.address)
    others = [looked(installs, repository.address) for _ in range(4)]
    with pytest.raises(InstallNotFound):
        installs.get(first.id)
    assert len(list((data / "extensions" / ".staging").iterdir())) == 4
    assert [each.id for each in installs.all()] == [each.id for each in others]


def test_removing_a_large_tree_holds_nobody(installs, repository, monkeypatch):
    """Who asks how far it is meanwhile is answered at once: by the ways in which one goes."""
    real, answered = placing.clear, []

    def clear(work):
        asking = threading.Thread(target=installs.all, daemon=True)
        asking.start()
        asking.join(10)
        answered.append(not asking.is_alive())
        real(work)

    monkeypatch.setattr(placing, "clear", clear)
    seen = [looked(installs, repository.address) for _ in range(5)]  # one is pushed out
    looked(installs, repository.address, "nosuch")  # another, and one that fails
    installs.end(seen[-1].id)
    settled(installs, installs.confirm(seen[-2].id, False))
    assert answered == [True] * 5


def test_without_git_it_says_so_and_folders_still_work(data, tmp_path, repository):
    made = service(data, environ={"PATH": str(tmp_path)})
    assert "git is not installed on this computer" in looked(made, repository.address).error
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, text in files_of("shout").items():
        (folder / name).write_text(text)
    put(made, str(folder))
    made.close()


# --- interrupted ---------------------------------------------------------------------------------


def test_one_that_is_ended_in_the_middle_leaves_nothing(data, tmp_path, repository):
    """git never ends: the one that the service starts is a script that sleeps."""
    slow = tmp_path / "bin"
    slow.mkdir()
    # with a child, as git has for ssh and https
    script = (
        f"#!/bin/sh\nsleep 600 &\necho $! > {tmp_path}/pid\nmv {tmp_path}/pid {tmp_path}/pids\n"
    )
    script += "wait\n"
    (slow / "git").write_text(script)
    (slow / "git").chmod(0o755)
    before = tree_of(data)
    made = service(data, environ={"PATH": f"{slow}:{os.environ['PATH']}"})
    begun = made.begin(repository.address)
    while not (tmp_path / "pids").exists():
        threading.Event().wait(0.02)
    made.end(begun.id)
    made.close()
    assert tree_of(data) == before
    state = Path("/proc", (tmp_path / "pids").read_text().strip(), "stat")
    eventually(lambda: not state.exists() or ") Z " in state.read_text())


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.installing.conftest import looked, settled
from tests.installing.repositories import service
left, real = int(sys.argv[4]), Path.rename
def rename(self, target):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return real(self, target)
what, installs = sys.argv[2], service(Path(sys.argv[1]))
if what == "roll_back":
    Path.rename = rename
    installs.roll_back("shout")
update = "shout" if what == "update" else ""
found = looked(installs, "" if update else sys.argv[3], update=update)
Path.rename = rename
settled(installs, installs.confirm(found.id, False))
"""


def versions(place):
    """What is there, and what was before."""
    folders = (place / "shout", placing.before(place, "shout"))
    return tuple(read(each).version if each.exists() else None for each in folders)


@pytest.mark.parametrize(
    ("what", "renames", "left"),
    [
        ("install", 0, (None, None)),
        ("update", 1, ("1.0", None)),
        ("update", 2, ("2.0", "1.0")),
        ("roll_back", 1, ("2.0", "1.0")),
        ("roll_back", 2, ("2.0", "1.0")),
    ],
)
def test_a_server_that_is_killed_has_one_or_the_other_at_its_next_start(
    data, repository, what, renames, left
):
    """Killed by the system, instead of its next rename after so many."""
    made = service(data)
    if what != "install":
        put(made, repository.address)
        repository.add(files_of("shout", "2.0"), "Second")
    if what == "roll_back":
        put(made, "", update="shout")
    made.close()
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, data, what, repository.address, str(renames)],
        cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    assert ".staging" in kept(data)
    recover(data / "extensions")
    assert versions(data / "extensions") == left
    assert ".staging" not in kept(data)


class KilledError(BaseException):
    """Nothing in what places folders ends in a `finally`: this leaves what a kill leaves."""


@pytest.mark.parametrize(
    ("what", "renames", "before", "after"),
    [
        ("put", 1, (None, None), ("1.0", None)),
        ("put", 3, ("1.0", None), ("2.0", "1.0")),
        ("put", 4, ("2.0", "1.0"), ("3.0", "2.0")),
        ("roll_back", 4, ("2.0", "1.0"), ("1.0", "2.0")),
        ("take_away", 2, ("2.0", "1.0"), (None, None)),
    ],
)
def test_between_any_two_renames_is_one_or_the_other(tmp_path, dying, what, renames, before, after):
    """And so it is where the next start is killed too while it sets that right, anywhere."""
    ends = set()
    for count, again in product(range(renames + 1), range(4)):
        place = tmp_path / f"{count}-{again}" / "extensions"
        work = standing(place, before)
        if what == "put":
            lying(work / "shout", after[0])
        done = dying(partial(getattr(placing, what), place, work, "shout"), count)
        assert done == (count == renames)
        dying(partial(recover, place), again)
        recover(place)
        ends.add(versions(place))
        assert versions(place) in ((after,) if done else (before, after)), (count, again)
        assert not (place / ".staging").exists()
        assert (place / ".before").exists() == bool(versions(place)[1])
    assert ends == {before, after}


def standing(place, versions):
    """A place of extensions, and a folder of work in it."""
    place.mkdir(parents=True)
    for folder, version in zip(("shout", ".before/shout"), versions, strict=True):
        if version:
            lying(place / folder, version)
    return placing.workplace(place, "token")


def lying(folder, version):
    folder.mkdir(parents=True)
    for name, text in files_of("shout", version).items():
        (folder / name).write_text(text)


@pytest.fixture
def dying(monkeypatch):
    """(call, count) -> whether it came to its end with so many renames, instead of the next."""
    real, left = Path.rename, [-1]

    def rename(self, target):
        if left[0] == 0:
            raise KilledError
        done = real(self, target)
        left[0] -= 1
        return done

    def lived(call, count):
        left[0] = count
        try:
            call()
        except KilledError:
            return False
        finally:
            left[0] = -1
        return True

    monkeypatch.setattr(Path, "rename", rename)
    return lived


def test_what_cannot_be_put_back_is_not_thrown_away(installs, repository, data, monkeypatch):
    """A disk that refuses all but the first two renames of an update: the next start has both."""
    put(installs, repository.address)
    repository.add(files_of("shout", "2.0"), "Second")
    seen, real, renames = looked(installs, "", update="shout"), Path.rename, []

    def rename(self, target):
        renames.append(target)
        if len(renames) > 2:
            raise OSError(5, "Input/output error")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    failed = settled(installs, installs.confirm(seen.id, False))
    assert "cannot be written to: Input/output error" in failed.error
    installs.close()
    monkeypatch.undo()
    recover(data / "extensions")
    assert versions(data / "extensions") == ("2.0", "1.0")


def test_a_disk_that_refuses_the_rename_changes_nothing(installs, repository, data, monkeypatch):
    put(installs, repository.address)
    repository.add(files_of("shout", "2.0"), "Second")
    seen, before = looked(installs, "", update="shout"), tree_of(data / "extensions" / "shout")
    real = Path.rename

    def rename(self, target):
        if self.parent.name == seen.id:  # the new one
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    failed = settled(installs, installs.confirm(seen.id, False))
    assert "cannot be written to: No space left on device" in failed.error
    assert tree_of(data / "extensions" / "shout") == before
    assert kept(data) == ["handmade", "shout"]


# --- packages ------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path, data):
    """A service whose pip knows the wheels of a folder alone."""
    place = tmp_path / "wheels"
    wheel(place, "loudly", "1.0", ["shoutlib>=1"])
    wheel(place, "loudly", "2.0", ["numpy<1"])
    wheel(place, "shoutlib", "1.5", code="VALUE = 15\n")
    wheel(place, "shoutlib", "2.0", code="VALUE = 20\n")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(place), "PIP_CONFIG_FILE": os.devnull}
    made = service(data, environ=offline)
    yield made
    made.close()


_USES = """
import loudly, shoutlib
from webui import ControlGroup, FlagField, hookimpl

@hookimpl
def register_controls():
    field = FlagField(name="on", label=str(shoutlib.VALUE), help=".")
    return (ControlGroup(name="shout", title="Shout", fields=(field,)),)
"""


def needing(*dependencies):
    return "dependencies = [" + ", ".join(f'"{each}"' for each in dependencies) + "]"


def test_packages_are_fetched_with_consent_alone_and_go_with_the_extension(
    shop, repository, data, monkeypatch
):
    repository.add(files_of("shout", code=_USES, manifest=needing("loudly==1.0", "shoutlib<2")))
    seen = looked(shop, repository.address)
    pinned = sorted(each.pinned for each in seen.look.packages)
    assert (seen.look.problem, pinned) == ("", ["loudly==1.0", "shoutlib==1.5"])
    with pytest.raises(InvalidRequest, match="it needs loudly==1.0, shoutlib==1.5; send true"):
        shop.confirm(seen.id, False)
    assert shop.get(seen.id).state == "seen"
    made = settled(shop, shop.confirm(seen.id, True))
    assert made.state == "done", made.error
    folder = data / "extensions" / "shout"
    assert sorted(shop.records()["shout"].packages) == pinned
    (found,) = [each for each in find(data / "extensions", data / "none") if each.id == "shout"]
    assert found.problem == ""
    monkeypatch.setattr(sys, "path", [*sys.path])
    tables = tables_of(folder, found.manifest, "server")
    assert tables["controls"][0][1].fields[0].label == "15"
    for name in ("loudly", "shoutlib", "darkroom_extensions.shout.server",
                 "darkroom_extensions.shout"):  # fmt: skip
        sys.modules.pop(name)
    assert "shoutlib==1.5" in locked([folder])
    assert not [each for each in locked([]) if each.startswith("shoutlib")]
    shop.remove("shout")
    assert kept(data) == ["handmade"]


def test_a_conflict_with_what_is_locked_is_said_before_anything_changes(shop, repository, data):
    before = tree_of(data / "extensions" / "handmade")
    repository.add(files_of("shout", manifest=needing("loudly>=2")))
    seen = looked(shop, repository.address)
    assert "conflict with what is installed" in seen.look.problem
    assert "loudly 2.0 depends on numpy<1" in seen.look.problem
    assert "numpy==" in seen.look.problem
    with pytest.raises(WrongState, match="cannot be installed"):
        shop.confirm(seen.id, True)
    shop.end(seen.id)
    assert kept(data) == ["handmade"]
    assert tree_of(data / "extensions" / "handmade") == before


def test_a_package_that_is_not_to_be_had_is_named(shop, repository):
    repository.add(files_of("shout", manifest=needing("nosuchpackage>=3")))
    seen = looked(shop, repository.address)
    assert "nosuchpackage" in seen.look.problem


def test_packages_of_another_extension_are_not_changed(
    shop, repository, tmp_path, data, monkeypatch
):
    repository.add(files_of("shout", manifest=needing("shoutlib==1.5")))
    put(shop, repository.address, packages=True)
    other = Repository(tmp_path / "other")
    other.add(files_of("whisper", manifest=needing("shoutlib>=2")))
    seen = looked(shop, other.address)
    assert "shoutlib==1.5" in seen.look.problem
    other.add(files_of("whisper", manifest=needing("shoutlib>=1")))
    # loaded here, they can be imported by all; but they go when their extension goes
    own = data / "extensions" / "shout" / ".packages"
    monkeypatch.setattr(sys, "path", [*sys.path, str(own)])
    seen = looked(shop, other.address)
    assert [each.pinned for each in seen.look.packages] == ["shoutlib==1.5"]


def test_a_wheel_that_is_another_than_was_seen_is_not_installed(shop, repository, tmp_path, data):
    repository.add(files_of("shout", manifest=needing("shoutlib==1.5")))
    seen = looked(shop, repository.address)
    wheel(tmp_path / "wheels", "shoutlib", "1.5", code="VALUE = 'changed'\n")
    failed = settled(shop, shop.confirm(seen.id, True))
    assert failed.state == "failed" and "HASH" in failed.error.upper()
    assert kept(data) == ["handmade"]


def test_a_package_that_would_have_to_be_built_is_not_taken(shop, repository, tmp_path, data):
    """Its setup.py would run."""
    source = tmp_path / "built" / "builtlib-1.0"
    source.mkdir(parents=True)
    marker = tmp_path / "pwned"
    (source / "setup.py").write_text(f"open({str(marker)!r}, 'w')\n")
    import tarfile

    with tarfile.open(tmp_path / "wheels" / "builtlib-1.0.tar.gz", "w:gz") as file:
        file.add(source, "builtlib-1.0")
    repository.add(files_of("shout", manifest=needing("builtlib")))
    assert "builtlib" in looked(shop, repository.address).look.problem
    assert not marker.exists()
