"""What would be fetched: asked for before anything is, and once more when it is to begin.

A few small requests: the hub's list of a repository's files, and the first half megabyte of the
file that was chosen, whose header says what it is. Nothing is written.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from webui.downloads.choices import INDEX, Choice, Refused, Wanted, choices, single
from webui.downloads.hub import HubFile, Licence, Repository, check_status, file_address, repository
from webui.downloads.kinds import KINDS, folder_of, guess
from webui.downloads.names import kind_problem_of, problem_of, suffix_problem_of
from webui.downloads.remote import beginning
from webui.downloads.sockets import WebError
from webui.downloads.sources import AddressSource, HubSource, source_of
from webui.downloads.web import Web
from webui.errors import InvalidRequest
from webui.fields import shown
from webui.guard.strict_json import NotStrictError, parse
from webui.library.folder import PIPELINES
from webui.safetensors_header import HeaderError
from webui.weight_files import SUFFIX

RESERVE = 512 * 2**20  # bytes that are left free
_UNSAID = Licence()
_MOST_INDEX = 2**20  # bytes
_HEX = set("0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks for; "" is left to us."""

    source: str
    revision: str = ""
    commit: str = ""  # that an earlier look was at: another one by now is refused
    choice: str = ""
    kind: str = ""
    name: str = ""
    sha256: str = ""  # of a file that is not the hub's


@dataclass(frozen=True, slots=True)
class Item:
    """One file to fetch."""

    name: str  # for people
    address: str = field(repr=False)
    target: str  # relative to where it goes
    size: int  # bytes
    sha256: str = ""
    blob: str = ""  # git's hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    source: str  # for people: without what an address may keep secret
    id: str = ""  # on the hub
    revision: str = ""
    commit: str = ""
    page: str = ""
    licence: Licence = _UNSAID
    gated: bool = False
    choices: tuple[Choice, ...] = ()
    refused: tuple[Refused, ...] = ()
    choice: str = ""  # the chosen one's id
    kind: str = ""
    guess: str = ""  # what the header says it is
    folder: Path | None = None  # that it goes into
    target: str = ""  # its name there
    name: str = ""  # the same without the suffix
    whole_folder: bool = False  # in diffusers layout
    items: tuple[Item, ...] = ()
    free_bytes: int = 0
    warnings: tuple[str, ...] = ()  # that can be lived with
    problems: tuple[tuple[str, str], ...] = ()  # (field, why it cannot be fetched so)

    @property
    def size_bytes(self) -> int:
        return sum(each.size for each in self.items)


def look(web: Web, wish: Wish, models_dir: Path) -> Look:
    """Raises InvalidRequest for what cannot be understood, WebError."""
    if wish.kind and wish.kind not in KINDS:
        raise InvalidRequest("kind", f"must be one of {', '.join(KINDS)}, got {shown(wish.kind)}")
    sha256 = wish.sha256.strip().casefold()
    if sha256 and (len(sha256) != 64 or not set(sha256) <= _HEX):
        raise InvalidRequest("sha256", "must be 64 digits of 0 to 9 and a to f")
    source = source_of(wish.source, web.access, wish.revision)
    if isinstance(source, HubSource):
        found = _of_hub(web, source, wish)
    else:
        found = _of_address(web, source, sha256)
    return _placed(found, wish, models_dir) if found.choice else found


def _of_hub(web: Web, source: HubSource, wish: Wish) -> Look:
    held = repository(web, source)
    if wish.commit and wish.commit != held.commit:
        raise InvalidRequest("commit", f"{source.id} has changed since; look at it again")
    there, refused = choices(held)
    seen = Look(
        source=source.id, id=source.id, revision=source.revision, commit=held.commit,
        page=held.page, licence=held.licence, gated=held.gated,
        choices=tuple(there), refused=tuple(refused),
    )  # fmt: skip
    chosen = _chosen(held, there, wish.choice or source.choice)
    if chosen is None:
        return replace(seen, problems=(("choice", _nothing(there, refused)),))
    seen = replace(
        seen, choice=chosen.id, name=chosen.name, whole_folder=chosen.folder,
        items=tuple(_item(web, held, each) for each in chosen.files),
    )  # fmt: skip
    if chosen.problem is not None:
        return replace(seen, problems=(("choice", chosen.problem),))
    return _with_index(web, held, chosen, seen) if chosen.folder else _with_header(web, seen)


def _chosen(held: Repository, there: Sequence[Choice], wanted: str) -> Choice | None:
    """None if nothing is wanted and there is no telling. Raises InvalidRequest."""
    if not wanted:
        fit = [each for each in there if each.problem is None]
        return (fit or there)[0] if len(fit or there) == 1 else None
    found = next((each for each in there if each.id == wanted), None) or single(held, wanted)
    if found is None:
        reason = kind_problem_of(wanted) if not wanted.endswith(("/", ")")) else None
        known = ", ".join(each.id for each in there[:10]) or "nothing"
        raise InvalidRequest("choice", reason or f"is not there; {held.id} has {known}")
    return found


def _nothing(there: Sequence[Choice], refused: Sequence[Refused]) -> str:
    if there:
        return "must be chosen: there is more than one"
    if refused:
        return f"there is nothing to fetch; {refused[0].name}: {refused[0].reason}"
    return "there is no .safetensors file, and no folder in diffusers layout"


def _item(web: Web, held: Repository, wanted: Wanted) -> Item:
    file: HubFile = wanted.file
    address = file_address(web.access, held.id, held.commit, file.name)
    return Item(file.name, address, wanted.target, file.size, file.sha256, file.blob)


def _with_index(web: Web, held: Repository, chosen: Choice, seen: Look) -> Look:
    """A folder is a checkpoint; its index says of what kind."""
    index = next(each for each in seen.items if each.target == INDEX)
    with web.get(index.address) as answer:
        check_status(answer, web.access, held.id, seen.revision)
        body = answer.whole(_MOST_INDEX)
    try:
        said = parse(body)
    except NotStrictError as error:
        return replace(seen, problems=(("choice", f"{index.name} {error}"),))
    kind = said.get("_class_name") if isinstance(said, dict) else None
    warnings = () if kind in PIPELINES else (f"{index.name} says {shown(kind)}; such models "
                                             "cannot be used yet",)  # fmt: skip
    text = "a checkpoint in several files, as diffusers has them"
    return replace(seen, kind="checkpoint", guess=text, warnings=warnings)


def _with_header(web: Web, seen: Look) -> Look:
    """A file is what its header says."""
    item = seen.items[0]
    try:
        begun = beginning(web, item.address, seen.id, seen.revision)
    except HeaderError as error:
        return replace(seen, problems=(("choice", f"{item.name}: {error}"),))
    if begun.size != item.size:
        raise WebError(f"{item.name} has {begun.size} bytes, where the hub says {item.size}")
    what = guess(begun.header)
    warnings = (what.warning,) if what.warning else ()
    return replace(seen, kind=what.kind or "", guess=what.text, warnings=warnings)


def _of_address(web: Web, source: AddressSource, sha256: str) -> Look:
    seen = Look(source=source.shown, choice=source.shown)
    if why := suffix_problem_of(source.address.partition("?")[0]):
        raise InvalidRequest("source", why)
    try:
        begun = beginning(web, source.address)
    except HeaderError as error:
        return replace(seen, choice="", problems=(("source", str(error)),))
    if why := suffix_problem_of(begun.name):
        return replace(seen, choice="", problems=(("source", f"{shown(begun.name)}: {why}"),))
    name = begun.name.removesuffix(SUFFIX)
    item = Item(begun.name, source.address, name + SUFFIX, begun.size, sha256)
    what = guess(begun.header)
    warnings = [what.warning] if what.warning else []
    if not sha256:
        warnings.append("nobody has said its sha256, so only its length and form can be checked")
    return replace(
        seen, name=name, items=(item,), kind=what.kind or "", guess=what.text,
        warnings=tuple(warnings),
    )  # fmt: skip


def _placed(seen: Look, wish: Wish, models_dir: Path) -> Look:
    """With the folder, the name in it, and whether there is room."""
    problems, warnings = list(seen.problems), list(seen.warnings)
    if wish.kind and wish.kind != seen.kind:
        if seen.whole_folder:
            problems.append(("kind", "a folder in diffusers layout can only be a checkpoint"))
        elif seen.guess:
            label = KINDS[wish.kind].label
            warnings.append(f"its header says {seen.guess}; you chose {label}")
    kind = wish.kind or seen.kind
    if not kind:
        problems.append(("kind", f"must be chosen: {'; '.join(warnings) or 'it is not known'}"))
        return replace(seen, problems=tuple(problems))
    folder = folder_of(models_dir, kind)
    name = wish.name.strip().removesuffix(SUFFIX) or seen.name
    target = name if seen.whole_folder else name + SUFFIX
    problem = "it is a path" if "/" in name else problem_of(target)
    if problem is not None:
        problems.append(("name", f"{shown(name)} cannot be: {problem}; choose another"))
    elif _is_taken(folder, target):
        problems.append(("name", f"{target} is in {folder.name}/ already; choose another name"))
    free = free_bytes(folder)
    if free < seen.size_bytes + RESERVE:
        short = seen.size_bytes + RESERVE - free
        problems.append(("source", f"the disk of {folder} has {short} bytes too few free"))
    items = seen.items if seen.whole_folder else (replace(seen.items[0], target=target),)
    return replace(
        seen, kind=kind, folder=folder, name=name, target=target, free_bytes=free,
        warnings=tuple(warnings), problems=tuple(problems), items=items,
    )  # fmt: skip


def _is_taken(folder: Path, target: str) -> bool:
    """Also by what a disk that knows no capitals takes for the same."""
    try:
        return target.casefold() in {each.name.casefold() for each in folder.iterdir()}
    except FileNotFoundError:
        return False


def free_bytes(folder: Path) -> int:
    """Of the disk that the folder is on, or will be."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(there).free
