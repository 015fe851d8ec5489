"""Addresses, names, repositories and folders that want something else than to be installed.

Each is tried for real; afterwards the folder of extensions is what it was to the byte, nothing lies
in the folder of work, and the marker that every command here would make is not there.
"""

import json
import os
import shutil
import zlib
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.installing.conftest import looked, put
from tests.installing.repositories import Repository, files_of, service, tree_of
from webui.errors import DarkroomError, InvalidRequest
from webui.extensions import find, imports
from webui.installing import index, placing, trees
from webui.installing.errors import InstallError
from webui.installing.running import Limits
from webui.installing.sources import Source


@pytest.fixture
def unharmed(tmp_path, data, monkeypatch):
    """A block after which all is as it was."""
    marker = tmp_path / "pwned"
    monkeypatch.chdir(tmp_path)

    @contextmanager
    def check():
        before = tree_of(data)
        yield marker
        assert tree_of(data) == before
        assert not marker.exists()

    return check


SOURCES = {
    "upload-pack": "--upload-pack=touch pwned",
    "upload-pack with an address": "--upload-pack=touch${IFS}pwned https://example.org/a",
    "short option": "-utouch pwned",
    "config": "-cprotocol.ext.allow=always",
    "ext": "ext::sh -c 'touch pwned'",
    "ext without blanks": "ext::sh%20-c%20touch%20pwned",
    "fd": "fd::7",
    "file over http": "http://example.org/a",
    "git": "git://example.org/a",
    "ftp": "ftp://example.org/a",
    "javascript": "javascript:alert(1)",
    "scp with an option": "-oProxyCommand=touch:pwned",
    "scp": "git@example.org:owner/name",
    "scp with a blank": "git@example.org:-oProxyCommand=touch pwned",
    "ssh host that is an option": "ssh://-oProxyCommand=touch%20pwned/a",
    "ssh host that is an option, plain": "ssh://-oProxyCommand=pwned/a",
    "ssh user that is an option": "ssh://-oProxyCommand=pwned@example.org/a",
    "ssh port that is an option": "ssh://example.org:-oProxyCommand/a",
    "ssh path that is an option": "ssh://example.org/-upwned",
    "credentials": "https://name:password@example.org/a",
    "a name": "https://name@example.org/a",
    "query": "https://example.org/a?x=1",
    "fragment": "https://example.org/a#b",
    "percent": "https://example.org/%2e%2e/a",
    "dots": "https://example.org/../a",
    "dots in the middle": "https://example.org/a/../../b",
    "hidden": "https://example.org/.git/config",
    "path that is an option": "https://example.org/--upload-pack=pwned",
    "no path": "https://example.org",
    "no host": "https:///a",
    "backslash": "https://example.org\\@evil.org/a",
    "newline": "https://example.org/a\ntouch pwned",
    "null": "https://example.org/a\0",
    "quote": 'https://example.org/a"b',
    "semicolon": "https://example.org/a;touch",
    "dollar": "https://example.org/$(touch pwned)",
    "look-alike": "https://ex\u0430mple.org/a",
    "a host that begins with a line": "https://-example.org/a",
    "a host with two points": "https://example..org/a",
    "port 0": "https://example.org:0/a",
    "port too large": "https://example.org:99999/a",
    "relative": "origin",
    "relative with dots": "../origin",
    "home": "~/origin",
    "network share": "//host/share",
    "windows share": "\\\\host\\share",
    "dots in a folder": "/tmp/../etc",
    "dots in a file": "file:///tmp/../etc",
    "file of a host": "file://host/etc",
    "device": "CON",
    "empty": "",
    "blank": "   ",
    "long": "https://example.org/" + "a" * 600,
    "a line": "--",
}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_what_is_no_source_is_refused_before_git_is_started(unharmed, data, source):
    made = service(data, allowed=("https", "ssh", "file", "folder"), environ={"PATH": ""})
    with unharmed(), pytest.raises(InvalidRequest) as refused:
        made.begin(source)
    assert refused.value.field == "source"
    made.close()


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("https", "--upload-pack=touch pwned"),
        ("https", "-utouch pwned"),
        ("https", "ext::sh -c touch% pwned"),
        ("file", "ext::sh -c touch% pwned"),
        ("https", "ORIGIN"),
        ("https", "file://ORIGIN"),
        ("file", "ssh://-oProxyCommand=touch% pwned/a"),
        ("https", "git@example.org:a"),
    ],
)
def test_git_itself_goes_one_way_alone_whatever_it_is_given(
    unharmed, data, repository, tmp_path, kind, address
):
    """As if the reading of addresses had let it through."""
    made, work = service(data), tmp_path / "work"
    work.mkdir()
    address = address.replace("ORIGIN", str(repository.folder))
    git = made.tools.git
    with unharmed(), pytest.raises(InstallError):
        git.fetch(_Unread(kind, address), work, lambda count: None)
    assert not (work / "pwned").exists() and not (work / ".git" / "pwned").exists()
    made.close()


def test_git_is_told_where_its_options_end_and_finds_no_settings(data, repository, tmp_path):
    told, real = tmp_path / "told", shutil.which("git")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "git"
    script.write_text(f'#!/bin/sh\n(echo "$@"; env) >> {told}\nexec {real} "$@"\n')
    script.chmod(0o755)
    environ = {"PATH": f"{script.parent}:{os.environ['PATH']}", "GIT_EXTERNAL_DIFF": "touch"}
    made = service(data, environ={**environ, "GIT_CONFIG_PARAMETERS": "'a.b=c'", "DARKROOM": "x"})
    put(made, repository.address)
    made.close()
    said = told.read_text()
    assert f" -- {repository.address} +HEAD:refs/looked/at\n" in said
    for each in ("GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0"):
        assert f"{each}\n" in said
    for each in ("GIT_EXTERNAL_DIFF", "GIT_CONFIG_PARAMETERS='a.b", "DARKROOM="):
        assert each not in said
    assert "-c core.hooksPath=/dev/null " in said and " -c protocol.allow=never " in said


class _Unread(Source):
    host = None


REVISIONS = (
    "-upwned", "--upload-pack=touch pwned", "--", "a..b", "a b", "a:b", "+a:refs/heads/b", "^main",
    "main~1", "main^{commit}", "@{-1}", "a//b", "a/.b", "a.lock", "a.lock/b", "a/", "a.", ".a", "*",
    "refs/heads/*", "a\nb", "a\0b", "a\\b", "\u043cain", "abcdef1", "deadbeef", "a" * 201, "/a",
)  # fmt: skip


@pytest.mark.parametrize("revision", REVISIONS)
def test_what_is_no_revision_is_refused_before_git_is_started(unharmed, data, revision):
    made = service(data, environ={"PATH": ""})
    with unharmed(), pytest.raises(InvalidRequest) as refused:
        made.begin("https://example.org/a", revision)
    assert refused.value.field == "revision"
    made.close()


@pytest.mark.parametrize(
    ("source", "allowed", "words"),
    [
        (
            "file:///tmp/a",
            "https,folder",
            "https addresses and folders alone; .* https,folder,file",
        ),
        ("ssh://git@example.org/a", "https", "https addresses alone; .* https,ssh"),
        ("/tmp", "https", "https addresses alone; .* https,folder"),
        ("https://example.org/a", "folder", "folders alone; .* folder,https"),
    ],
)
def test_a_source_that_this_server_does_not_take_says_the_flag(
    unharmed, data, source, allowed, words
):
    made = service(data, allowed=allowed.split(","))
    with unharmed(), pytest.raises(InvalidRequest, match=words):
        made.begin(source)


@pytest.mark.parametrize(
    "address", ["https://127.0.0.1/a", "https://10.0.0.1/a", "https://localhost/a"]
)
def test_this_computers_network_is_not_fetched_from(unharmed, data, address):
    made = service(data)
    with unharmed():
        failed = looked(made, address)
    assert "an address of this computer or its network" in failed.error
    made.close()


# --- repositories ------------------------------------------------------------------------------


def link(repository, name="evil", to="/etc/passwd"):
    return ("120000", name, repository.blob(to))


def blob(repository, name, text="x", mode="100644"):
    return (mode, name, repository.blob(text))


def below(repository, name, *rows):
    return ("40000", name, repository.tree(rows))


TREES = {
    "link out": lambda r: [link(r)],
    "link in": lambda r: [link(r, to="server.py")],
    "link for a folder, and a file through it": lambda r: [
        link(r, "sub", "/tmp"), below(r, "sub", blob(r, "pwned"))
    ],
    "the manifest a link": lambda r: [link(r, "extension.toml")],
    "submodule": lambda r: [("160000", "sub", "1" * 40), blob(r, ".gitmodules", "[submodule]")],
    "dots": lambda r: [below(r, "..", blob(r, "pwned"))],
    "a dot": lambda r: [below(r, ".", blob(r, "pwned"))],
    "dots deeper": lambda r: [below(r, "sub", below(r, "..", below(r, "..", blob(r, "pwned"))))],
    "slash in a name": lambda r: [blob(r, "../pwned")],
    "absolute": lambda r: [blob(r, "/tmp/pwned")],
    "backslash": lambda r: [blob(r, "a\\..\\pwned")],
    "drive": lambda r: [blob(r, "C:pwned")],
    "no name": lambda r: [blob(r, "")],
    "newline": lambda r: [blob(r, "a\nb")],
    "no UTF-8": lambda r: [blob(r, b"\xff\xfe.py")],
    "device": lambda r: [blob(r, "con.py")],
    "invisible": lambda r: [blob(r, "ser\u200bver.py")],
    "right to left": lambda r: [blob(r, "a\u202eyp.b")],
    "capitals": lambda r: [blob(r, "Server.py")],
    "capitals of a folder": lambda r: [below(r, "A", blob(r, "a")), below(r, "a", blob(r, "b"))],
    "accents": lambda r: [blob(r, "\u00e9.txt"), blob(r, "e\u0301.txt")],
    "a file and a folder of one name": lambda r: [below(r, "server.py", blob(r, "a"))],
    "trailing point": lambda r: [blob(r, "a.")],
    "long": lambda r: [blob(r, "a" * 250)],
    "deep": lambda r: [
        below(r, "a", below(r, "a", below(r, "a", below(r, "a", below(r, "a", below(
            r, "a", blob(r, "a")
        ))))))
    ],
    "an object that is not there": lambda r: [("100644", "a", "2" * 40)],
}  # fmt: skip


@pytest.mark.parametrize("rows", TREES.values(), ids=TREES)
def test_a_tree_that_no_folder_should_be_is_refused(unharmed, installs, repository, rows):
    files = files_of("shout")
    if rows is TREES["the manifest a link"]:
        del files["extension.toml"]
    repository.add(files, extra=rows(repository))
    with unharmed():
        failed = looked(installs, repository.address)
        assert failed.state == "failed" and failed.error


def test_hooks_filters_and_attributes_of_a_repository_do_nothing(
    installs, repository, data, tmp_path, monkeypatch
):
    """A commit with hooks and attributes whose filter would run, were it asked for; and a git of
    the user's that would run it everywhere."""
    marker = tmp_path / "pwned"
    for name, value in {
        "core.hooksPath": "hooks", "filter.evil.smudge": f"touch {marker}",
        "filter.evil.process": f"touch {marker}", "core.fsmonitor": f"touch {marker}",
        "core.sshCommand": f"touch {marker}", "gpg.program": f"touch {marker}",
        "uploadpack.packObjectsHook": f"touch {marker}", "protocol.ext.allow": "always",
        "url.ext::sh -c touch.insteadOf": "https://",
    }.items():  # fmt: skip
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
        repository.git("config", "--file", str(tmp_path / "gitconfig"), name, value)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path / "template"))
    monkeypatch.setenv("GIT_SSH_COMMAND", f"touch {marker}")
    for place in (tmp_path / "template" / "hooks", repository.folder / ".git" / "hooks"):
        place.mkdir(parents=True, exist_ok=True)
        for hook in ("post-checkout", "reference-transaction", "post-index-change"):
            (place / hook).write_text(f"#!/bin/sh\ntouch {marker}\n")
            (place / hook).chmod(0o755)
    marker.unlink(missing_ok=True)
    files = files_of("shout", **{".gitattributes": "* filter=evil\n", "hooks/post-checkout": "x"})
    real = dict(os.environ)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    (repository.folder / ".git" / "hooks" / "reference-transaction").unlink()
    repository.add(files)
    made = service(data, environ=real)
    put(made, repository.address)
    made.close()
    assert not marker.exists()
    there = sorted(tree_of(data / "extensions" / "shout"))
    assert there == [
        ".installed.json",
        "extension.toml",
        "hooks",
        "hooks/post-checkout",
        "server.py",
    ]


MANIFESTS = {
    "shipped": 'id = "wildcards"',
    "another's": 'id = "handmade"',
    "ours": 'id = "builtin"',
    "an address of ours": 'id = "installs"',
    "dots": 'id = "../../evil"',
    "a path": 'id = "/tmp/evil"',
    "hidden": 'id = ".staging"',
    "capitals": 'id = "Handmade"',
    "device": 'id = "con"',
    "cache": 'id = "__pycache__"',
    "look-alike": 'id = "h\u0430ndmade"',
    "empty": 'id = ""',
    "long": f'id = "{"a" * 300}"',
    "a number": "id = 5",
    "none": "",
    "no TOML": "id = ",
    "deep": "a = " + "[" * 5000,
    "newer": 'id = "shout"\nname = "S"\nversion = "1"\ndescription = "d"\n'
    'api = ">=9"\nserver = "server"',
    "a module that is not there": 'id = "shout"\nname = "S"\nversion = "1"\ndescription = "d"\n'
    'api = ">=1"\nserver = "nothing"',
    "dependency from elsewhere": 'id = "shout"\nname = "S"\nversion = "1"\ndescription = "d"\n'
    'api = ">=1"\nserver = "server"\ndependencies = ["x @ https://example.org/x.whl"]',
    "a name from right to left": 'id = "shout"\nname = "\\u202ES"\nversion = "1"\n'
    'description = "d"\napi = ">=1"\nserver = "server"',
    "dependency that is an option": 'id = "shout"\nname = "S"\nversion = "1"\ndescription = "d"\n'
    'api = ">=1"\nserver = "server"\ndependencies = ["--index-url=https://example.org"]',
}  # fmt: skip


@pytest.mark.parametrize("manifest", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_wants_what_it_may_not_is_refused(unharmed, installs, repository, manifest):
    repository.add({**files_of("shout"), "extension.toml": manifest})
    with unharmed():
        failed = looked(installs, repository.address)
        assert (failed.state, failed.field) == ("failed", "source"), failed
        assert "/.staging/" not in failed.error


def test_bombs_end_at_a_limit(unharmed, data, repository):
    """A file that unpacks to a thousand times its size; one tree that is millions of files; many
    small files; a repository that is too large to fetch."""
    made = service(data, limits=Limits(seconds=60, most_bytes=3_000_000))
    big = repository.blob(bytes(40_000_000))
    repository.add(files_of("shout"), extra=[("100644", "big.txt", big)])
    with unharmed():
        assert "big.txt is larger than 32 MiB" in looked(made, repository.address).error
    inner = repository.tree([blob(repository, f"{number:03}") for number in range(100)])
    for _ in range(4):
        inner = repository.tree([("40000", f"d{number:03}", inner) for number in range(40)])
    repository.add(files_of("shout"), extra=[("40000", "many", inner)])
    with unharmed():
        said = looked(made, repository.address).error
        assert "larger than" in said or "too many files" in said or "took longer" in said
    text = repository.blob("x")
    repository.add(files_of("shout"), extra=[("100644", f"{n:04}", text) for n in range(2001)])
    with unharmed():
        assert "at most 2000" in looked(made, repository.address).error
    noise = os.urandom(6_000_000)
    assert len(zlib.compress(noise)) > 3_000_000
    repository.add({**files_of("shout"), "noise.bin": noise})
    with unharmed():
        assert "it is larger than 2 MiB" in looked(made, repository.address).error
    made.close()


def test_a_git_that_never_ends_is_ended(unharmed, data, tmp_path, repository):
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "git").write_text('#!/bin/sh\ncase "$*" in *" fetch "*) sleep 600;; esac\nexit 0\n')
    (slow / "git").chmod(0o755)
    made = service(
        data,
        environ={"PATH": f"{slow}:{os.environ['PATH']}"},
        limits=Limits(seconds=0.5, most_bytes=10**6),
    )
    with unharmed():
        assert "git took longer than 0.5 s" in looked(made, repository.address).error
    made.close()


# --- folders ------------------------------------------------------------------------------


def folder_with(tmp_path, **more):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, text in files_of("shout").items():
        (folder / name).write_text(text)
    return folder


def test_a_folder_with_links_pipes_or_itself_is_refused(unharmed, installs, data, tmp_path):
    folder = folder_with(tmp_path)
    with unharmed():
        (folder / "evil").symlink_to("/etc/passwd")
        assert "'evil' is a link" in looked(installs, str(folder)).error
        (folder / "evil").unlink()
        (folder / "evil").symlink_to("/etc", target_is_directory=True)
        assert "'evil' is a link" in looked(installs, str(folder)).error
        (folder / "evil").unlink()
        os.mkfifo(folder / "pipe")
        assert "'pipe' is no plain file" in looked(installs, str(folder)).error
        (folder / "pipe").unlink()
        (tmp_path / "there").symlink_to(folder, target_is_directory=True)
        assert "is no folder" in looked(installs, str(tmp_path / "there")).error
        assert "is no folder" in looked(installs, "/dev/null").error
        assert "where extensions are installed" in looked(installs, str(tmp_path)).error
        inside = str(data / "extensions" / "handmade")
        assert "where extensions are installed" in looked(installs, inside).error
        (folder / "extension.toml").unlink()
        assert "there is no extension.toml at its top" in looked(installs, str(folder)).error


def test_a_folder_of_folders_has_an_end(unharmed, installs, tmp_path, monkeypatch):
    folder = folder_with(tmp_path)
    (folder / "/".join(["a"] * 30)).mkdir(parents=True)
    with unharmed():
        assert "lies too deep" in looked(installs, str(folder)).error
    shutil.rmtree(folder / "a")
    monkeypatch.setattr(trees, "_MOST_WALKED", 50)
    for number in range(51):
        (folder / f"d{number}").mkdir()
    with unharmed():
        assert "more than 50 files and folders" in looked(installs, str(folder)).error
    (folder / "d0").rmdir()
    for number in range(1, 5):
        (folder / f"d{number}").rmdir()
    assert looked(installs, str(folder)).state == "seen"


@pytest.mark.parametrize("kind", ["pipe", "link", "device", "a link on the way"])
def test_what_has_become_something_else_since_it_was_listed_is_not_opened(tmp_path, kind):
    """A pipe would be waited for for ever, by the one thread that installs."""
    folder, read = folder_with(tmp_path), trees.reader_of(tmp_path / "mine")
    (folder / "sub").mkdir()
    (folder / "sub" / "a.txt").write_text("secret")
    entry = trees.Entry("sub/a.txt", "100644", "", 6)
    assert read(entry) == b"secret"
    if kind == "a link on the way":
        (folder / "sub").rename(tmp_path / "elsewhere")
        (folder / "sub").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    else:
        (folder / "sub" / "a.txt").unlink()
        if kind == "pipe":
            os.mkfifo(folder / "sub" / "a.txt")
            entry = replace(entry, size=0)  # as what comes out of it
        else:
            to = "/dev/zero" if kind == "device" else folder / "server.py"
            (folder / "sub" / "a.txt").symlink_to(to)
    with pytest.raises(InstallError, match=r"a\.txt"):
        read(entry)


def test_a_pipe_by_hand_keeps_no_server_from_starting(data):
    folder = data / "extensions" / "handmade"
    os.mkfifo(folder / "more.py")
    assert imports.complaints(folder) == []
    (folder / "extension.toml").unlink()
    os.mkfifo(folder / "extension.toml")
    (found,) = find(data / "extensions", data / "none")
    assert found.problem == f"{folder}/extension.toml is no file"


def test_a_record_of_somebody_elses_making_is_not_believed(installs, data):
    """It would make the page offer to remove what was put there by hand."""
    folder = data / "extensions" / "handmade"
    names = ("kind", "source", "revision", "commit", "digest", "version")
    numbers = json.dumps({name: 5 for name in names} | {"time": 1, "packages": []})
    good = {name: "" for name in names} | {"time": 1, "packages": []}
    strange = [
        json.dumps(good | changed)
        for changed in (
            {"commit": "--output=pwned"}, {"commit": "main"}, {"commit": "a" * 41},
            {"source": "\ud800"}, {"version": "1\n2"}, {"packages": ["\u202e"]},
            {"time": float("nan")}, {"time": float("inf")},
        )
    ]  # fmt: skip
    for text in (*strange, numbers, "{}", "[]", "no", '{"kind": 1}', '{"time": {}}', "[" * 100_000):
        (folder / ".installed.json").write_text(text)
        assert installs.records() == {}
        with pytest.raises(DarkroomError):
            installs.remove("handmade")
    (folder / ".installed.json").write_text(json.dumps(good | {"commit": "a" * 40}))
    assert list(installs.records()) == ["handmade"]
    assert (folder / "server.py").exists()


@pytest.mark.parametrize("letter", ["\ud800", "\u202e", "\n", "\u2066"])
@pytest.mark.parametrize("key", ["name", "description"])
def test_an_index_with_what_cannot_be_shown_is_none(letter, key):
    entry = {"id": "shout", "name": "Shout", "description": "Louder.", "source": ""}
    assert index.read(json.dumps({"extensions": [entry]}).encode())[0].name == "Shout"
    entry[key] += letter
    with pytest.raises(ValueError, match=rf"entry 0: .* U\+{ord(letter):04X} is none"):
        index.read(json.dumps({"extensions": [entry]}).encode())


@pytest.mark.parametrize("id", ["old", "git", "cache", "older"])
def test_an_id_that_our_own_folders_might_have_is_one_like_others(data, tmp_path, id):
    """What was only looked at is never taken for what an update had put aside."""
    repository = Repository(tmp_path / "named")
    evil = {f"evil/{name}": text for name, text in files_of("evil").items()}
    repository.add({**files_of(id), **evil}, "First")
    made = service(data)
    seen = looked(made, repository.address)
    assert (seen.state, seen.error) == ("seen", "")
    place = data / "extensions"
    made.close = lambda: None  # as if it had been killed
    placing.recover(place)
    assert sorted(each.name for each in place.iterdir()) == ["handmade"]

    made = service(data)
    put(made, repository.address)
    repository.add(files_of(id, version="2.0.0"), "Second")
    put(made, "", update=id)
    made.roll_back(id)
    assert made.records()[id].source == repository.address
    made.remove(id)
    made.close()
    assert sorted(each.name for each in place.iterdir()) == ["handmade"]


def test_a_manifest_that_would_keep_its_reader_for_hours_is_not_read(
    unharmed, installs, repository
):
    long = f"{'a.' * 20_000}b = 1\n"
    repository.add({"extension.toml": files_of("shout")["extension.toml"] + long}, "Long")
    with unharmed():
        seen = looked(installs, repository.address)
    assert seen.error == "extension.toml has more than 16 KiB"


def test_imports_of_what_is_not_public_are_said_up_to_a_number(tmp_path):
    (tmp_path / "server.py").write_text("from webui import " + ", ".join(["aa"] * 10_000))
    said = imports.complaints(tmp_path)
    assert len(said) == 20 and max(map(len, said)) <= 200
    (tmp_path / "server.py").write_text("# coding: punycode\nimport json\n")
    assert imports.complaints(tmp_path) == []
