"""The wildcard files: a folder of text files, read whole; names are looked up, never made paths."""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dynamicprompts.wildcards import WildcardManager

from webui import InvalidRequest

MOST_FILES = 2000
MOST_BYTES = 2**24  # of all of them
_NAMED = re.compile(r"__([^_{}#$|\s][^{}#$|\s]*?)__")


@dataclass(frozen=True, slots=True)
class Wildcards:
    folder: Path
    known: WildcardManager

    def check(self, side: str, text: str) -> None:
        """Raises InvalidRequest where a name in the text, without wild signs, has no file."""
        for name in _NAMED.findall(text):
            if not len(self.known.get_values(name.partition("(")[0])):
                there = ", ".join(sorted(self.known.get_collection_names())[:20]) or "none yet"
                raise InvalidRequest(
                    side,
                    f"names the wildcard __{name[:60]}__, and {self.folder} has no "
                    f"{name[:60]}.txt; there are: {there}",
                )


def read(folder: Path) -> Wildcards:
    """Every line of a .txt file that is neither empty nor begins with #, by the file's name, with
    its folder before it: colours/warm."""
    found: dict[str, list[str]] = {}
    size = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix != ".txt" or path.is_symlink() or not path.is_file():
                continue
            with suppress(OSError):
                size += path.stat().st_size
                if size > MOST_BYTES or len(found) >= MOST_FILES:
                    raise InvalidRequest(
                        "prompt",
                        f"cannot be drawn: {folder} has more than {MOST_FILES} files or "
                        f"{MOST_BYTES // 2**20} MiB",
                    )
                text = path.read_text(encoding="utf-8", errors="replace")
                key = path.relative_to(folder).with_suffix("").as_posix()
                found[key] = [
                    line.strip()
                    for line in text.splitlines()
                    if line.strip() and not line.lstrip().startswith("#")
                ]
    return Wildcards(folder, WildcardManager(root_map={"": [dict(found)]}))
