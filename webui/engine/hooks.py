"""Extensions in a run: their wrappers around the denoiser and the network, their looks at steps and
pictures. What fails is left out for the rest of the job, which goes on and says so.

A hook is asked only where the request has the controls that it needs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from webui.engine.hook_answers import Spoilt, is_finite, like, operated, refused
from webui.errors import InvalidRequest
from webui.extensions import Conduct, Mishap, MishapError
from webui.interfaces import Denoiser, EngineRegistry, Model
from webui.interfaces.engine_hooks import (
    Attend,
    AttentionPlace,
    AttentionProcessor,
    DenoiserWrapper,
    PictureView,
    StepListener,
    StepSeen,
    TurnView,
)
from webui.interfaces.server_hooks import Owned

WRAPPER, ATTENTION = "denoiser wrapper", "attention processor"
LISTENER, OPERATION = "step listener", "image operation"
Extras = Mapping[str, Mapping[str, Any]]
ViewOf = Callable[[Mapping[str, Any], dict[str, Any], Path | None], TurnView]


class _InnerError(Exception):
    """What an extension calls has failed, not the extension."""


@dataclass(slots=True)
class JobHooks:
    """Those of one job."""

    registry: EngineRegistry
    conduct: Conduct
    extras: Extras
    mishaps: list[Mishap] = field(default_factory=list)
    _told: int = 0

    def new(self) -> Iterator[Mishap]:
        """Those that have not been told of yet."""
        fresh, self._told = self.mishaps[self._told :], len(self.mishaps)
        return iter(fresh)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(each.note for each in self.mishaps)

    def asked(self, listed: Sequence[Owned[Any]]) -> list[Owned[Any]]:
        return [each for each in listed if each.value.needs in self.extras]

    def failed(self, owner: str, hook: str) -> bool:
        """Whether it is left out for the rest of the job."""
        return any((each.owner, each.hook) == (owner, hook) for each in self.mishaps)

    def attempt(
        self, owner: str, hook: str, call: Callable[[], Any], passing: tuple[type, ...] = ()
    ) -> Any:
        """Raises MishapError, which is written down."""
        try:
            return self.conduct.attempt(owner, hook, call, passing)
        except MishapError as error:
            if not self.failed(owner, hook):
                self.mishaps.append(error.mishap)
            raise

    def operated(
        self, picture: Image.Image, view_of: Callable[[Mapping[str, Any]], PictureView]
    ) -> Image.Image:
        """After all image operations that are asked for."""
        for owned in self.asked(self.registry.image_operations):
            view = view_of(self.extras[owned.value.needs])
            call = partial(operated, owned.value.apply, picture, view)
            try:
                picture = self.attempt(owned.owner, OPERATION, call)
            except MishapError:
                continue
        return picture


@dataclass(slots=True)
class TurnHooks:
    """Those of one turn."""

    job: JobHooks
    view_of: ViewOf
    keep: Path | None = None
    _views: dict[tuple[str, str], TurnView] = field(default_factory=dict)
    _states: dict[str, dict[str, Any]] = field(default_factory=dict)
    _spoilt: Spoilt = field(default_factory=Spoilt)

    def view(self, owner: str, needs: str) -> TurnView:
        """One for each extension and group; what it keeps in `state` is the extension's."""
        if (owner, needs) not in self._views:
            state = self._states.setdefault(owner, {})
            keep = self.keep / owner if self.keep else None
            self._views[owner, needs] = self.view_of(self.job.extras[needs], state, keep)
        return self._views[owner, needs]

    def wrapped(self, denoise: Denoiser) -> Denoiser:
        if self.job.asked(self.job.registry.attention_processors):
            denoise = self._settled(denoise)
        for owned in self.job.asked(self.job.registry.denoiser_wrappers):
            denoise = self._wrapped(owned, denoise)
        return denoise

    def _settled(self, inner: Denoiser) -> Denoiser:
        """A call in which an attention failed is made once more without that extension: what it
        did to the attentions before that one is in it."""

        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            while True:
                before = len(self.job.mishaps)
                made = inner(x, sigma)
                for owner in self._spoilt.taken():
                    with suppress(MishapError):
                        self.job.attempt(owner, ATTENTION, refused)
                if len(self.job.mishaps) == before:
                    return made

        return denoise

    def attended(self, model: Model) -> AbstractContextManager[None]:
        """While it lasts the network's attentions are wrapped. Raises InvalidRequest if they
        cannot be."""
        wraps = self.job.asked(self.job.registry.attention_processors)
        if not wraps:
            return nullcontext()

        def wrap(attend: Attend, place: AttentionPlace) -> Attend:
            for owned in wraps:
                if place.cross or not owned.value.cross_only:
                    attend = self._attending(owned, attend, place)
            return attend

        attended = model.attending(wrap)
        if attended is None:
            raise InvalidRequest(
                f"extras.{wraps[0].value.needs}",
                "changes a network's attention as a UNet has it, and this model is a transformer; "
                "switch it off, or choose another model",
            )
        return attended

    def saw(self, seen: Callable[[], StepSeen | None]) -> None:
        """`seen` is asked for each that listens: what one does to it, no other sees."""
        for owned in self.job.asked(self.job.registry.step_listeners):
            if not self.job.failed(owned.owner, LISTENER):
                self._heard(owned, seen())

    def _heard(self, owned: Owned[StepListener], seen: StepSeen | None) -> None:
        view = self.view(owned.owner, owned.value.needs)
        try:
            self.job.attempt(owned.owner, LISTENER, partial(owned.value.hear, seen, view))
        except MishapError:
            return

    def _wrapped(self, owned: Owned[DenoiserWrapper], inner: Denoiser) -> Denoiser:
        owner, job = owned.owner, self.job
        view = self.view(owner, owned.value.needs)

        def core(x: Tensor, sigma: Tensor) -> Tensor:
            with job.conduct.outside(owner, WRAPPER), _passing():
                return inner(x, sigma)

        try:
            outer: Denoiser = job.attempt(owner, WRAPPER, partial(owned.value.wrap, core, view))
        except MishapError:
            return inner

        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            if job.failed(owner, WRAPPER):
                return inner(x, sigma)

            def call() -> Tensor:
                made = like(x, outer(x.clone(), sigma.clone()))
                if not is_finite(made) and is_finite(core(x, sigma)):  # else it is the model's own
                    refused()
                return made

            try:
                made: Tensor = job.attempt(owner, WRAPPER, call, (_InnerError,))
            except MishapError:
                return inner(x, sigma)
            except _InnerError as error:
                assert error.__cause__ is not None
                raise error.__cause__ from None
            return made

        return denoise

    def _attending(
        self, owned: Owned[AttentionProcessor], inner: Attend, place: AttentionPlace
    ) -> Attend:
        owner, job = owned.owner, self.job
        view = self.view(owner, owned.value.needs)
        if job.failed(owner, ATTENTION):
            return inner

        def core(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            with job.conduct.outside(owner, ATTENTION), _passing():
                return inner(query, key, value)

        wrap = partial(owned.value.wrap, core, place, view)
        try:
            outer: Attend = job.attempt(owner, ATTENTION, wrap)
        except MishapError:
            return inner
        if outer is core:
            return inner

        def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            if job.failed(owner, ATTENTION):
                return inner(query, key, value)
            given = self._spoilt.of(query, key, value)
            try:
                made: Tensor = job.attempt(
                    owner,
                    ATTENTION,
                    lambda: like(query, outer(query, key, value), value.shape[-1]),
                    (_InnerError,),
                )
            except MishapError:
                return inner(query, key, value)
            except _InnerError as error:
                assert error.__cause__ is not None
                raise error.__cause__ from None
            self._spoilt.add(owner, given, made)
            return made

        return attend


@contextmanager
def _passing() -> Iterator[None]:
    """What is raised within is not the extension's."""
    try:
        yield
    except Exception as error:
        raise _InnerError from error
