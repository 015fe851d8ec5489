"""The hub's side of it: what a repository holds and allows, in its own protocol.

    GET /api/models/OWNER/NAME/revision/REVISION?blobs=true   files, sizes, hashes, licence, commit
    GET /OWNER/NAME/resolve/COMMIT/FILE                       the file, after a redirect or two

(huggingface.co/docs/hub/api; any server that speaks it will do.) Nothing that comes is believed:
it is read with limits, and every name of a file is checked before it is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from webui.downloads.sockets import WebError
from webui.downloads.sources import HubSource
from webui.downloads.web import Access, Answer, Web
from webui.files import printable
from webui.guard.strict_json import NotStrictError, parse

_MOST_INFO = 32 * 2**20  # bytes
_MOST_FILES = 20_000
_MOST_TEXT = 200
MOST_BYTES = 256 * 2**30  # of one file
_HEX = set("0123456789abcdef")
# as the hub abbreviates them; others are shown as they are
_LICENCES = {
    "openrail++": "CreativeML Open RAIL++-M",
    "creativeml-openrail-m": "CreativeML Open RAIL-M",
    "openrail": "OpenRAIL",
    "apache-2.0": "Apache 2.0",
    "mit": "MIT",
    "cc-by-nc-4.0": "Creative Commons BY-NC 4.0 (not for commerce)",
    "cc-by-4.0": "Creative Commons BY 4.0",
    "cc0-1.0": "Creative Commons Zero 1.0",
    "unknown": "",
    "other": "",
}


@dataclass(frozen=True, slots=True)
class HubFile:
    name: str  # as the hub has it, not to be trusted
    size: int  # bytes
    sha256: str = ""  # of what is kept as a large file
    blob: str = ""  # of the others: git's hash


@dataclass(frozen=True, slots=True)
class Licence:
    name: str = ""  # "": it does not say
    link: str = ""


@dataclass(frozen=True, slots=True)
class Repository:
    id: str
    commit: str  # the files are fetched as they were in it
    page: str  # for people
    licence: Licence
    gated: bool  # its terms have to be accepted on its page
    files: tuple[HubFile, ...]


def repository(web: Web, source: HubSource) -> Repository:
    """Raises WebError."""
    place = f"{source.id}/revision/{quote(source.revision, safe='')}"
    address = f"{web.access.hub}/api/models/{place}?blobs=true"
    with web.get(address, {"Accept": "application/json"}) as answer:
        check_status(answer, web.access, source.id, source.revision)
        body = answer.whole(_MOST_INFO)
    try:
        said = parse(body)
    except NotStrictError as error:
        raise WebError(f"what the hub says of {source.id} {error}") from None
    return _read(said, source, web.access)


def file_address(access: Access, id: str, commit: str, name: str) -> str:
    return f"{access.hub}/{id}/resolve/{commit}/{quote(name)}"


def check_status(answer: Answer, access: Access, id: str = "", revision: str = "") -> None:
    """Raises WebError for anything but 200 and 206, saying what would help. `id`: on the hub."""
    if answer.status in (200, 206):
        return
    code = answer.headers.get("x-error-code", "") or answer.first.get("x-error-code", "")
    if id and (code == "GatedRepo" or (answer.status == 403 and not code)):
        raise WebError(_gated(access, id))
    if id and code == "RevisionNotFound":
        raise WebError(f"{id} has no revision {revision!r}; main is what most have")
    if id and code in ("RepoNotFound", "") and answer.status in (401, 404):
        token = "" if access.token else ", or it is private, for which a token is needed"
        raise WebError(f"there is no model {id} on the hub{token}")
    raise WebError(_plainly(answer), again=answer.status in (408, 425, 429) or answer.status >= 500)


def _plainly(answer: Answer) -> str:
    said = {
        401: "asks who you are (401); the file is not for everybody",
        403: "does not allow it (403); the file is not for everybody",
        404: "has no such file (404)",
        410: "has the file no longer (410)",
        416: "does not send that part of it (416)",
        429: "asks to wait, because too much was asked of it (429)",
    }
    host = answer.address.split("/")[2]
    return f"{host} {said.get(answer.status, f'answered {answer.status}')}"


def _gated(access: Access, id: str) -> str:
    terms = f"{id} is only for those who accepted its terms: do so on {access.hub}/{id}"
    if access.token:
        return f"{terms} with the account whose token this server has"
    return f"{terms}, and start the server with a token of your account in DARKROOM_HUB_TOKEN"


def _read(said: Any, source: HubSource, access: Access) -> Repository:
    match said:
        case {"sha": str(commit), "siblings": list(files)}:
            pass
        case _:
            raise WebError(f"what the hub says of {source.id} is no list of files")
    if len(commit) != 40 or not set(commit) <= _HEX or len(files) > _MOST_FILES:
        raise WebError(f"what the hub says of {source.id} cannot be: no commit, or too many files")
    read = [_file(each) for each in files]
    return Repository(
        id=source.id,
        commit=commit,
        page=f"{access.hub}/{source.id}",
        licence=_licence(said, f"{access.hub}/{source.id}"),
        gated=bool(said.get("gated")),
        files=tuple(each for each in read if each is not None),
    )


def _file(said: Any) -> HubFile | None:
    """None for what has no name or no size."""
    if not isinstance(said, Mapping):
        return None
    name, size, large = said.get("rfilename"), said.get("size"), said.get("lfs")
    if isinstance(large, Mapping):
        size = large.get("size", size)
    if not isinstance(name, str) or type(size) is not int or not 0 <= size <= MOST_BYTES:
        return None
    sha256 = _hash(large.get("sha256"), 64) if isinstance(large, Mapping) else ""
    return HubFile(name, size, sha256, "" if large else _hash(said.get("blobId"), 40))


def _hash(said: object, length: int) -> str:
    found = said.lower() if isinstance(said, str) else ""
    return found if len(found) == length and set(found) <= _HEX else ""


def _licence(said: Mapping[str, Any], page: str) -> Licence:
    card = said.get("cardData")
    card = card if isinstance(card, Mapping) else {}
    tags = said.get("tags")
    tagged = [
        each.removeprefix("license:")
        for each in (tags if isinstance(tags, list) else ())
        if isinstance(each, str) and each.startswith("license:")
    ]
    short = _text(card.get("license")) or _text(tagged[0] if tagged else "")
    name = _text(card.get("license_name")) or _LICENCES.get(short, short)
    link = _text(card.get("license_link"))
    if link and not link.startswith("https://"):
        link = f"{page}/blob/main/{quote(link)}" if "://" not in link else ""
    return Licence(name, link or (page if name else ""))


def _text(said: object) -> str:
    if isinstance(said, list):
        said = said[0] if said else ""
    return printable(said.strip()[:_MOST_TEXT]) if isinstance(said, str) else ""
