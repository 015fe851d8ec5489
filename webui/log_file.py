"""The log file: one line for each event, escaped, at most 2 KB, without credentials.

Everything in `webui` writes to `logging.getLogger(__name__)`; nobody else knows where it goes.
"""

import logging
import re
from logging.handlers import RotatingFileHandler
from pathlib import Path

MAX_LINE = 2048  # bytes, with the line end
MAX_FILE = 5_000_000  # bytes
FILES = 3
SOURCES = ("webui", "uvicorn.error")

_SECRETS = (  # what they search in is short, and the time they take grows with it only
    # Authorization: Basic xxx · Cookie: a=b; c=d · password=xxx · "token": "xxx" · ?key=xxx
    (re.compile(r"(?i)\b(authorization|cookie|set-cookie)(['\"]?\s*[:=]\s*)[^\r\n]*"), r"\1\2***"),
    (
        re.compile(
            r"(?i)(password|passwd|secret|token|api[_-]?key)(['\"]?\s*[:=]\s*['\"]?)"
            r"[^\s'\",;&]+"
        ),
        r"\1\2***",
    ),
    (re.compile(r"\b(Basic|(?i:bearer))\s+[\w+/=.~-]{6,}"), r"\1 ***"),
    (re.compile(r"(://)[^/\s@]{1,256}@"), r"\1***@"),
    (re.compile(r"\bhf_\w{10,}"), "***"),
)


class OneLine(logging.Formatter):
    """time level source message, on one line; of a long one the start and the end are kept."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))


def one_line(text: str) -> str:
    """`text` without secrets, control characters and line ends, cut to what a line may have."""
    if len(text) > 4 * MAX_LINE:  # before any work that grows with it
        text = f"{text[: 2 * MAX_LINE]} [...] {text[-2 * MAX_LINE :]}"
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    text = "".join(each if each.isprintable() else _escaped(each) for each in text)
    data = text.encode()
    if len(data) >= MAX_LINE:
        half = MAX_LINE // 2 - 8
        cut = (data[:half], data[-half:])
        text = " [...] ".join(part.decode(errors="ignore") for part in cut)
    return text


def attach(path: Path) -> logging.Handler:
    """From here on everything is logged to `path`, until `detach`. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        path, maxBytes=MAX_FILE, backupCount=FILES - 1, encoding="utf-8", delay=False
    )
    handler.setFormatter(OneLine())
    for name in SOURCES:
        source = logging.getLogger(name)
        source.addHandler(handler)
        source.setLevel(logging.INFO)
    return handler


def detach(handler: logging.Handler) -> None:
    for name in SOURCES:
        logging.getLogger(name).removeHandler(handler)
    handler.close()


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
