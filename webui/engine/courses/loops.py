"""Loopback: a picture made anew, and the result again, each loop a turn of its own.

A1111's script: loop k takes the next seed and its own strength, and begins with the picture of the
loop before as it would be saved.
"""

from collections.abc import Iterator
from dataclasses import replace

from PIL import Image

from webui.engine.bench import Bench
from webui.engine.courses.anew import from_frame
from webui.engine.pixels import opened
from webui.engine.turns import Course, OnTheWay, Result
from webui.masking import Frame, framed
from webui.request import GenerationRequest, InitImage, Loopback
from webui.request.loops import of_loop, strengths


def looped(
    bench: Bench, request: GenerationRequest, init: InitImage, asked: Loopback, batch: int
) -> Course:
    """A turn for each loop, whose pictures are all sent; the last one's is the batch's."""
    picture = bench.read("init.picture", init.picture)
    mask = bench.read("init.mask.picture", init.mask.picture) if init.mask else None
    frame: Frame | None = None
    results: Iterator[Result] = iter(())
    for loop, strength in enumerate(strengths(init.strength, asked)):
        its_init = of_loop(init, strength, loop)
        its_own = replace(request, seed=(request.seed + loop) % 2**32, init=its_init)
        frame = _frame(bench, its_own, its_init, picture, mask, frame)
        results = yield from from_frame(bench, its_own, its_init, frame, batch, asked.made)
        (result,) = results
        said = (
            f"Loop: {loop + 1} of {asked.loops}",
            f"Loop denoising strength: {strength:g}",
            f"Loop seed: {its_own.seed}",
        )
        noted = Result(result.picture, said + result.notes)
        results = iter([noted])
        if bench.stopped() or loop == asked.made - 1:
            break
        yield OnTheWay(noted, loop)
        picture = opened(result.picture)
    return results


def _frame(
    bench: Bench,
    request: GenerationRequest,
    init: InitImage,
    picture: Image.Image,
    mask: Image.Image | None,
    before: Frame | None,
) -> Frame:
    """What a loop is shown; `before`: what the one before it was."""
    if before is not None and before.mask is not None and before.crop is None:
        # the result has the working size by now, which the mask's picture need not have
        return replace(before, start=picture, whole=picture)
    return framed(picture, mask, init, request.width, request.height, bench.model.scale_factor)
