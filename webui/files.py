"""A file as lists of what lies on disk have it: its name made printable, and whether it changed.
And which letters no name or line of text from outside may have.

Opens none.
"""

import unicodedata
from pathlib import Path

_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")  # Unicode's categories


def invisible(text: str) -> str:
    """The first character that cannot be seen, or changes how others are, as "U+202E"; "" without:
    line breaks, turns of direction, halves of characters, what Unicode has not assigned."""
    found = (each for each in text if unicodedata.category(each) in _INVISIBLE)
    return next((f"U+{ord(each):04X}" for each in found), "")


def printable(name: str) -> str:
    """Unlike any other name's: backslashes and what is not printable are escaped."""
    return "".join(
        each
        if each.isprintable() and each != "\\"
        else each.encode("unicode_escape", "surrogatepass").decode("ascii")
        for each in name
    )


def stamp(path: Path) -> tuple[int, int]:
    """(time of the last change in ns, bytes); (0, 0) where there is nothing to ask."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)
