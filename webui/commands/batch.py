"""`batch`: many requests, one in each line; all are checked before the first is begun."""

import hashlib
import json
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webui.client import Client, Job, JobFailed, sending
from webui.client.sending import PLACES, SHA256
from webui.commands.generate import follow
from webui.commands.options import Asked
from webui.commands.progress import Progress
from webui.commands.saving import saved
from webui.commands.serving import Reached
from webui.errors import DarkroomError, InvalidRequest, NotSaved

_AHEAD = 8  # jobs in the line at once, so that others come in between
_MOST = 64 * 2**20  # bytes of a file of requests


@dataclass(frozen=True, slots=True)
class Line:
    number: int  # from 1
    request: dict[str, Any]
    id: str  # of its job: the same line has the same, so that it is made once


class BadLines(DarkroomError):
    """Lines that cannot be; each with its number."""


def read(file: str, again: str = "") -> list[Line]:
    """The requests in a file; "-" is stdin. `again` makes other jobs of the same lines.

    Raises BadLines, InvalidRequest for a file that cannot be read.
    """
    lines, wrong, seen = [], list[str](), dict[str, int]()
    for number, text in enumerate(_text(file).split("\n"), 1):  # JSON may hold other separators
        if not text.strip():
            continue
        try:
            request = _request(text)
        except InvalidRequest as error:
            wrong.append(f"{file}:{number}: {error}")
            continue
        said = json.dumps(request, sort_keys=True)
        seen[said] = seen.get(said, -1) + 1  # equal lines are jobs of their own
        key = f"{again}\n{seen[said]}\n{said}{_pictures(request)}"
        key = hashlib.sha256(key.encode("utf-8", "backslashreplace")).hexdigest()[:40]
        lines.append(Line(number, request, f"batch-{key}"))
    if wrong:
        raise BadLines("\n".join(wrong))
    if not lines:
        raise InvalidRequest("FILE", f"{file} holds no requests")
    return lines


def batch(asked: Asked, lines: Sequence[Line], reached: Reached, progress: Progress) -> int:
    """Makes all of them, a line of JSON for each on stdout; returns how many came to nothing.

    Raises BadLines, before anything is begun, for what the server would refuse.
    """
    _check(asked.file, lines, reached.client, progress)
    waiting: deque[tuple[Line, Job]] = deque()
    rest, failed, done = iter(lines), 0, 0
    try:
        while True:
            for line in rest:
                waiting.append((line, _begun(reached.client, line)))
                if len(waiting) == _AHEAD:
                    break
            if not waiting:
                return failed
            line, job = waiting[0]
            done += 1
            shown = Progress(sys.stderr, quiet=asked.quiet, name=f"{done}/{len(lines)}")
            result = _made(line, job, asked.out, shown)
            waiting.popleft()
            failed += "error" in result
            sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        for _, job in waiting:
            if not job.ended:
                job.cancel()
        raise


def _text(file: str) -> str:
    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as source:
            data = source.read(_MOST + 1)
        if len(data) > _MOST:
            raise InvalidRequest("FILE", f"{file} has more than {_MOST} bytes")
        return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise InvalidRequest("FILE", f"{file} cannot be read: {why}") from error


def _request(text: str) -> dict[str, Any]:
    """Raises InvalidRequest."""
    try:
        request = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("line", f"is no JSON: {error}") from None
    if not isinstance(request, dict):
        raise InvalidRequest("line", 'must be a request like {"prompt": "a red fox"}')
    return request


def _pictures(request: dict[str, Any]) -> str:
    """What is in its files now: the same line with another picture is another job."""
    found = []
    for place in PLACES:
        part: Any = request
        for name in place:
            part = part.get(name) if isinstance(part, dict) else None
        if isinstance(part, str) and not SHA256.fullmatch(part):
            with suppress(InvalidRequest):  # the check names it
                found.append(f"\n{hashlib.sha256(sending.read(part)).hexdigest()}")
    return "".join(found)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _check(file: str, lines: Sequence[Line], client: Client, progress: Progress) -> None:
    """Sends the pictures too. Raises BadLines."""
    wrong = []
    for count, line in enumerate(lines, 1):
        progress.show(f"checking {count}/{len(lines)}")
        try:
            client.complete(line.request)
        except InvalidRequest as error:
            wrong.append(f"{file}:{line.number}: {error}")
    progress.clear()
    if wrong:
        raise BadLines("\n".join(wrong))


def _begun(client: Client, line: Line) -> Job:
    """Its job: a new one, or that of an earlier run, tried again unless it is done."""
    job, tries = client.submit(line.request, id=line.id), 1
    while job.ended and job.state not in ("done", "interrupted"):
        tries += 1
        job = job.retry(id=f"{line.id}-{tries}")  # one that was made before, or a new one
    return job.resume() if job.state == "interrupted" else job


def _made(line: Line, job: Job, out: Path | None, progress: Progress) -> dict[str, Any]:
    """What became of it, as a line of JSON says."""
    result: dict[str, Any] = {"line": line.number, "id": job.id}
    try:
        follow(job, progress)
        if out is None:
            places = [picture.path for picture in job.pictures]
        else:
            places = [str(path) for path in saved(job, out, f"{line.number:04}")]
        result |= {"state": job.state, "pictures": places}
        if job.state != "done":
            result["error"] = f"the job was {job.state}"
    except (JobFailed, NotSaved) as error:
        progress.say(str(error))
        result |= {"state": job.state, "error": str(error)}
    return result
