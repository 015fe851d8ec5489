"""`.venv`: made, filled from the locks, and known to be whole by its stamp, which is written last.

Knows nothing of the server. Runs under a bare Python: the packages are handled by pip, in `.venv`.
"""

import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from scripts import lockfile, progress
from scripts.machine import free_space, require_space
from scripts.packages import Installer
from webui.errors import StartError

if sys.platform != "win32":
    import fcntl


@dataclass(frozen=True, slots=True)
class Stamp:
    """What is installed in a `.venv`; equal stamps, equal environments."""

    python: str
    torch_index: str | None  # where torch came from; None: where pip looks by itself
    locks: dict[str, str]  # name -> sha256
    complete: bool


@dataclass(frozen=True, slots=True)
class Environment:
    folder: Path  # .venv

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    @property
    def packages(self) -> Path:
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        lib = "Lib" if sys.platform == "win32" else f"lib/{version}"
        return self.folder / lib / "site-packages"

    def stamp(self) -> Stamp | None:
        """What was written last; None if that cannot be read."""
        try:
            return Stamp(**json.loads((self.folder / "darkroom.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, stamp: Stamp) -> None:
        """Whole or not at all."""
        new = self.folder / "darkroom.json.new"
        new.write_text(json.dumps(asdict(stamp), indent=1), "utf-8")
        os.replace(new, self.folder / "darkroom.json")

    def torch_build(self) -> str:
        """What torch was built for: "cuda 13.0", "hip 7.1" or "cpu"; read, not imported."""
        version = (self.packages / "torch" / "version.py").read_text("utf-8")
        built = re.search(r"^(cuda|hip)\b.*= '(.+)'", version, flags=re.MULTILINE)
        return " ".join(built.groups()) if built else "cpu"


def wanted(locks: Sequence[str], torch_index: str | None) -> Stamp:
    """The stamp of an environment with these locks installed."""
    hashes = {
        name: hashlib.sha256((lockfile.FOLDER / f"{name}.txt").read_bytes()).hexdigest()
        for name in locks
    }
    python = f"{platform.python_version()} {sys.platform} {platform.machine()}"
    return Stamp(python, torch_index, hashes, True)


def ready(environment: Environment, stamp: Stamp) -> bool:
    """Whether what is there is whole and has all that `stamp` has."""
    there = environment.stamp()
    if there is None or not there.complete or not environment.python.exists():
        return False
    same = (there.python, there.torch_index) == (stamp.python, stamp.torch_index)
    return same and stamp.locks.items() <= there.locks.items()


def ensure(
    environment: Environment,
    stamp: Stamp,
    say: Callable[[str], None],
    needed: int,
    free: Callable[[Path], int] = free_space,
) -> bool:
    """Makes the environment what `stamp` says, if it is not; returns whether there was work.

    `needed`: bytes of disk. Raises StartError. May be killed at any time: it goes on from there
    when it is run again.
    """
    if ready(environment, stamp):
        return False
    with sole(environment.folder.parent, say) as held:
        if ready(environment, stamp):
            return False
        require_space(environment.folder.parent, needed, free)
        there = environment.stamp()
        try:
            if there is None or there.python != stamp.python or not _has_pip(environment):
                say(f"Making {environment.folder} (Python {platform.python_version()})")
                _make(environment)
                there = stamp
            environment.write(replace(there, locks={}, complete=False))
            for half in half_installed(environment.packages):
                shutil.rmtree(half)
        except OSError as error:
            raise StartError(
                f"cannot write to {environment.folder}: {error.strerror}; "
                "move this folder to where you may write"
            ) from error
        installer = Installer(environment.python, environment.folder, held, say)
        if there.torch_index != stamp.torch_index:
            installer.remove_torch()
            environment.write(replace(stamp, locks={}, complete=False))
        installer.install(list(stamp.locks), stamp.torch_index)
        environment.write(stamp)
    return True


@contextmanager
def sole(folder: Path, say: Callable[[str], None]) -> Iterator[tuple[int, ...]]:
    """Waits until no other set-up works on `folder`, nor a pip whose set-up was killed.

    Yields what children must inherit for that: the lock is theirs too, and ends with the last.
    """
    if sys.platform == "win32":
        yield ()
        return
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another set-up of this folder to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield (lock,)
    finally:
        os.close(lock)


def half_installed(packages: Path) -> Iterator[Path]:
    """What a killed pip left: it takes such a package for installed, or warns of it for ever."""
    for info in packages.glob("*.dist-info"):
        if not (info / "INSTALLER").exists() or not (info / "RECORD").exists():
            yield info
    yield from (left for left in packages.glob("~*") if left.is_dir())


def _has_pip(environment: Environment) -> bool:
    try:
        command = [str(environment.python), "-I", "-m", "pip", "--version"]
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def _make(environment: Environment) -> None:
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise StartError(
            f"this Python ({sys.executable}) has no venv with pip; on Debian or Ubuntu "
            f"`sudo apt install python{version}-venv` brings it; then start again"
        )
    environment.folder.mkdir(exist_ok=True)
    command = [sys.executable, "-I", "-m", "venv", "--clear", str(environment.folder)]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode != 0:
        raise StartError(progress.failure(made.stdout, " ".join(made.stdout.split()[-40:])))
