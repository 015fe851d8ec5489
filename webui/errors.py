"""Every error raised on purpose; `str(error)` is shown to the user as it is.

DarkroomError             what went wrong, and what would work
├── InvalidRequest        the request can never run as written (names the field)
├── ModelNotFound         no model of that name under models/
├── ModelRefused          the model's files are there and cannot be used (names the file)
├── OutOfMemory           the device's memory did not suffice (names the stage)
├── NotFinite             NaN or Inf in a latent or picture (names the stage and step)
├── EngineDied            the engine process ended or fell silent in the middle of something
│   ├── EngineNotStarted  it ended before it could take anything: nothing that was asked did it
│   └── EngineRestarted   somebody asked for a new one
├── EngineBusy            the engine works on something else; later it could
├── EngineFailed          the engine raised something that nobody foresaw
├── JobNotFound           no job of that id
├── LineFull              too many jobs are waiting
├── WrongState            the job is past what was asked, or not there yet (names its state)
├── NotAllowed            this server is started so that nobody may do it (says how it would work)
├── DownloadFailed        nothing came from elsewhere, or not what was promised (names the host)
├── DownloadNotFound      no download of that id
├── InstallNotFound       no installation of an extension of that id
├── NotSaved              a picture or a job's state could not be written (names the place)
├── ExtensionError        an extension failed to load or broke in a hook (names it)
└── StartError            the server cannot start as asked (settings, port, data folder)

An error crosses the border between engine and server, and into the job store, as a `Failure`.
"""

from dataclasses import dataclass

_MAX_TEXT = 2000  # characters of a failure


class DarkroomError(Exception):
    """Base of all; never raised itself."""


class InvalidRequest(DarkroomError):
    """`str()` reads "field: problem"."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class ModelNotFound(DarkroomError):
    pass


class ModelRefused(DarkroomError):
    pass


class OutOfMemory(DarkroomError):
    pass


class NotFinite(DarkroomError):
    pass


class EngineDied(DarkroomError):
    pass


class EngineNotStarted(EngineDied):
    pass


class EngineRestarted(EngineDied):
    pass


class EngineBusy(DarkroomError):
    pass


class EngineFailed(DarkroomError):
    pass


class JobNotFound(DarkroomError):
    pass


class LineFull(DarkroomError):
    pass


class WrongState(DarkroomError):
    pass


class NotAllowed(DarkroomError):
    pass


class DownloadFailed(DarkroomError):
    pass


class DownloadNotFound(DarkroomError):
    pass


class InstallNotFound(DarkroomError):
    pass


class NotSaved(DarkroomError):
    pass


class ExtensionError(DarkroomError):
    pass


class StartError(DarkroomError):
    pass


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as a value: what a job ended with."""

    kind: str  # the error's class name
    text: str  # for the user
    field: str | None = None  # the request field to mark, if one is to blame


def failure(error: BaseException) -> Failure:
    """The value of any exception; one that is not ours reads as "TypeName: text"."""
    if isinstance(error, InvalidRequest):
        return Failure("InvalidRequest", _sendable(error.problem), _sendable(error.field))
    if isinstance(error, DarkroomError):
        return Failure(type(error).__name__, _sendable(str(error)))
    return Failure("EngineFailed", _sendable(f"{type(error).__name__}: {error}"))


def _sendable(text: str) -> str:
    """Short, and what UTF-8 can hold: a file's name may be none, and errors quote names."""
    return text[:_MAX_TEXT].encode("utf-8", "backslashreplace").decode()[:_MAX_TEXT]


_BY_NAME: dict[str, type[DarkroomError]] = {
    each.__name__: each
    for each in (
        ModelNotFound, ModelRefused, OutOfMemory, NotFinite, EngineDied, EngineNotStarted,
        EngineRestarted, EngineBusy, EngineFailed, JobNotFound, LineFull, WrongState, NotAllowed,
        DownloadFailed, DownloadNotFound, InstallNotFound, NotSaved, ExtensionError, StartError,
    )
}  # fmt: skip


def error_of(failed: Failure) -> DarkroomError:
    """The inverse of `failure`; a kind that is not ours comes back as EngineFailed."""
    if failed.kind == "InvalidRequest":
        return InvalidRequest(failed.field or "request", failed.text)
    return _BY_NAME.get(failed.kind, EngineFailed)(failed.text)
