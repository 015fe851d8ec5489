"""Values as A1111's clients send them: "20" and 20.0 are 20, a picture is base64.

Raises InvalidRequest, naming the field, for what cannot be meant.
"""

import base64
import binascii
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from webui.errors import InvalidRequest
from webui.fields import shown

Values = Mapping[str, Any]

_WHOLE = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_DATA = re.compile(r"data:[^,;]{0,100}(;[^,;]{0,100}){0,5}?;base64,", re.ASCII | re.IGNORECASE)
_LONGEST_NUMBER = 40  # characters
_WORDS = {"true": True, "1": True, "false": False, "0": False}


def text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(name, f"must be text, got {shown(value)}")
    return value


def whole(name: str, value: object) -> int:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if not isinstance(value, int):
        raise InvalidRequest(name, f"must be a whole number, got {shown(value)}")
    return int(value)


def number(name: str, value: object) -> float:
    found: object = value
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER:
        try:
            found = float(value)
        except ValueError:
            found = None
    if isinstance(found, int) and abs(found) < 2**63:
        found = float(found)
    if not isinstance(found, float) or not math.isfinite(found):
        raise InvalidRequest(name, f"must be a number, got {shown(value)}")
    return found


def flag(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower() if isinstance(value, int | str) else ""
    if word not in _WORDS:
        raise InvalidRequest(name, f"must be true or false, got {shown(value)}")
    return _WORDS[word]


def switch(values: Values, name: str, default: bool) -> bool:
    """A flag of a body."""
    value = values.get(name)
    return default if value is None else flag(name, value)


def entry(name: str, value: object, choices: Sequence[str]) -> str:
    """One of `choices`, by its number from 0 or by its name in any capitals."""
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        for each in choices:
            if each.casefold() == value.casefold():
                return each
    else:
        index = whole(name, value)
        if 0 <= index < len(choices):
            return choices[index]
    known = ", ".join(f"{index} ({each})" for index, each in enumerate(choices))
    raise InvalidRequest(name, f"must be one of {known}; got {shown(value)}")


def json_object(name: str, value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidRequest(name, "must be a JSON object")
    return value


def json_list(name: str, value: object) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise InvalidRequest(name, f"must be a list, got {shown(value)}")
    return value


def picture(name: str, value: object) -> bytes:
    """A picture's file, from base64 with or without a data URI before it."""
    if not isinstance(value, str) or not value:
        raise InvalidRequest(name, f"must be a picture in base64, got {shown(value)}")
    if value[:8].lower().startswith(("http:", "https:", "file:", "ftp:")):
        raise InvalidRequest(
            name, "is an address; this server fetches nothing, send the picture in base64"
        )
    prefix = _DATA.match(value)
    coded = value[prefix.end() :] if prefix else value
    coded = "".join(coded.split())
    try:
        return base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(name, "is not base64 of a picture") from None
