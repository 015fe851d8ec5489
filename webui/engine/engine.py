"""From a request to pictures: the straight line, as a generator of events.

Knows nothing of processes, jobs or files but the trajectory's. What other threads want of a run in
progress stands in its `Control`.
"""

import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from webui.engine.bench import Bench
from webui.engine.branching import branch_of, whole
from webui.engine.conditioning.reader import Read, named
from webui.engine.control import Control
from webui.engine.courses import course_of
from webui.engine.device import Device, free, memory_for, reset_peak
from webui.engine.drawing import Drawing
from webui.engine.embeddings import embedding_file
from webui.engine.entries import entries_of
from webui.engine.guidance_view import GuidanceView
from webui.engine.halves import missing
from webui.engine.hooks import JobHooks
from webui.engine.models import Models
from webui.engine.plan import Plan, plan_of
from webui.engine.rendering import Events, Run, render, rendered
from webui.engine.sampler_choice import sampler_of, turn_levels
from webui.engine.turn_view import hooks_of
from webui.engine.turns import Made, OnTheWay, Turn
from webui.engine.upscaling import Upscaling
from webui.engine.walk import Walk
from webui.errors import DarkroomError, EngineBusy, InvalidRequest, NotSaved, OutOfMemory
from webui.events import EngineEvent, Look, Picture, Skipped, Stage, Warned
from webui.extensions import Conduct, Standing
from webui.interfaces import EngineRegistry
from webui.request import GenerationRequest
from webui.trajectories import KeptTurn, inherited
from webui.upscalers import Upscalers
from webui.wire import RunOptions

__all__ = ["Control", "Engine", "Events"]

_WIDENED = (
    "The VAE gives NaN in half precision, so it worked in fp32 once more; a VAE that is made for "
    "half precision, or --dtype fp32 or bf16, saves the time."
)


class Engine:
    """One device, one run at a time."""

    def __init__(
        self,
        registry: EngineRegistry,
        models: Models,
        device: Device,
        upscalers: Upscalers,
        conduct: Conduct | None = None,
        standings: Sequence[Standing] = (),
    ) -> None:
        """`conduct`: where what extensions do is written down; `standings`: how their halves came
        out of the start of this process."""
        self._registry = registry
        self._models = models
        self._device = device
        self._upscalers = upscalers
        self._conduct = conduct or Conduct()
        self._standings = standings
        self._entries = entries_of(registry, self._conduct)
        self._drawing = Drawing(registry.previews, models, device, self._conduct)

    @torch.no_grad()
    def run(
        self,
        request: GenerationRequest,
        options: RunOptions = RunOptions(),
        control: Control | None = None,
    ) -> Events:
        """Makes the pictures of `request`; returns "done", "stopped" or "cancelled".

        Raises InvalidRequest, ModelNotFound, ModelRefused, OutOfMemory, NotFinite, NotSaved if a
        step cannot be kept, or ExtensionError where it cannot do without what an extension has.
        """
        control = control or Control(None, options.noisy, options.predicted, options.every)
        try:
            if request.upscale is not None:
                alone = Upscaling(self._entries, self._upscalers, self._device, self._models)
                return (yield from alone.run(request, request.upscale, options.inputs, control))
            sampler_of(self._entries, request)  # says what is wrong before a model is loaded
            absent = missing(self._standings, options.halves, request.extras)
            hooks = JobHooks(self._registry, self._conduct, request.extras, absent)
            run = Run(request, options, control, _origin(request, options), hooks)
            return (yield from self._batches(run))
        except OutOfMemory:
            self._models.keep_only_last()  # what the others took is there for the next try
            raise
        except DarkroomError:
            free(self._device)
            raise

    def _batches(self, run: Run) -> Events:
        request = run.request
        for mishap in run.hooks.new():
            yield Warned(mishap.note)
        try:
            bench = yield from self._bench(request, run.options, run.control)
            for batch in range(run.options.first_batch, request.batches):
                outcome = yield from self._batch(run, bench, batch)
                if outcome != "done":
                    return outcome
            return "done"
        finally:
            run.hooks.ended()

    def _bench(
        self, request: GenerationRequest, options: RunOptions, control: Control
    ) -> Generator[EngineEvent, None, Bench]:
        there = self._models.is_loaded(request.model, request.vae)
        if not there:
            yield Stage("loading model")
        loaded = self._models.load(request.model, request.vae)
        model, plan = loaded.model, loaded.plan
        if not there and plan is not None and plan.offload != "none":
            yield Warned(f"{loaded.name}: {plan.text}")
        for name in ("width", "height"):
            _check_grid(name, getattr(request, name), model.scale_factor)
        upscaling = Upscaling(self._entries, self._upscalers, self._device)
        inputs = Path(options.inputs) if options.inputs else None
        return Bench(model, self._device, control, upscaling, inputs)

    def _batch(self, run: Run, bench: Bench, batch: int) -> Events:
        """Follows the batch's course, turn by turn."""
        if outcome := run.control.outcome():
            return outcome
        reset_peak(self._device)
        started, number, made = time.perf_counter(), 0, None
        widened = bench.model.vae.widened
        course, pictures = course_of(bench, run.request, batch), None
        while pictures is None and not run.control.drops(batch):
            try:
                asked = course.send(made)
            except StopIteration as over:
                pictures = over.value
            else:
                if isinstance(asked, Turn):
                    made = yield from self._turn(run, asked, batch, number)
                    number += 1
                elif isinstance(asked, OnTheWay):
                    yield from rendered(
                        run, bench, batch, asked.result, started, self._batch, asked.loop
                    )
                else:
                    yield asked
        done = pictures is not None and (
            yield from render(run, bench, batch, pictures, made, started, self._batch)
        )
        if bench.model.vae.widened > widened:
            yield Warned(_WIDENED)
        if run.control.stop is None and not done:
            yield Skipped(batch, made.step if made else 0, max(0, number - 1))
        return run.control.outcome() or "done"

    def _turn(
        self, run: Run, turn: Turn, batch: int, number: int
    ) -> Generator[EngineEvent, None, Made | None]:
        """One sampling; None if no step was made of it."""
        plan = yield from self._plan(run, turn, batch, number)
        walk = Walk(plan, batch, number, self._device, self._drawing, run.control)
        recorder = walk.recorder(run.options.keep)
        try:
            yield Stage("sampling")
            with plan.attended():
                last = yield from walk.steps(recorder)
            for mishap in run.hooks.new():
                yield Warned(mishap.note)
            if run.control.stop != "discard":  # its spool stays, to be gone on with
                try:
                    recorder.finish()
                except NotSaved as problem:  # the pictures are there all the same
                    yield Warned(str(problem))
            if last is None:
                return None
            step, unfinished = recorder.restored(last), last.sigma > 0
            latents = step.denoised if unfinished else step.x
            ended = unfinished or run.control.stop is not None
            return Made(latents, last.step, unfinished, ended)
        finally:
            recorder.close()

    def _plan(
        self, run: Run, turn: Turn, batch: int, number: int
    ) -> Generator[EngineEvent, None, Plan]:
        read = yield from self._read(run, turn)
        with memory_for("encoding the picture"):  # as networks made for inpainting are told it
            told = turn.told()
        turn = replace(told, request=named(turn.request, [read]))
        branch = None
        if number < len(run.origin):
            entry, kept = sampler_of(self._entries, turn.request), run.origin[number]
            if number < len(run.origin) - 1:
                branch = whole(entry, kept)
            else:
                branch = branch_of(turn.request, entry, turn_levels(self._entries, turn), kept)
        view = GuidanceView() if run.options.guidance else None
        hooks = hooks_of(run.hooks, turn, (batch, number), read, run.control, run.options.keep)
        return plan_of(self._entries, turn, read.timeline, branch, view, hooks)

    def _read(self, run: Run, turn: Turn) -> Generator[EngineEvent, None, Read]:
        """Its prompts, which most turns have in common."""
        asked = turn.request
        known = (asked.model, asked.prompt, asked.negative_prompt, turn.steps, turn.after)
        if known not in run.reads:
            yield Stage("encoding prompt")
            with memory_for("encoding the prompt"):
                loaded = self._models.load(asked.model, asked.vae)
                read = loaded.reader.read(asked, turn.steps, turn.after, run.options.blocks)
            told = {text for each in run.reads.values() for text in each.warnings}
            for text in read.warnings:
                if text not in told:
                    yield Warned(text)
            run.reads[known] = read
        return run.reads[known]

    @torch.no_grad()
    def preview(
        self, folder: Path, look: Look, *, running: bool = False, inputs: Path | None = None
    ) -> Picture | None:
        """As `Drawing.again`."""
        return self._drawing.again(folder, look, running, inputs)

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


def _origin(request: GenerationRequest, options: RunOptions) -> Sequence[KeptTurn]:
    """What a branch goes on from. Raises InvalidRequest."""
    if request.resume is None:
        return ()
    if options.resume is None:
        raise InvalidRequest("resume", "needs a folder of kept runs, which is not given here")
    return inherited(Path(options.resume), request.resume)


def _check_grid(field: str, value: int, factor: int) -> None:
    if value % factor:
        near = max(factor, round(value / factor) * factor)
        raise InvalidRequest(
            field, f"must be a multiple of {factor} for this model, got {value}; try {near}"
        )
