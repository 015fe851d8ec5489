"""Pieces of the engine's own source, with all that they need: what a script inlines.

The engine is never imported here, which would bring torch: its files are read as text, and what a
script shows is what the engine runs.
"""

import ast
import builtins
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import webui

_ROOT = Path(webui.__file__).parent
# what the engine takes from elsewhere in the program, in the few words that a script needs
_STAND_INS: Mapping[str, str] = {
    "Pace": 'Pace = namedtuple("Pace", "sigma steps ahead", defaults=(0.0,))',
    "Step": 'Step = namedtuple("Step", "x denoised memory pace", defaults=(None, None))',
    "InvalidRequest": "InvalidRequest = ValueError",
    "NotFinite": "NotFinite = ArithmeticError",
}
_TUPLES = "from collections import namedtuple"

Place = tuple[str, str]  # module, name


@dataclass(frozen=True, slots=True)
class Piece:
    """A definition at the top of a module."""

    text: str
    needs: frozenset[str]  # names that are used when it runs; annotations are not


@dataclass(frozen=True, slots=True)
class Module:
    pieces: Mapping[str, Piece]
    ours: Mapping[str, Place]  # what it imports of the program
    others: Mapping[str, str]  # and of others: the name -> the line


@dataclass(frozen=True, slots=True)
class Inlined:
    """Text for a script whose first line is `from __future__ import annotations`."""

    imports: frozenset[str]
    text: str
    names: Mapping[Place, str]  # what each of those that were wanted is called in it


class _Collected:
    def __init__(self) -> None:
        self.imports: set[str] = set()
        self.texts: dict[str, None] = {}  # in their order, each once
        self.known: dict[str, Place] = {}

    def add(self, place: Place, *, wanted: bool) -> str:
        """The name that it gets. Raises LookupError for two that others need by one name."""
        name, module = place[1], _module(place[0])
        if name in _STAND_INS:
            self.texts[_STAND_INS[name]] = None
            if "namedtuple" in _STAND_INS[name]:
                self.imports.add(_TUPLES)
            return name
        called = name
        if (there := self.known.get(name)) is not None:
            if there == place:
                return name
            if not wanted:
                raise LookupError(f"{name} is both in {there[0]} and in {place[0]}")
            called = f"{name}_sampler"
        self.known[called] = place
        piece = module.pieces[name]
        for needed in sorted(piece.needs - {name}):
            if needed in module.ours:
                self.add(module.ours[needed], wanted=False)
            elif needed in module.pieces:
                self.add((place[0], needed), wanted=False)
            elif needed in module.others:
                self.imports.add(module.others[needed])
        text = piece.text if called == name else re.sub(rf"\b{name}\b", called, piece.text)
        self.texts[text] = None
        return called


def inlined(*wanted: Place) -> Inlined:
    """The definitions, each after those that it needs. Raises LookupError for one that is not."""
    collected = _Collected()
    names = {place: collected.add(place, wanted=True) for place in wanted}
    return Inlined(frozenset(collected.imports), "\n\n\n".join(collected.texts), names)


def table(module: str, name: str) -> Mapping[str, ast.expr]:
    """A module's table with texts for keys: the expression of each entry."""
    for node in _tree(module).body:
        if isinstance(node, ast.AnnAssign) and _named(node.target) == name:
            assert isinstance(node.value, ast.Dict)
            keys = [ast.literal_eval(key) for key in node.value.keys if key is not None]
            return dict(zip(keys, node.value.values, strict=True))
    raise LookupError(f"{module} has no table {name}")


def place_of(module: str, name: str) -> Place:
    """Where the definition is that `name` means in a module."""
    return _module(module).ours.get(name, (module, name))


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_text(module))


@cache
def _text(module: str) -> str:
    path = _ROOT.joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.read_text("utf-8")


@cache
def _module(name: str) -> Module:
    pieces, ours, others = dict[str, Piece](), dict[str, Place](), dict[str, str]()
    for node in _tree(name).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("webui"):
            for alias in node.names:
                ours[alias.asname or alias.name] = (node.module or "", alias.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                others[alias.asname or alias.name] = _import(node, alias)
        else:
            for defined in _defined(node):
                pieces[defined] = Piece(_segment(name, node), frozenset(_needs(node)))
    return Module(pieces, ours, others)


def _import(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    line = f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else "")
    return line if isinstance(node, ast.Import) else f"from {node.module} {line}"


def _defined(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            for target in targets:
                yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name


def _named(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _segment(module: str, node: ast.stmt) -> str:
    """Its text, decorators too."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    return "\n".join(_text(module).splitlines()[first - 1 : node.end_lineno])


def _needs(node: ast.AST) -> set[str]:
    """Names that are looked up when it runs, or when it is defined."""
    names = set()
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, ast.Name):
                names.add(each.id)
            elif isinstance(each, ast.AST):
                names |= _needs(each)
    return names - set(dir(builtins))
