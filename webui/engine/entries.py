"""What is registered by name, as a run calls it: what ships as it is, an extension's under guard.

A sampler, a schedule or an upscaler cannot be left out of a picture that was asked for with it: the
job fails, and says whose it was.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial, wraps
from typing import Any, TypeVar

import torch
from PIL import Image
from torch import Tensor

from webui.engine.guard import Needed
from webui.engine.hook_answers import is_finite, levels_like, like, network_of, resized, step_like
from webui.errors import ExtensionError
from webui.extensions import BUILTIN, Conduct
from webui.interfaces import (
    Denoiser,
    EngineRegistry,
    LatentResize,
    Levels,
    Noise,
    PictureResize,
    Resize,
    Sampler,
    SamplerEntry,
    Schedule,
    Step,
    UpscalerFamily,
    UpscalerNetwork,
)
from webui.interfaces.server_hooks import Owned
from webui.upscalers import UpscalerFile

T = TypeVar("T")
SAMPLER, SCHEDULE, UPSCALER = "sampler", "schedule", "upscaler"


@dataclass(frozen=True, slots=True)
class Entries:
    samplers: Mapping[str, SamplerEntry]
    schedules: Mapping[str, Schedule]
    upscalers: Mapping[str, Resize]
    upscaler_families: Mapping[str, UpscalerFamily]


def entries_of(registry: EngineRegistry, conduct: Conduct) -> Entries:
    return Entries(
        samplers=_guarded(registry.samplers, SAMPLER, conduct, _entry),
        schedules=_guarded(registry.schedules, SCHEDULE, conduct, _schedule),
        upscalers=_guarded(registry.upscalers, UPSCALER, conduct, _resize),
        upscaler_families=_guarded(registry.upscaler_families, UPSCALER, conduct, _Family),
    )


def _guarded(
    table: Mapping[str, Owned[T]], hook: str, conduct: Conduct, guarded: Callable[[T, Needed], T]
) -> Mapping[str, T]:
    return {
        name: each.value
        if each.owner == BUILTIN
        else guarded(each.value, Needed(each.owner, hook, conduct))
        for name, each in table.items()
    }


# --- samplers ------------------------------------------------------------------------------------


def _entry(entry: SamplerEntry, guard: Needed) -> SamplerEntry:
    flow = None if entry.flow is None else _sampler(entry, entry.flow, guard)
    return replace(entry, sample=_sampler(entry, entry.sample, guard), flow=flow)


def _sampler(entry: SamplerEntry, sample: Sampler, guard: Needed) -> Sampler:
    @wraps(sample)  # what can be set is read from its signature
    def guarded(
        denoise: Denoiser,
        x: Tensor,
        sigmas: Tensor,
        noise: Noise,
        past: Sequence[Step] = (),
        **options: Any,
    ) -> Iterator[Step]:
        return _Walk(entry, guard, x, sigmas, past).steps(
            lambda seen: sample(
                guard.inner(seen(denoise)), x, sigmas.clone(), guard.inner(noise), past, **options
            )
        )

    return guarded


Seen = Callable[[Denoiser], Denoiser]


@dataclass(slots=True)
class _Walk:
    """A sampler of an extension on its way down."""

    entry: SamplerEntry
    guard: Needed
    x: Tensor  # (B, C, h, w)
    sigmas: Tensor  # (n + 1,)
    past: Sequence[Step]
    sound: Tensor | None = None  # () bool: whether all that the model said is finite

    def steps(self, begin: Callable[[Seen], Iterator[Step]]) -> Iterator[Step]:
        """Raises ExtensionError where it fails, or stops before the end."""
        walk = self.guard.call(lambda: iter(begin(self._seen)), whole=False)
        number = len(self.past)
        left = self._left(number, self.past[-1]) if self.past else float(self.sigmas[0])
        try:
            while True:
                call = partial(self._next, walk, number + 1, left)
                step = self.guard.call(call, whole=False)
                if step is None:
                    break
                number, left = number + 1, self._left(number + 1, step)
                yield step
        finally:
            if close := getattr(walk, "close", None):
                with suppress(ExtensionError):  # it is over in any case
                    self.guard.call(close, whole=False)
        self.guard.went_well()

    def _next(self, walk: Iterator[Step], number: int, left: float) -> Step | None:
        """Raises what is wrong with it."""
        made = next(walk, None)
        if made is None and left > 0:
            raise ValueError(f"ended after step {number - 1}, at noise level {left:g} instead of 0")
        if made is None:
            return None
        step = step_like(self.x, made, self.entry.memory)
        if step.pace is None and number >= len(self.sigmas):
            raise ValueError(f"made more steps than the {len(self.sigmas) - 1} that were asked for")
        sound = self.sound is None or bool(self.sound)  # else it is the model's own
        if sound and not (is_finite(step.x) and is_finite(step.denoised)):
            raise ValueError(f"gave NaN or infinity in step {number}")
        return step

    def _left(self, number: int, step: Step) -> float:
        return step.pace.sigma if step.pace else float(self.sigmas[number])

    def _seen(self, denoise: Denoiser) -> Denoiser:
        def seen(x: Tensor, sigma: Tensor) -> Tensor:
            made = denoise(x, sigma)
            finite = made.isfinite().all() | ~x.isfinite().all()  # of nonsense it may say nonsense
            self.sound = finite if self.sound is None else self.sound & finite
            return made

        return seen


# --- schedules -----------------------------------------------------------------------------------


def _schedule(schedule: Schedule, guard: Needed) -> Schedule:
    @wraps(schedule)
    def guarded(n: int, levels: Levels, **options: Any) -> Tensor:
        return guard.call(lambda: levels_like(n, schedule(n, levels=levels, **options)))

    return guarded


# --- upscalers -----------------------------------------------------------------------------------


def _resize(resize: Resize, guard: Needed) -> Resize:
    if isinstance(resize, PictureResize):
        of_pictures = resize.resize

        def picture(image: Image.Image, size: tuple[int, int]) -> Image.Image:
            return guard.call(lambda: resized(of_pictures(image.copy(), size), size))

        return PictureResize(picture)
    of_latents = resize.resize

    def latents(x: Tensor, size: tuple[int, int]) -> Tensor:
        wanted = x.new_empty(1).expand(*x.shape[:2], *size)
        return guard.call(lambda: like(wanted, of_latents(x.clone(), size)))

    return LatentResize(latents)


@dataclass(frozen=True, slots=True)
class _Family:
    family: UpscalerFamily
    guard: Needed

    def recognises(self, file: UpscalerFile) -> bool:
        return self.guard.call(lambda: bool(self.family.recognises(file)), whole=False)

    def load(self, file: UpscalerFile, device: Any, dtype: Any) -> UpscalerNetwork:
        def call() -> UpscalerNetwork:
            return network_of(self.family.load(file, device, dtype))

        network = self.guard.call(call, whole=False)
        return _Network(network, network.scale, self.guard)


@dataclass(frozen=True, slots=True)
class _Network:
    network: UpscalerNetwork
    scale: int
    guard: Needed

    def __call__(self, pixels: Tensor) -> Tensor:
        height, width = pixels.shape[-2:]
        wanted = torch.empty(1).expand(1, 3, height * self.scale, width * self.scale)
        return self.guard.call(lambda: like(wanted, self.network(pixels.clone())))
