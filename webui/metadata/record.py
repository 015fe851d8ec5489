"""Our own record: the exact request as JSON, which stands beside A1111's text and wins over it.

{"request": {...}, "version": "0.1.0", "model_hash": "6ce01616..."}

A picture that was made larger has its source's record too, as "source".
"""

import json
from dataclasses import dataclass, replace
from typing import Any

from webui.errors import InvalidRequest
from webui.guard.strict_json import NotStrictError, parse
from webui.request import GenerationRequest, from_dict, to_dict

NAME = "darkroom"  # of the chunk
MAX_LENGTH = 2**21  # characters; no request comes near it


@dataclass(frozen=True, slots=True)
class Record:
    request: GenerationRequest
    version: str  # of the Darkroom that wrote it
    model_hash: str  # sha256 of the weights, or ""
    source: "Record | None" = None  # of the picture that this one was made larger from


def record_text(
    request: GenerationRequest, model_hash: str, version: str, source: Record | None = None
) -> str:
    """ASCII."""
    return json.dumps(_written(Record(request, version, model_hash, source)), allow_nan=False)


def _written(record: Record) -> dict[str, Any]:
    source = {} if record.source is None else {"source": _written(record.source)}
    return {
        "request": to_dict(record.request),
        "version": record.version,
        "model_hash": record.model_hash,
        **source,
    }


def read_record(text: str) -> Record:
    """The inverse. Raises InvalidRequest, saying what is wrong with it, for anything else."""
    if len(text) > MAX_LENGTH:
        raise InvalidRequest(NAME, "is too long to be a request")
    try:
        values = parse(text.encode())
    except (NotStrictError, UnicodeEncodeError) as error:
        raise InvalidRequest(NAME, str(error)) from None
    if not isinstance(values, dict):
        raise InvalidRequest(NAME, "holds no request")
    made = _read(values)
    source = values.get("source")
    if made.request.upscale is None or not isinstance(source, dict):
        return made
    return replace(made, source=_read(source))


def _read(values: dict[str, Any]) -> Record:
    if "request" not in values:
        raise InvalidRequest(NAME, "holds no request")
    request = from_dict(values["request"])
    version, model_hash = values.get("version", ""), values.get("model_hash", "")
    return Record(
        request,
        version if isinstance(version, str) else "",
        model_hash if isinstance(model_hash, str) else "",
    )
