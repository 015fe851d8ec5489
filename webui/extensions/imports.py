"""What an extension imports of `webui` that is not public: read from its text, nothing is run."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import webui

_MOST = 2**20  # bytes of a file
_TESTING = ["testing"]


def complaints(folder: Path) -> list[str]:
    """One sentence for each import of what is not public, and each file that is no Python."""
    return [said for path in sorted(folder.rglob("*.py")) for said in _of_file(path, folder)]


def _of_file(path: Path, folder: Path) -> Iterator[str]:
    name = path.relative_to(folder).as_posix()
    try:
        if path.stat().st_size > _MOST:
            yield f"{name}: has more than {_MOST} bytes"
            return
        tree = ast.parse(path.read_bytes())
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
