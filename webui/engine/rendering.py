"""The end of a batch: its pictures sent one by one, after what extensions do to them.

An image operation may make pictures itself: a run within the run, of the same engine.
"""

import time
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from PIL import Image

from webui.engine.bench import Bench
from webui.engine.conditioning.reader import Read, named
from webui.engine.control import Control
from webui.engine.device import peak_memory
from webui.engine.hooks import JobHooks
from webui.engine.pixels import closed, opened
from webui.engine.turns import Made, Result
from webui.events import EngineEvent, Outcome, Picture, Rendered, Stage, Warned
from webui.interfaces.engine_hooks import PictureView
from webui.request import GenerationRequest
from webui.request.loops import after, picture_number
from webui.trajectories import KeptTurn
from webui.wire import RunOptions

Events = Generator[EngineEvent, None, Outcome]


@dataclass(frozen=True, slots=True)
class Run:
    """A request on its way, and what it has met."""

    request: GenerationRequest
    options: RunOptions
    control: Control
    origin: Sequence[KeptTurn]  # what a branch goes on from, turn by turn
    hooks: JobHooks  # extensions'
    reads: dict[Hashable, Read] = field(default_factory=dict)  # of turns' prompts


BatchOf = Callable[[Run, Bench, int], Events]


def render(
    run: Run,
    bench: Bench,
    batch: int,
    pictures: Iterator[Result],
    last: Made | None,
    started: float,
    batch_of: BatchOf,
) -> Generator[EngineEvent, None, bool]:
    """Sends each image of a batch; False if it was told to leave some out."""
    notes = _notes(run.request, last)
    yield Stage("decoding")
    for number in range(batch * run.request.batch_size, run.request.images):
        if run.control.drops(batch):
            return False
        result = next(pictures, None)
        if result is None:
            break
        noted = result._replace(notes=notes + result.notes)
        yield from rendered(run, bench, number, noted, started, batch_of)
    return True


def rendered(
    run: Run,
    bench: Bench,
    image: int,
    result: Result,
    started: float,
    batch_of: BatchOf,
    loop: int | None = None,
) -> Iterator[EngineEvent]:
    """A picture (0-based), after one of its loops (0-based) or the last."""
    request = named(run.request, run.reads.values())
    alone = request.alone(image)
    if loop is not None:
        alone = after(alone, loop)
    picture = _operated(run, bench, image, alone, result.picture, batch_of)
    for mishap in run.hooks.new():
        yield Warned(mishap.note)
    yield Rendered(
        image if loop is None else picture_number(request, image, loop),
        picture,
        alone,
        time.perf_counter() - started,
        peak_memory(bench.device),
        result.notes + run.hooks.notes,
    )


def _operated(
    run: Run,
    bench: Bench,
    number: int,
    alone: GenerationRequest,
    picture: Picture,
    batch_of: BatchOf,
) -> Picture:
    """After the image operations that the job asks for."""
    if not run.hooks.asked(run.hooks.registry.image_operations):
        return picture

    def view(values: Mapping[str, Any]) -> PictureView:
        return PictureView(
            request=alone,
            values=values,
            image=number,
            render=partial(_nested, run, bench, batch_of),
            stopped=bench.stopped,
        )

    return closed(run.hooks.operated(opened(picture), view))


def _nested(
    run: Run,
    bench: Bench,
    batch_of: BatchOf,
    request: GenerationRequest,
    pictures: Mapping[str, Image.Image],
) -> list[Image.Image]:
    """A run within a run, of the same model: its steps are not kept, no extension is in it."""
    if (request.model, request.vae) != (run.request.model, run.request.vae):
        raise ValueError("a nested run has the model and the VAE of its job")
    control = Control()
    hooks = JobHooks(run.hooks.registry, run.hooks.conduct, {})
    inner = replace(
        run, request=request, options=RunOptions(), control=control, hooks=hooks, reads={}
    )
    place = replace(bench, control=control, given=dict(pictures))
    made = []
    for batch in range(request.batches):
        for event in batch_of(inner, place, batch):
            run.control.attend()
            control.stop = control.stop or ("discard" if run.control.stop else None)
            if isinstance(event, Rendered):
                made.append(opened(event.picture))
    return made


def _notes(request: GenerationRequest, last: Made | None) -> tuple[str, ...]:
    """What the pictures' text says beside the request's fields."""
    branch = request.resume
    return (
        *([f"Stopped at step: {last.step}"] if last and last.unfinished else []),
        *(
            [
                f"Branch: step {branch.step} of picture {branch.position} of batch {branch.batch} "
                f"of job {branch.job}"
            ]
            if branch
            else []
        ),
    )
