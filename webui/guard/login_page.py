"""The login's own page: no script, nothing to load, light and dark as the system has it."""

import hashlib
from base64 import b64encode
from html import escape
from pathlib import Path

from webui.guard.asgi import Header

_HERE = Path(__file__).parent
_NOBODY = (
    "No name may log in here: this server was started for programs alone (--api-auth). "
    "Start it with --auth name:password to open the page."
)


def page(wanted: str, text: str, name: str, *, icon: str, open_to_people: bool) -> bytes:
    """`wanted`: what to go on to; `text`: what was wrong, or ""; `name`: typed before, or ""."""
    text = text if open_to_people else _NOBODY
    values = {
        "STYLE": _style(),
        "ICON": escape(icon),
        "NEXT": escape(wanted),
        "NAME": escape(name),
        "AT_NAME": "" if name else "autofocus",
        "AT_PASSWORD": "autofocus" if name else "",
        "TEXT": escape(text),
        "WRONG": "" if text else "hidden",
        "FORM": "" if open_to_people else "hidden",
    }
    parts = (_HERE / "login.html").read_text(encoding="utf-8").split("@@")
    return "".join(values[part] if i % 2 else part for i, part in enumerate(parts)).encode()


def headers() -> list[Header]:
    """Its own style and mark, a form to its own address, and nothing else."""
    digest = b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", policy.encode()),
    ]


def _style() -> str:
    return (_HERE / "login.css").read_text(encoding="utf-8")
