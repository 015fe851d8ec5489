"""The lock: which packages, in which versions, with which hashes. Read by the set-up, made here.

`scripts/lock` runs `main`: uv resolves pyproject.toml for Linux, macOS and Windows at once. torch
and what it brings for a card are not in the lock: pip chooses them for the machine
(docs/decisions.md).
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "locks"
# Chosen by pip with torch, for the machine's card.
OF_TORCH = re.compile(r"(torch|torchvision|torchaudio|triton.*|pytorch-triton.*|nvidia-.*|cuda-.*)")

HEADER = "# Made by scripts/lock from pyproject.toml; not to be edited.\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """One package of a lock: its lines as they stand, with version, marker and hashes."""

    name: str
    text: str


def entries(text: str) -> list[Entry]:
    """The packages of a lock, in order; one that differs between Pythons is there twice."""
    found: list[Entry] = []
    for block in re.split(r"^(?=[^\s#])", text, flags=re.MULTILINE):
        if match := re.match(r"[A-Za-z0-9._-]+", block):
            found.append(Entry(match.group(), block))
    return found


def read(name: str) -> list[Entry]:
    """The packages of the lock of that name ("run" or "test")."""
    return entries((FOLDER / f"{name}.txt").read_text("utf-8"))


def main(options: list[str]) -> int:
    """Makes both locks; `--upgrade` among the options takes the newest versions."""
    FOLDER.mkdir(exist_ok=True)
    run, test = FOLDER / "run.txt", FOLDER / "test.txt"
    _compile(run, ["--extra", "setup", *options])
    _compile(test, ["--extra", "setup", "--extra", "test", "--constraints", str(run), *options])
    shipped = {entry.name for entry in read("run")}
    _write(test, [entry for entry in read("test") if entry.name not in shipped])
    return 0


def _compile(lock: Path, options: list[str]) -> None:
    command = ["uv", "--no-config", "pip", "compile", "pyproject.toml", "--quiet"]
    command += ["--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--output-file", str(lock), *options]
    subprocess.run(command, cwd=FOLDER.parent.parent, check=True, stdout=subprocess.DEVNULL)
    _write(lock, [e for e in entries(lock.read_text("utf-8")) if not OF_TORCH.fullmatch(e.name)])


def _write(lock: Path, packages: list[Entry]) -> None:
    lock.write_text(HEADER + "".join(entry.text for entry in packages), "utf-8", newline="\n")
    print(f"{lock.name}: {len(packages)} packages")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
