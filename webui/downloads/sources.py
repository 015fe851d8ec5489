"""What people type to say what they want: a name on the hub, a page of it, an address of a file.

    owner/name      owner/name@revision
    https://huggingface.co/owner/name[/tree/REVISION[/FOLDER]]
    https://huggingface.co/owner/name/blob/REVISION/FILE       and /resolve/, /raw/
    https://anywhere.else/a.safetensors

Asks nobody.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from webui.downloads.web import Access, check_address, origin
from webui.errors import InvalidRequest

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_REPOSITORY = re.compile(f"(?P<id>{_PART}/{_PART})(?:@(?P<revision>.+))?", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}", re.ASCII)
_PLACES = ("tree", "blob", "resolve", "raw")
_SITES = ("https://huggingface.co", "https://www.huggingface.co", "https://hf.co")
_LONGEST = 4096
DEFAULT_REVISION = "main"


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository of models on the hub."""

    id: str  # owner/name
    revision: str = DEFAULT_REVISION  # a branch, a tag or a commit
    choice: str = ""  # a file of it, or a folder with a slash at its end, if the address says so


@dataclass(frozen=True, slots=True)
class AddressSource:
    """One file anywhere. Its address may hold what opens a private file, so it is never shown."""

    address: str

    @property
    def shown(self) -> str:
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}{parts.path}" + ("?…" if parts.query else "")


Source = HubSource | AddressSource


def source_of(text: str, access: Access, revision: str = "") -> Source:
    """`revision` goes before what the text says. Raises InvalidRequest."""
    text = text.strip()
    if not text or len(text) > _LONGEST:
        raise InvalidRequest("source", "must be owner/name of a model on the hub, or an address")
    if "://" in text:
        return _of_address(text, access, revision)
    if not (found := _REPOSITORY.fullmatch(text.strip("/"))):
        raise InvalidRequest(
            "source",
            "must be like stabilityai/sdxl-vae (owner/name on the hub), or the https address of "
            "a .safetensors file",
        )
    return _hub(found["id"], revision or found["revision"] or DEFAULT_REVISION)


def _of_address(text: str, access: Access, revision: str) -> Source:
    try:
        check_address(text, access)
    except ValueError as error:
        raise InvalidRequest("source", str(error)) from None
    if origin(text) not in (origin(access.hub), *_SITES):
        return AddressSource(text)
    # split before it is decoded: a slash of a revision is written as %2F
    parts = [unquote(each) for each in urlsplit(text).path.strip("/").split("/")]
    if parts[:2] == ["api", "models"]:
        parts = parts[2:]
    if parts[0] in ("datasets", "spaces"):
        raise InvalidRequest("source", f"is one of the hub's {parts[0]}; only models are fetched")
    if len(parts) < 2 or not _REPOSITORY.fullmatch("/".join(parts[:2])) or "@" in parts[1]:
        raise InvalidRequest("source", "is a page of the hub, but of no model: owner/name it is")
    place, rest = (parts[2], parts[3:]) if len(parts) > 3 else ("", [])
    if place not in _PLACES:
        return _hub("/".join(parts[:2]), revision or DEFAULT_REVISION)
    choice = "/".join(rest[1:]) + ("/" if place == "tree" and rest[1:] else "")
    return _hub("/".join(parts[:2]), revision or rest[0], choice)


def _hub(id: str, revision: str, choice: str = "") -> HubSource:
    if ".." in id or "--" in id:
        raise InvalidRequest("source", "is no name that the hub gives")
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise InvalidRequest("revision", "must be a branch, a tag or a commit, like main")
    return HubSource(id, revision, choice)
