"""All forms of one request, each with what it leaves unsaid."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from webui.copies.asked import Asked
from webui.copies.by_command import command, unsaid
from webui.copies.by_curl import curl
from webui.copies.by_diffusers import script
from webui.copies.by_python import client
from webui.errors import InvalidRequest
from webui.services import Services
from webui.setting_values import is_of_this_computer


@dataclass(frozen=True, slots=True)
class Copy:
    kind: str  # "curl", "python", "command", "diffusers"
    label: str
    language: str  # "sh" or "python"
    text: str  # empty where there is nothing to say
    notes: tuple[str, ...] = ()


Copies = Sequence[Copy]


def copies(services: Services, asked: Asked, address: str) -> Copies:
    """`address`: of this server, as its caller knows it. Raises InvalidRequest for what is none."""
    address = _checked(address)
    accounts = (*services.settings.accounts, *services.settings.api_auth)
    login = accounts[0].name if accounts else None
    pictures = _pictures(asked, address)
    made = script(services, asked)
    near = is_of_this_computer(urlsplit(address).hostname or "")
    return (
        Copy("curl", "curl", "sh", curl(asked, address, login), pictures),
        Copy("python", "Python", "python", client(asked, address, login), pictures),
        Copy(
            "command",
            "Command line",
            "sh",
            command(asked, "" if near else address),
            (*_command_notes(asked, login), *pictures),
        ),
        Copy("diffusers", "diffusers", "python", made.text, made.unsaid),
    )


def _pictures(asked: Asked, address: str) -> tuple[str, ...]:
    request = asked.request
    parts = (request.init, request.init and request.init.mask, request.hires, request.upscale)
    found = [part.picture for part in parts if part is not None and part.picture]
    if not found:
        return ()
    where = ", ".join(f"{address}api/v1/inputs/{sha256}" for sha256 in found)
    return (f"Names pictures that this server has kept ({where}); elsewhere give the file's name.",)


def _command_notes(asked: Asked, login: str | None) -> tuple[str, ...]:
    notes = [f"{name} cannot be said on the command line." for name in unsaid(asked)]
    if login:
        notes.append(f"Set DARKROOM_LOGIN={login}:PASSWORD first.")
    return tuple(notes)


def _checked(address: str) -> str:
    try:
        parts = urlsplit(address)
        usable = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and address.isprintable()
        )
    except ValueError:
        usable = False
    if not usable or "@" in address or parts.query or parts.fragment:
        raise InvalidRequest("address", "must be this server's, like http://127.0.0.1:7860/")
    return address.rstrip("/") + "/"
