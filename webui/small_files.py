"""Small files that anyone may have written, read with a limit."""

import json
from pathlib import Path
from typing import Any


class SmallFileError(ValueError):
    """Its text goes on after the file's name: "is missing"."""


def bounded(path: Path, most: int) -> bytes:
    """All of a file of `most` bytes at the most. Raises SmallFileError, OSError."""
    if not path.is_file():
        raise SmallFileError("is missing")
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise SmallFileError(f"is larger than {most} bytes")
    return data


def json_object(path: Path, most: int) -> dict[str, Any]:
    """Raises SmallFileError for what is none or larger than `most` bytes, OSError."""
    data = bounded(path, most)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise SmallFileError("is not valid JSON") from None
    if not isinstance(value, dict):
        raise SmallFileError("is not a JSON object")
    return value
