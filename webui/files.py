"""A file as lists of what lies on disk have it: its name made printable, and whether it changed.

Opens none.
"""

from pathlib import Path


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
