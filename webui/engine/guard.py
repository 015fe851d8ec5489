"""One hook of one extension, as the engine calls it: what it raises is its own, what it calls in
turn is not.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeVar

from webui.engine.device import is_broken, memory_for
from webui.errors import ExtensionError, InvalidRequest, ModelRefused, OutOfMemory
from webui.extensions import Conduct, MishapError

P = ParamSpec("P")
T = TypeVar("T")


class Attempt(Protocol):
    """`Conduct.attempt`, or what stands before it."""

    def __call__(
        self,
        owner: str,
        hook: str,
        call: Callable[[], Any],
        passing: tuple[type, ...] = (),
        *,
        whole: bool = True,
    ) -> Any: ...


class _InnerError(Exception):
    """What an extension calls has failed, not the extension."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What is left out where it fails."""

    owner: str
    hook: str  # in words, "denoiser wrapper"
    conduct: Conduct
    attempt: Attempt

    def inner(self, call: Callable[P, T]) -> Callable[P, T]:
        """`call` as the extension is given it: neither its time nor its failures are the
        extension's."""

        def passed(*args: P.args, **kwargs: P.kwargs) -> T:
            with self.conduct.outside(self.owner, self.hook), _passing():
                return call(*args, **kwargs)

        return passed

    def call(
        self, call: Callable[[], T], passing: tuple[type, ...] = (), *, whole: bool = True
    ) -> T:
        """Raises MishapError for the extension's own failure; what went wrong in an `inner` call
        as it was there."""
        try:
            made: T = self.attempt(
                self.owner, self.hook, call, (_InnerError, *passing), whole=whole
            )
        except _InnerError as error:
            assert error.__cause__ is not None
            raise error.__cause__ from None
        return made


@dataclass(frozen=True, slots=True)
class Needed:
    """What a job cannot do without: where it fails, so does the job, and names it."""

    owner: str
    hook: str
    conduct: Conduct

    @property
    def _guard(self) -> Guard:
        return Guard(self.owner, self.hook, self.conduct, self.conduct.attempt)

    def inner(self, call: Callable[P, T]) -> Callable[P, T]:
        """As `Guard.inner`."""
        return self._guard.inner(call)

    def call(self, call: Callable[[], T], *, whole: bool = True) -> T:
        """Raises ExtensionError for the extension's own failure. What it refuses, memory that runs
        out and a fault of the device are what they are everywhere."""
        passing = (InvalidRequest, ModelRefused, OutOfMemory)
        try:
            return self._guard.call(partial(self._run, call), passing, whole=whole)
        except MishapError as error:
            raise ExtensionError(
                f"the {self.hook} of the extension {self.owner} did not run: "
                f"{error.mishap.text}; the Extensions tab has the traceback"
            ) from error

    def _run(self, call: Callable[[], T]) -> T:
        with memory_for(f"the {self.hook} of the extension {self.owner} was at work"):
            try:
                return call()
            except RuntimeError as error:
                if is_broken(error):
                    raise _InnerError from error
                raise

    def went_well(self) -> None:
        """All of what was called with `whole=False`."""
        self.conduct.succeeded(self.owner, self.hook)


@contextmanager
def _passing() -> Iterator[None]:
    """What is raised within is not the extension's."""
    try:
        yield
    except Exception as error:
        raise _InnerError from error
