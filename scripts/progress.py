"""What pip says, made short: one line a package on a terminal that is rewritten, sizes included.

Also turns the end of a failed run of pip into one sentence.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from typing import TextIO

WORTH_A_LINE = 5  # MB; smaller downloads are told only where the line is rewritten

DOWNLOAD = re.compile(
    r"\s*(?:Downloading|Using cached|Processing) (?:\S*/)?(?P<name>[^\s/-]+-[^\s-]+)\S*\.whl"
    r"(?: \((?P<number>[\d.]+) (?P<unit>\w+)\)| \(from.*\))?$"
)
PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
UNITS = {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}


def short(lines: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """(text, whether it is worth a line of its own) for pip's lines as they come."""
    name = ""
    for line in lines:
        if match := PROGRESS.match(line):
            done, total = (int(part) / 1e6 for part in match.groups())
            if total:
                yield f"{name}: {done:.0f} of {total:.0f} MB", False
        elif match := DOWNLOAD.match(line):
            name, number, unit = match.group("name", "number", "unit")
            # a file that lies on this machine has no size
            size = float(number) * UNITS.get(unit, 0) if number else 0
            big = size >= WORTH_A_LINE or name.startswith("torch-")
            yield (name if number is None else f"{name} ({number} {unit})"), big
        elif line.startswith("Installing collected packages:"):
            yield f"unpacking {line.count(',') + 1} packages", True


def show(lines: Iterable[str], out: TextIO | None = None) -> None:
    """Prints `short(lines)`, on a terminal in one line that changes."""
    out = out or sys.stdout
    terminal = out.isatty()
    for text, own_line in short(lines):
        if terminal:
            print(f"\r\x1b[K  {text[:76]}", end="\n" if own_line else "", file=out, flush=True)
        elif own_line:
            print(f"  {text}", file=out, flush=True)
    if terminal:
        print("\r\x1b[K", end="", file=out, flush=True)


FAILURES = (
    (
        r"No space left on device|Errno 28|not enough space on the disk",
        "the disk is full; make room (torch for an NVIDIA card needs about 10 GB) and start again",
    ),
    (
        r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|"
        r"Connection (?:aborted|reset|refused)|Temporary failure in name resolution",
        "packages could not be downloaded; check the connection to the internet and start again: "
        "what is there already is kept",
    ),
    (
        r"THESE PACKAGES DO NOT MATCH THE HASHES",
        "a downloaded package is not the one that was locked; nothing of it was installed. "
        "Start again, without a package mirror if you use one",
    ),
    (
        r"No matching distribution found for (?P<package>\S+)",
        "there is no {package} for this system and this Python; "
        "Darkroom runs on 64-bit Linux and Windows and on macOS with Apple's own processors",
    ),
    (
        r"Permission denied|Errno 13|Access is denied",
        "a file of the environment could not be written; stop what uses .venv and start again",
    ),
)


def failure(output: str, log: str) -> str:
    """One sentence for the end of a failed run of pip."""
    for pattern, sentence in FAILURES:
        if match := re.search(pattern, output):
            return sentence.format(**match.groupdict())
    errors = re.findall(r"^ERROR: (.+)$", output, flags=re.MULTILINE)
    return f"pip failed: {errors[-1] if errors else 'it did not say why'} (all it said: {log})"
