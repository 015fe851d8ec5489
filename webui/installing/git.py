"""git, as a fetcher of objects and nothing more: no checkout, so no hook, filter, link or submodule
of a repository ever acts. Its own settings and the user's are not read.
"""

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from webui.installing import running
from webui.installing.errors import InstallError
from webui.installing.routes import Route, route
from webui.installing.running import Ended, Limits, Told, end, run
from webui.installing.sources import Source

FETCH = Limits(seconds=180, most_bytes=128 * 2**20)
_LIST = Limits(seconds=30, most_bytes=FETCH.most_bytes + 4 * 2**20)
_MOST_LISTED = 4 * 2**20  # bytes of names, or of a log
_READING = 120.0  # seconds that writing all files may take
_LOG = 50  # commits
_REF = "refs/looked/at"
_OBJECTS = ".git"  # with a point, as no extension is called
_KEPT = ("PATH", "SYSTEMROOT", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO")
_PINNING = (2, 37)  # the first git that goes to the address that it is told, and asks no name
_SSH = "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oClearAllForwardings=yes"
_OPTIONS = {
    "core.hooksPath": "/dev/null",
    "core.symlinks": "false",
    "core.fsmonitor": "false",
    "core.bigFileThreshold": "8m",  # larger ones are never held in memory
    "core.attributesFile": "/dev/null",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",
    "pack.threads": "1",
    "transfer.fsckObjects": "true",
    "transfer.bundleURI": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "log.showSignature": "false",
    "protocol.allow": "never",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "500",
    "http.lowSpeedTime": "30",
}


@dataclass(frozen=True, slots=True)
class Commit:
    id: str
    time: int  # Unix seconds
    author: str
    subject: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a commit."""

    name: str
    mode: str  # as git has it, "100644"
    object: str
    size: int


class Git:
    def __init__(
        self, environ: Mapping[str, str], *, private: bool = False, limits: Limits = FETCH
    ) -> None:
        """`private`: this computer's network may be fetched from."""
        self.program = shutil.which("git", path=environ.get("PATH")) or ""
        self._environ = environ
        self._private = private
        self._limits = limits

    def fetch(self, source: Source, place: Path, told: Told) -> str:
        """Its commit, now in the repository `place`/.git. Raises InstallError, and as `told`."""
        way = route(source.host, self._environ, private=self._private)
        if way.options:
            self._check_pins(source, place, told)
        self._run(source, place, ["init", "--bare", "--quiet", "--template=", _OBJECTS], told)
        refspec = f"+{source.revision or 'HEAD'}:{_REF}"
        options = ["--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"]
        options += ["--no-auto-maintenance", f"--depth={_LOG}"]
        fetch = [*way.options, "fetch", *options, "--", source.address, refspec]
        ended = self._run(source, place, fetch, told, failing=True, way=way)
        if ended.code:
            raise _failure(ended.said, source)
        return self._asked(source, place, ["rev-parse", "--verify", _REF + "^{commit}"], told)

    def entries(self, source: Source, place: Path, commit: str, told: Told) -> list[Entry]:
        """All files of it. Raises InstallError."""
        options = ["-r", "-z", "-l", "--full-tree"]
        ended = self._run(source, place, ["ls-tree", *options, commit], told)
        if len(ended.out) > _MOST_LISTED:
            raise InstallError("it has too many files for an extension")
        return [_entry(each) for each in ended.out.split(b"\0") if each]

    def log(self, source: Source, place: Path, commits: str, told: Told) -> list[Commit] | None:
        """The newest first, at most 50, of "commit" or "old..new"; None where git has not all."""
        options = ["-z", "--no-mailmap", "--no-show-signature", f"--max-count={_LOG}"]
        shown = ["--format=%H%x1f%ct%x1f%an%x1f%s", commits, "--"]
        ended = self._run(source, place, ["log", *options, *shown], told, failing=True)
        if ended.code or len(ended.out) > _MOST_LISTED:
            return None
        lines = ended.out.decode("utf-8", "replace").split("\0")
        return [_commit(each) for each in lines if each.count("\x1f") == 3]

    @contextmanager
    def blobs(self, source: Source, place: Path) -> Iterator["Blobs"]:
        process = subprocess.Popen(
            running.program([*self._command(), "cat-file", "--batch"], _LIST),
            env=self._clean(source, place),
            cwd=place,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        impatient = threading.Timer(_READING, end, (process,))
        impatient.daemon = True
        impatient.start()
        assert process.stdin is not None and process.stdout is not None
        try:
            yield Blobs(process.stdin, process.stdout)
        finally:
            impatient.cancel()
            end(process)
            for pipe in (process.stdin, process.stdout):
                pipe.close()

    def _asked(self, source: Source, place: Path, arguments: list[str], told: Told) -> str:
        return self._run(source, place, arguments, told).out.decode("ascii", "replace").strip()

    def _run(
        self,
        source: Source,
        place: Path,
        arguments: list[str],
        told: Told,
        *,
        failing: bool = False,
        way: Route | None = None,
    ) -> Ended:
        """`way`: to another computer, which nothing else than a fetch goes to."""
        limits = self._limits if way else _LIST
        command = running.program([*self._command(), *arguments], limits)
        environ = self._clean(source, place) | (way.environ if way else {})
        ended = run("git", command, environ, place, limits, told)
        if ended.code and not failing:
            raise _failure(ended.said, source)
        return ended

    def _check_pins(self, source: Source, place: Path, told: Told) -> None:
        """An older git would ask for the address once more, and may be told another one."""
        said = self._asked(source, place, ["--version"], told)
        found = re.search(r"(\d{1,9})\.(\d{1,9})", said)
        if found is None or (int(found[1]), int(found[2])) < _PINNING:
            raise InstallError(
                f"this computer has {said[:80] or 'a git that does not say which'}, and only git "
                "2.37 and newer fetches from the very address that was checked; update git, or "
                "install it from a folder"
            )

    def _command(self) -> list[str]:
        if not self.program:
            raise InstallError("git is not installed on this computer; install it from git-scm.com")
        options = [f"{name}={value}" for name, value in _OPTIONS.items()]
        return [self.program, *(part for each in options for part in ("-c", each))]

    def _clean(self, source: Source, place: Path) -> dict[str, str]:
        """An environment in which git finds nothing of the user's, and may go one way alone."""
        kept = (*_KEPT, *(("SSH_AUTH_SOCK",) if source.kind == "ssh" else ()))
        environ = {name: self._environ[name] for name in kept if name in self._environ}
        return environ | {
            "GIT_DIR": str(place / _OBJECTS),
            "GIT_ALLOW_PROTOCOL": source.kind,
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_SSH_COMMAND": _SSH,
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "MALLOC_ARENA_MAX": "2",
            "HOME": str(place),
            "TMPDIR": str(place),
            "XDG_CONFIG_HOME": str(place),
            "LC_ALL": "C",
        }


class Blobs:
    """Contents of files, one after the other."""

    def __init__(self, asked: IO[bytes], answered: IO[bytes]) -> None:
        self._asked, self._answered = asked, answered

    def read(self, entry: Entry) -> bytes:
        """Raises InstallError where it is not what the list said."""
        try:
            self._asked.write(f"{entry.object}\n".encode())
            self._asked.flush()
            head = self._answered.readline(200).split()
            if head[1:] != [b"blob", str(entry.size).encode()]:
                raise InstallError(f"{entry.name} cannot be read from the repository")
            data = self._answered.read(entry.size + 1)[:-1]
        except (BrokenPipeError, ValueError):
            data = b""
        if len(data) != entry.size:
            raise InstallError(f"{entry.name} cannot be read from the repository")
        return data


def _entry(line: bytes) -> Entry:
    facts, _, name = line.partition(b"\t")
    mode, _, object, size = facts.decode("ascii", "replace").split()
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        raise InstallError(f"a file's name is no UTF-8: {name[:80]!r}") from None
    return Entry(text, mode, object, int(size) if size.isdecimal() else 0)


def _commit(line: str) -> Commit:
    id, seconds, author, subject = line.split("\x1f")
    return Commit(id.strip(), int(seconds), _plain(author, 80), _plain(subject, 200))


def _plain(text: str, most: int) -> str:
    return "".join(each for each in text[:most] if each.isprintable())


_REASONS = (
    ("couldn't find remote ref", "it has no branch, tag or commit of that name", "revision"),
    ("not our ref", "it has no such commit", "revision"),
    ("could not read Username", "there is no repository, or it is not for everybody", "source"),
    ("redirect", "it leads to another address; give that one", "source"),
    ("not found", "there is no repository", "source"),
    ("does not appear to be a git repository", "there is no repository", "source"),
    ("Could not resolve host", "there is no computer of that name", "source"),
    ("out of memory", "git takes more memory for it than an extension should need", "source"),
)


def _failure(said: str, source: Source) -> InstallError:
    for mark, text, field in _REASONS:
        if mark.casefold() in said.casefold():
            return InstallError(f"{source.address}: {text}", field)
    lines = [line for line in said.splitlines() if line.strip()]
    last = lines[-1] if lines else "git failed and does not say why"
    return InstallError(_plain(f"{source.address}: {last}", 400))
