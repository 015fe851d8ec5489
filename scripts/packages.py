"""Packages into an environment, by its own pip: first pip itself, then torch, then the locks.

torch has a run of its own, with what it needs: which build fits is pip's to find, by the system,
its own configuration or `--torch-index`. The locks name all else, with hashes (docs/decisions.md).
"""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts import lockfile, progress
from webui.errors import StartError

TORCH = "torch==2.13.0"  # as pyproject.toml has it; a test compares
LOCKED = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
SIZES = {"run": 145, "test": 85}  # MB to download, about


@dataclass(frozen=True, slots=True)
class Installer:
    python: Path  # the environment's
    folder: Path  # for the log of all that pip says
    held: tuple[int, ...]  # file descriptors for pip to inherit
    say: Callable[[str], None]

    def remove_torch(self) -> None:
        """Before another build of the same version comes, which pip would not exchange."""
        self._pip(["uninstall", "-y", "torch"])

    def install(self, locks: Sequence[str], torch_index: str | None) -> None:
        """Brings the environment to what the locks say. Raises StartError of one sentence."""
        own = self.folder / "pip.txt"
        texts = [entry.text for entry in lockfile.read("run") if entry.name == "pip"]
        own.write_text("".join(texts), "utf-8")
        self._pip(["install", *LOCKED, "-r", str(own)], bar="off")  # an older pip has no "raw"

        self.say(f"Installing {TORCH}: about 200 MB, or 3 GB where it comes with CUDA")
        index = ["--index-url", torch_index] if torch_index else []
        self._pip(["install", TORCH, *index])

        for name in locks:
            count = len(lockfile.read(name))
            self.say(f"Installing scripts/locks/{name}.txt: {count} packages, {SIZES[name]} MB")
            self._pip(["install", *LOCKED, "-r", str(lockfile.FOLDER / f"{name}.txt")])
        self._pip(["check"])

    def _pip(self, arguments: Sequence[str], *, bar: str = "raw") -> None:
        """Runs pip, shows how far it is, keeps all it says in the log."""
        command = [str(self.python), "-I", "-u", "-m", "pip", *arguments]
        if arguments[0] == "install":
            command += ["--no-input", "--disable-pip-version-check", "--no-warn-script-location"]
            command += ["--progress-bar", bar if sys.stdout.isatty() else "off"]
        log = self.folder / "setup.log"
        said: list[str] = []
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            pass_fds=self.held,
        ) as pip:
            assert pip.stdout is not None
            progress.show(_logged(pip.stdout, said, log))
        if pip.returncode == 0:
            return
        if arguments[0] == "check":
            raise StartError(f"the packages do not fit together ({said[0].strip()}); delete .venv")
        raise StartError(progress.failure("".join(said), str(log)))


def _logged(lines: Iterator[str], said: list[str], path: Path) -> Iterator[str]:
    with path.open("a", encoding="utf-8") as log:
        for line in lines:
            said.append(line)
            if not line.startswith("Progress"):
                log.write(line)
            yield line.rstrip("\n")
