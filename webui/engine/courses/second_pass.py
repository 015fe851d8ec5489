"""A second pass at a larger size: the first one's picture or latent, made larger and made anew.

In A1111: hires fix. The second pass begins with the noise that the same seeds give at its own size,
and makes exactly the steps that it is told: the last ones of a schedule as fine as the strength
asks for.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

import torch
from PIL import Image
from torch import Tensor

from webui.engine.bench import Bench
from webui.engine.device import memory_for
from webui.engine.pixels import closed, opened, tensor
from webui.engine.turns import Course, Result, Start, Turn
from webui.events import EngineEvent, Stage
from webui.interfaces import LatentResize
from webui.masking import laid_on
from webui.request import GenerationRequest, Hires, SamplingOptions, ScheduleOptions
from webui.request.sizes import Size, middle, second_pass

Enlarging = Generator[EngineEvent, None, Sequence[Image.Image] | None]
Encoding = Generator[EngineEvent, None, tuple[Tensor, tuple[str, ...]]]


def in_two_passes(bench: Bench, request: GenerationRequest, hires: Hires, batch: int) -> Course:
    """Two turns; one where the first pass's picture is given. At strength 0 there is no second."""
    found = bench.upscaling.find("hires.upscaler", hires.upscaler)
    turns = (hires.picture is None) + (hires.strength > 0)
    clean, given = None, []
    if hires.picture is not None:
        # without a second turn nothing else makes a batch of it
        times = 1 if hires.strength > 0 else len(request.batch_seeds(batch))
        given = [laid_on(bench.read("hires.picture", hires.picture))] * times
    else:
        made = yield Turn(replace(request, stop_at=1.0), bench.model, turns=turns)
        assert made is not None
        clean = made.latents
        if made.ended:
            return bench.decode(clean)
    first = given[0].size if given else (request.width, request.height)
    larger, wanted = second_pass(hires, *first, bench.model.scale_factor)
    notes: tuple[str, ...] = ()
    if isinstance(found, LatentResize):
        if clean is None:
            clean, notes = yield from _encoded(bench, given)
        with memory_for("making the latent larger"):
            latents = _cut(bench, found, clean, larger, wanted)
    else:
        firsts = given if clean is None else [opened(each) for each in bench.pictures(clean)]
        images = yield from _enlarged(bench, hires.upscaler, firsts, larger)
        if images is None:  # stopped meanwhile: there is the first pass
            return _results(firsts)
        images = [each.crop(middle(larger, wanted)) for each in images]
        if hires.strength == 0:
            return _results(images)
        latents, notes = yield from _encoded(bench, images)
    if hires.strength == 0:
        return bench.decode(latents, notes)
    start = Start(latents, hires.strength, exact_steps=True, field="hires.steps")
    asked, after = second_request(request, hires), request.steps
    made = yield Turn(asked, bench.model, start, turns, resized=wanted, after=after)
    assert made is not None
    return bench.decode(made.latents, notes)


def second_request(request: GenerationRequest, hires: Hires) -> GenerationRequest:
    """What stands for the second pass alone, but for its size.

    Another sampler knows nothing of the first one's options, and another schedule nothing of the
    first one's; own noise levels are the first pass's.
    """
    sampler, schedule = hires.sampler or request.sampler, hires.schedule or request.schedule
    same = sampler == request.sampler
    same_schedule = schedule == request.schedule and (same or schedule != "Automatic")
    options = request.schedule_options if same_schedule else ScheduleOptions()
    guidance = hires.guidance_scale
    return replace(
        request,
        steps=hires.steps or request.steps,
        sampler=sampler,
        sampling=request.sampling if same else SamplingOptions(),
        schedule=schedule,
        schedule_options=replace(options, sigmas=None),
        prompt=request.prompt if hires.prompt is None else hires.prompt,
        negative_prompt=(
            request.negative_prompt if hires.negative_prompt is None else hires.negative_prompt
        ),
        guidance_scale=request.guidance_scale if guidance is None else guidance,
    )


def _encoded(bench: Bench, images: Sequence[Image.Image]) -> Encoding:
    yield Stage("encoding picture")
    return bench.encode(torch.cat([tensor(each) for each in images]))


def _enlarged(bench: Bench, upscaler: str, images: Sequence[Image.Image], size: Size) -> Enlarging:
    """None if they are wanted no more."""
    made = []
    for image in images:
        enlarged = yield from bench.upscaling.enlarged(
            "hires.upscaler", upscaler, image, size, bench.stopped
        )
        if enlarged is None:
            return None
        made.append(enlarged)
    return made


def _cut(bench: Bench, found: LatentResize, clean: Tensor, larger: Size, wanted: Size) -> Tensor:
    """Latents (B, C, h, w) made larger to the pixels `larger`, and the middle `wanted` of them."""
    factor = bench.model.scale_factor
    width, height = (side // factor for side in larger)
    made = found.resize(clean, (height, width))
    left, top, right, bottom = (side // factor for side in middle(larger, wanted, factor))
    return made[:, :, top:bottom, left:right].contiguous()


def _results(images: Sequence[Image.Image]) -> Iterator[Result]:
    return iter([Result(closed(each)) for each in images])
