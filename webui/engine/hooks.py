"""Extensions in a run: their wrappers around the denoiser and the network, their looks at steps and
pictures. What fails is left out for the rest of the job, which goes on and says so.

A hook is asked only where the request has the controls that it needs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from PIL import Image
from torch import Tensor

from webui.engine.denoiser import Guides
from webui.engine.guard import Guard
from webui.engine.hook_answers import Spoilt, is_finite, like, operated, refused
from webui.engine.transforms import Transformed, copied, fitting
from webui.errors import InvalidRequest
from webui.extensions import Conduct, Mishap, MishapError
from webui.interfaces import Conditioning, Denoiser, EngineRegistry, Model
from webui.interfaces.engine_hooks import (
    Attend,
    AttentionPlace,
    AttentionProcessor,
    ConditioningPlace,
    ConditioningTransform,
    DenoiserWrapper,
    PictureView,
    StepListener,
    StepSeen,
    TurnView,
)
from webui.interfaces.server_hooks import Owned

WRAPPER, ATTENTION = "denoiser wrapper", "attention processor"
LISTENER, OPERATION = "step listener", "image operation"
CONDITIONING, PREVIEW = "conditioning transform", "preview"
HALF = "engine half"
P = ParamSpec("P")
T = TypeVar("T")
Extras = Mapping[str, Mapping[str, Any]]
ViewOf = Callable[[Mapping[str, Any], dict[str, Any], Path | None], TurnView]


@dataclass(slots=True)
class JobHooks:
    """Those of one job."""

    registry: EngineRegistry
    conduct: Conduct
    extras: Extras
    mishaps: list[Mishap] = field(default_factory=list)
    _told: int = 0
    _used: set[tuple[str, str]] = field(default_factory=set)  # extension, hook

    def new(self) -> Iterator[Mishap]:
        """Those that have not been told of yet."""
        fresh, self._told = self.mishaps[self._told :], len(self.mishaps)
        return iter(fresh)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the pictures' text says; how they were looked at meanwhile changes none."""
        return tuple(each.note for each in self.mishaps if each.hook != PREVIEW)

    def asked(self, listed: Sequence[Owned[Any]]) -> list[Owned[Any]]:
        return [each for each in listed if each.value.needs in self.extras]

    def failed(self, owner: str, hook: str) -> bool:
        """Whether it is left out for the rest of the job."""
        return any((each.owner, each.hook) == (owner, hook) for each in self.mishaps)

    def attempt(
        self,
        owner: str,
        hook: str,
        call: Callable[[], Any],
        passing: tuple[type, ...] = (),
        *,
        whole: bool = True,
    ) -> Any:
        """As `Conduct.attempt`, but that the whole is the job. Raises MishapError, which is written
        down."""
        self._used.add((owner, hook))
        try:
            return self.conduct.attempt(owner, hook, call, passing, whole=False)
        except MishapError as error:
            if not self.failed(owner, hook):
                self.mishaps.append(error.mishap)
            raise

    def ended(self) -> None:
        """The job is over: what did not fail in it went well."""
        for owner, hook in self._used:
            if not self.failed(owner, hook):
                self.conduct.succeeded(owner, hook)

    def guard(self, owner: str, hook: str) -> Guard:
        return Guard(owner, hook, self.conduct, self.attempt)

    def guarded(self, guard: Guard, own: Callable[P, T], inner: Callable[P, T]) -> Callable[P, T]:
        """What an extension makes; from its first failure on in this job, what there is without."""

        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            if not self.failed(guard.owner, guard.hook):
                with suppress(MishapError):
                    return guard.call(partial(own, *args, **kwargs))
            return inner(*args, **kwargs)

        return call

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
    _transformed: Transformed | None = None
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

    def guides(self, guides: Guides, step: int) -> Guides:
        """What guides a step (from 1) after what is done to it; the same for every call of it."""
        if self._transformed is None:
            asked = self.job.asked(self.job.registry.conditioning_transforms)
            self._transformed = Transformed(asked, self._transform)
        return self._transformed.at(guides, step)

    def _transform(
        self,
        owned: Owned[ConditioningTransform],
        conditioning: Conditioning,
        place: ConditioningPlace,
    ) -> Conditioning:
        """As it is where that fails."""
        if self.job.failed(owned.owner, CONDITIONING):
            return conditioning
        view = self.view(owned.owner, owned.value.needs)

        def call() -> Conditioning:
            made = owned.value.apply(copied(conditioning), place, view)
            return fitting(conditioning, made, view.images, finite=not owned.value.each_step)

        try:
            made: Conditioning = self.job.attempt(owned.owner, CONDITIONING, call)
        except MishapError:
            return conditioning
        return made

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
        guard = self.job.guard(owned.owner, WRAPPER)
        core = guard.inner(inner)
        view = self.view(owned.owner, owned.value.needs)
        try:
            outer: Denoiser = guard.call(partial(owned.value.wrap, core, view))
        except MishapError:
            return inner

        def own(x: Tensor, sigma: Tensor) -> Tensor:
            made = like(x, outer(x.clone(), sigma.clone()))
            if not is_finite(made) and is_finite(core(x, sigma)):  # else it is the model's own
                refused()
            return made

        return self.job.guarded(guard, own, inner)

    def _attending(
        self, owned: Owned[AttentionProcessor], inner: Attend, place: AttentionPlace
    ) -> Attend:
        guard = self.job.guard(owned.owner, ATTENTION)
        if self.job.failed(owned.owner, ATTENTION):
            return inner
        core = guard.inner(inner)
        view = self.view(owned.owner, owned.value.needs)
        try:
            outer: Attend = guard.call(partial(owned.value.wrap, core, place, view))
        except MishapError:
            return inner
        if outer is core:
            return inner

        def own(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            given = self._spoilt.of(query, key, value)
            made = like(query, outer(query, key, value), value.shape[-1])
            self._spoilt.add(owned.owner, given, made)
            return made

        return self.job.guarded(guard, own, inner)
