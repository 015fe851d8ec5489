"""From a request to pictures: the straight line, as a generator of events.

Knows nothing of processes, jobs or files but the trajectory's. What other threads want of a run in
progress stands in its `Control`.
"""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Literal

import torch

from webui.engine.branching import Inherited
from webui.engine.device import Device, free, memory_for, peak_memory, reset_peak
from webui.engine.drawing import Drawing
from webui.engine.embeddings import embedding_file
from webui.engine.guidance_view import GuidanceView
from webui.engine.models import Models
from webui.engine.pixels import picture
from webui.engine.plan import Plan, plan_of, sampler_of
from webui.engine.recorder import Recorder
from webui.errors import DarkroomError, EngineBusy, InvalidRequest, NotSaved, OutOfMemory
from webui.events import (
    EngineEvent,
    Outcome,
    Picture,
    Preview,
    PreviewKind,
    Rendered,
    Skipped,
    Stage,
    ViewKind,
    Warned,
)
from webui.events import Step as StepEvent
from webui.interfaces import EngineRegistry
from webui.request import GenerationRequest, to_dict
from webui.trajectories import Header, KeptStep, inherited
from webui.wire import RunOptions

Events = Generator[EngineEvent, None, Outcome]


@dataclass(slots=True)
class Control:
    """What may be asked of a run while it runs; looked at after every step."""

    stop: Literal["keep", "discard"] | None = None  # keep: decode what there is
    noisy: str | None = None  # preview method
    predicted: str | None = None  # preview method
    every: int = 1  # preview each so many steps; the last one always
    skip: int | None = None  # the batch (0-based) whose unfinished pictures to leave out

    def outcome(self) -> Outcome | None:
        """What the run has to end with now, if it has to."""
        if self.stop is None:
            return None
        return "stopped" if self.stop == "keep" else "cancelled"

    def drops(self, batch: int) -> bool:
        """Whether what is not finished of a batch is wanted no more."""
        return self.stop == "discard" or (self.stop is None and self.skip == batch)


class Engine:
    """One device, one run at a time."""

    def __init__(self, registry: EngineRegistry, models: Models, device: Device) -> None:
        self._registry = registry
        self._models = models
        self._device = device
        self._drawing = Drawing(registry.previews, models, device)

    @torch.no_grad()
    def run(
        self,
        request: GenerationRequest,
        options: RunOptions = RunOptions(),
        control: Control | None = None,
    ) -> Events:
        """Makes the pictures of `request`; returns "done", "stopped" or "cancelled".

        Raises InvalidRequest, ModelNotFound, ModelRefused, OutOfMemory, NotFinite, or NotSaved
        if a step cannot be kept.
        """
        control = control or Control(None, options.noisy, options.predicted, options.every)
        try:
            plan = yield from self._plan(request, options)
            for batch in range(options.first_batch, request.batches):
                outcome = yield from self._batch(plan, batch, options, control)
                if outcome != "done":
                    return outcome
            return "done"
        except OutOfMemory:
            self._models.keep_only_last()  # what the others took is there for the next try
            raise
        except DarkroomError:
            free(self._device)
            raise

    def _plan(
        self, request: GenerationRequest, options: RunOptions = RunOptions()
    ) -> Generator[EngineEvent, None, Plan]:
        sampler_of(self._registry, request)  # says what is wrong before a model is loaded
        origin = _inherited(request, options)
        if not self._models.is_loaded(request.model, request.vae):
            yield Stage("loading model")
        loaded = self._models.load(request.model, request.vae)
        model = loaded.model
        for field in ("width", "height"):
            _check_grid(field, getattr(request, field), model.scale_factor)
        yield Stage("encoding prompt")
        with memory_for("encoding the prompt"):
            read = loaded.reader.read(request)
        for text in read.warnings:
            yield Warned(text)
        request = replace(request, embeddings=read.embeddings, loras=read.loras)
        view = GuidanceView() if options.guidance else None
        return plan_of(self._registry, request, model, read.timeline, origin, view)

    def _batch(self, plan: Plan, batch: int, options: RunOptions, control: Control) -> Events:
        if outcome := control.outcome():
            return outcome
        started = time.perf_counter()
        reset_peak(self._device)
        shape = (len(plan.request.batch_seeds(batch)), *plan.size)
        sigmas = tuple(plan.sigmas.tolist())
        values = to_dict(plan.request)
        header = Header(values, batch, shape, sigmas, plan.entry.memory, plan.begun)
        recorder = Recorder(header, options.keep, self._device, plan.inherited)
        try:
            yield Stage("sampling")
            last = yield from self._sample(plan, batch, recorder, control)
            whole = last is not None and (
                yield from self._render(plan, batch, recorder, last, started, control)
            )
            if control.stop != "discard":  # its spool stays, to be gone on with
                try:
                    recorder.finish()
                except NotSaved as problem:  # the pictures are there all the same
                    yield Warned(str(problem))
            if control.stop is None and not whole:
                yield Skipped(batch, last.step if last else 0)
        finally:
            recorder.close()
        return control.outcome() or "done"

    def _sample(
        self, plan: Plan, batch: int, recorder: Recorder, control: Control
    ) -> Generator[EngineEvent, None, KeptStep | None]:
        """Walks the steps; returns the last one that was made."""
        past = recorder.past()
        where = self._device.where
        seeded, start = plan.start(batch, where)
        x = plan.model.noised(torch.zeros_like(start), start, plan.sigmas[0])
        if past:
            x = past[-1].x
            seeded.skip_to(recorder.kept[-1].draws)
        last = recorder.kept[-1] if past else None
        total = last.steps if last else plan.steps
        steps = plan.walked(x, plan.noise(batch, seeded, where), past)
        plan.progress.begin(past)
        for index in count(len(past) + 1):
            if plan.ends(index - 1, total):
                break
            with memory_for(f"sampling step {index}"):
                step = next(steps, None)
            if step is None:
                break
            plan.progress.after(index, step)
            if plan.view and (seen := plan.view.take()):
                recorder.take_guidance(index, *seen)
            total = step.pace.steps if step.pace else plan.steps
            for kept in recorder.take(index, seeded.draws, step):
                last = kept
                yield from self._shown(plan, batch, kept, control)
            if control.stop or control.drops(batch):
                break
        for kept in recorder.flush():
            last = kept
            yield from self._shown(plan, batch, kept, control)
        return last

    def _shown(
        self, plan: Plan, batch: int, kept: KeptStep, control: Control
    ) -> Iterator[EngineEvent]:
        steps = max(kept.step, plan.request.last_step(kept.steps))
        yield StepEvent(batch, kept.step, steps, kept.sigma, kept.seconds)
        if kept.step % control.every and kept.sigma > 0 and kept.step < steps:
            return
        asked: list[tuple[PreviewKind, str | None]] = [
            ("noisy", control.noisy),
            ("predicted", control.predicted),
        ]
        for kind, method in asked:
            if method is not None:
                with memory_for(f"drawing the preview of step {kept.step}"):
                    drawn = self._drawing.draw(plan.model, kept, kind, method)
                yield Preview(batch, kept.step, kind, method, drawn)

    def _render(
        self,
        plan: Plan,
        batch: int,
        recorder: Recorder,
        last: KeptStep,
        started: float,
        control: Control,
    ) -> Generator[EngineEvent, None, bool]:
        """Decodes each image of a batch; False if it was told to leave some out."""
        if control.drops(batch):
            return False
        yield Stage("decoding")
        unfinished = last.sigma > 0
        notes = _notes(plan.request, last, unfinished)
        step = recorder.restored(last)
        latents = step.denoised if unfinished else step.x
        for position, latent in enumerate(torch.split(latents, 1)):
            if control.drops(batch):
                return False
            image, tiled = self._drawing.decode(plan.model, latent)
            number = batch * plan.request.batch_size + position
            yield Rendered(
                number,
                picture(image[0]),
                plan.request.alone(number),
                time.perf_counter() - started,
                peak_memory(self._device),
                notes + (("VAE decoder: tiled",) if tiled else ()),
            )
        return True

    @torch.no_grad()
    def preview(
        self,
        folder: Path,
        batch: int,
        step: int,
        kind: ViewKind,
        method: str,
        running: bool = False,
        position: int | None = None,
    ) -> Picture | None:
        """As `Drawing.again`."""
        return self._drawing.again(folder, batch, step, kind, method, running, position)

    @torch.no_grad()
    def embedding(self, model: str, text: str, running: bool = False) -> bytes:
        """An embedding file of what the tokens of `text` are before the text transformer.

        Raises InvalidRequest, field "text"; EngineBusy as `preview` does.
        """
        if running and not self._models.is_loaded(model):
            raise EngineBusy(f"it takes the model {model}; try again when no job runs")
        return embedding_file(self._models.load(model).reader.vectors(text), text)

    def load(self, model: str) -> None:
        """Loads a model ahead of its first use."""
        self._models.load(model)


def _notes(request: GenerationRequest, last: KeptStep, unfinished: bool) -> tuple[str, ...]:
    """What the pictures' text says beside the request's fields."""
    branch = request.resume
    return (
        *([f"Stopped at step: {last.step}"] if unfinished else []),
        *(
            [
                f"Branch: step {branch.step} of picture {branch.position} of batch {branch.batch} "
                f"of job {branch.job}"
            ]
            if branch
            else []
        ),
    )


def _inherited(request: GenerationRequest, options: RunOptions) -> Inherited | None:
    """What a branch goes on from. Raises InvalidRequest."""
    if request.resume is None:
        return None
    if options.resume is None:
        raise InvalidRequest("resume", "needs a folder of kept runs, which is not given here")
    return Inherited(*inherited(Path(options.resume), request.resume))


def _check_grid(field: str, value: int, factor: int) -> None:
    if value % factor:
        near = max(factor, round(value / factor) * factor)
        raise InvalidRequest(
            field, f"must be a multiple of {factor} for this model, got {value}; try {near}"
        )
