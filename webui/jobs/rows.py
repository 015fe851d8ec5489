"""Rows of the job store as values, and back. Knows no SQL beyond the columns' names."""

import json
from collections.abc import Iterable
from typing import Any

from webui.errors import Failure, InvalidRequest
from webui.events import Saved
from webui.jobs import speed
from webui.jobs.job import Job
from webui.request import GenerationRequest, from_dict, from_json, to_json

COLUMNS = (
    "id, owner, request, state, created, started, finished, attempts, error, crashes, skipped, "
    "retry_of, dropped"
)


def job(row: Any, pictures: Iterable[str]) -> Job:
    """Raises InvalidRequest for one that a version with other fields has kept, or that is
    damaged."""
    try:
        return _job(row, pictures)
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InvalidRequest("request", f"cannot be read from the job store: {error}") from error


def work(request: GenerationRequest) -> tuple[str, int, int]:
    """What an estimate is made of: the key of its speed, steps of all batches, images."""
    return speed.key(request), speed.total_steps(request), request.images


def request_text(request: GenerationRequest) -> str:
    """Raises InvalidRequest."""
    try:
        text = to_json(request)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest("extras", "must hold plain JSON values") from error
    return text


def _job(row: Any, pictures: Iterable[str]) -> Job:
    values = dict(row)
    error = json.loads(values.pop("error") or "null")
    return Job(
        **values
        | {
            "request": from_json(row["request"]),
            "skipped": tuple(int(image) for image in json.loads(row["skipped"])),
            "dropped": bool(row["dropped"]),
        },
        error=Failure(**error) if error else None,
        pictures=tuple(_saved(each) for each in pictures),
    )


def _saved(text: str) -> Saved:
    values = json.loads(text)
    del values["type"]
    return Saved(**values | {"request": from_dict(values["request"])})
