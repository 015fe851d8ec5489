"""What an extension imports of `webui` that is not public: read from its text, nothing is run."""

import ast
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import webui
from webui.extensions.packages import PACKAGES

_MOST = 2**20  # bytes of a file
_MOST_COMPLAINTS, _MOST_SAID = 20, 200  # sentences, and characters of one
_TESTING = ["testing"]


def complaints(folder: Path) -> list[str]:
    """One sentence for each import of what is not public, and each file that is no Python."""
    said = (each[:_MOST_SAID] for path in _files(folder) for each in _of_file(path, folder))
    return list(islice(said, _MOST_COMPLAINTS))


def _files(folder: Path) -> list[Path]:
    found = sorted(each for each in folder.rglob("*.py") if each.is_file())
    return [each for each in found if PACKAGES not in each.relative_to(folder).parts]


def _of_file(path: Path, folder: Path) -> Iterator[str]:
    name = path.relative_to(folder).as_posix()
    try:
        if path.stat().st_size > _MOST:
            yield f"{name}: has more than {_MOST} bytes"
            return
        tree = ast.parse(path.read_text(encoding="utf-8"))  # whatever else it says of itself
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        yield f"{name}: cannot be read: {error}"
        return
    for node in ast.walk(tree):
        for imported in _imported(node):
            if not _is_public(imported):
                line = getattr(node, "lineno", 0)
                yield f"{name}, line {line}: {'.'.join(imported)} is not public and may change"


def _imported(node: ast.AST) -> Iterator[Sequence[str]]:
    """The names that it imports, part by part."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name.split(".")
    elif isinstance(node, ast.ImportFrom) and node.level == 0:
        for alias in node.names:
            yield [*(node.module or "").split("."), alias.name]


def _is_public(name: Sequence[str]) -> bool:
    if name[0] != "webui":
        return True
    if name[1:2] == _TESTING:  # its own list is not asked: it loads half of the program
        return True
    return len(name) == 1 or (len(name) == 2 and name[1] in webui.__all__)
