"""Where an extension comes from: one text, read strictly before anything is touched.

    https://host/owner/name        a git repository
    ssh://git@host/owner/name      and
    file:///home/me/name           where --extension-sources has them
    /home/me/name                  a folder, copied as it is

What git or ssh could take for an option, a command or another way is none of these.
"""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from webui.errors import InvalidRequest

Kind = Literal["https", "ssh", "file", "folder"]
_MOST = 500  # characters
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_PATH = re.compile(r"(/[A-Za-z0-9_~+@][A-Za-z0-9._~+@-]*)+", re.ASCII)
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_ENDS = (".", "/", ".lock")


@dataclass(frozen=True, slots=True)
class Source:
    kind: Kind
    address: str  # that git is given, or the folder
    revision: str = ""  # a branch, a tag or a whole commit; "": what the repository shows first

    @property
    def is_pinned(self) -> bool:
        """Always the same files."""
        return COMMIT.fullmatch(self.revision) is not None

    @property
    def host(self) -> tuple[str, int] | None:
        """That an https address leads to."""
        parts = urlsplit(self.address) if self.kind == "https" else None
        return (parts.hostname or "", parts.port or 443) if parts else None


def read(text: str, revision: str, allowed: Collection[str]) -> Source:
    """Raises InvalidRequest, naming the field and what would work."""
    kind, address = _read(text.strip())
    if kind not in allowed:
        more = ",".join((*allowed, kind))
        raise InvalidRequest(
            "source",
            f"this server takes {_listed(allowed)} alone; to take this, start it with "
            f"--extension-sources {more}",
        )
    revision = revision.strip()
    if revision and kind == "folder":
        raise InvalidRequest("revision", "a folder has none; leave it empty")
    if revision:
        _check_revision(revision)
    return Source(kind, address, revision)


def _read(text: str) -> tuple[Kind, str]:
    if not text or len(text) > _MOST or not text.isprintable() or '"' in text:
        raise InvalidRequest("source", f"must be 1 to {_MOST} printable characters, {_examples()}")
    if os.path.isabs(text):
        return "folder", _folder(text)
    if not text.isascii() or any(each in text for each in " \\%?#"):
        raise _strange(text)
    scheme, _, rest = text.partition("://")
    if scheme in ("https", "ssh"):
        return ("https" if scheme == "https" else "ssh"), _address(text.rstrip("/"))
    if scheme == "file" and os.path.isabs(rest):
        return "file", "file://" + _folder(rest)
    if scheme in ("http", "git", "ftp"):
        raise InvalidRequest(
            "source", f"{scheme}:// can be changed on its way; take https://, {_examples()}"
        )
    if re.fullmatch(r"[\w.-]+@[\w.-]+:[\w./~-]+", text):
        raise InvalidRequest("source", "by ssh it is written ssh://git@host/owner/name")
    raise _strange(text)


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _strange(text) from None
    user, at, _ = parts.netloc.rpartition("@")
    if at and (parts.scheme == "https" or not _USER.fullmatch(user)):
        raise InvalidRequest("source", "must not have a name and a password in it")
    host = parts.hostname or ""
    if not _HOST.fullmatch(host) or port == 0 or not _PATH.fullmatch(parts.path):
        raise _strange(text)
    return text


def _folder(text: str) -> str:
    parts = text.replace("\\", "/").split("/")
    if ".." in parts or text.startswith(("//", "\\\\")):
        raise InvalidRequest("source", f"must be a folder of this computer, {_examples()}")
    return os.path.normpath(text)


def _check_revision(text: str) -> None:
    plain = _REVISION.fullmatch(text) and not text.endswith(_ENDS)
    if not plain or ".." in text or "//" in text or "/." in text or ".lock/" in text:
        raise InvalidRequest(
            "revision", f"must be a branch, a tag or a whole commit, got {text[:80]!r}; try main"
        )
    if re.fullmatch(r"[0-9a-f]{7,63}", text) and not COMMIT.fullmatch(text):
        raise InvalidRequest("revision", "a commit is given whole, with all 40 digits")


def _strange(text: str) -> InvalidRequest:
    return InvalidRequest("source", f"{text[:80]!r} is no address to install from; {_examples()}")


def _examples() -> str:
    return "such as https://github.com/owner/name or /home/me/name"


def _listed(allowed: Collection[str]) -> str:
    words = {"https": "https addresses", "ssh": "ssh addresses", "file": "file addresses"}
    return " and ".join(words.get(each, "folders") for each in allowed) or "nothing"
