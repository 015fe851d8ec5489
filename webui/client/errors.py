"""What goes wrong between a program and its server.

What the server itself says is raised as the error that it was there: `webui.errors.InvalidRequest`
with its field, `JobNotFound`, `WrongState`, `LineFull` ... All of them are `DarkroomError`s.
"""

from typing import Any

from webui.errors import DarkroomError, Failure, error_of

_OURS = ("InvalidRequest", "EngineFailed")
_LONGEST = 500  # characters of an answer that is no JSON


class ServerUnreachable(DarkroomError):
    """Nothing answers at the address, or what answered has gone."""


class Refused(DarkroomError):
    """An answer without a kind of its own: nothing at that address, too large, later."""

    def __init__(self, status: int, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.status = status  # of HTTP
        self.retry_after = retry_after  # seconds, where the server says when to ask again


class NotAllowed(Refused):
    """The server wants another login, or none that was given will do."""


class JobFailed(DarkroomError):
    """A job ended without what was asked; `job` has what there is of it."""

    def __init__(self, job: Any, failure: Failure) -> None:
        said = f"{failure.field}: {failure.text}" if failure.field else failure.text
        super().__init__(f"job {job.id} is {job.state}: {said}")
        self.job = job
        self.failure = failure


def of_answer(status: int, body: Any, retry_after: str | None) -> DarkroomError:
    """The error of an answer that is none of success; `body` is what its JSON held, or its text."""
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    said = body.get("error") if isinstance(body, dict) else None
    if not isinstance(said, dict):
        text = str(body.get("detail", "") if isinstance(body, dict) else body).strip()[:_LONGEST]
        return _refused(status, text or f"the server answered {status}", seconds)
    failure = Failure(str(said.get("kind")), str(said.get("text")), said.get("field"))
    error = error_of(failure)
    if failure.kind in _OURS or type(error).__name__ == failure.kind:
        return error
    return _refused(status, failure.text, seconds)


def _refused(status: int, text: str, retry_after: float | None) -> Refused:
    kind = NotAllowed if status in (401, 403) else Refused
    return kind(status, text, retry_after)
