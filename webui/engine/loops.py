"""Loopback: a picture made anew, and the result again, each loop a turn of its own.

A1111's script: loop k takes the next seed and its own strength, and begins with the picture of the
loop before as it would be saved.
"""

from collections.abc import Iterator
from dataclasses import replace

from webui.engine.bench import Bench
from webui.engine.courses import from_picture
from webui.engine.pixels import opened
from webui.engine.turns import Course, Result
from webui.errors import InvalidRequest
from webui.request import GenerationRequest, InitImage, Loopback
from webui.request.loops import of_loop, strengths


def looped(
    bench: Bench, request: GenerationRequest, init: InitImage, asked: Loopback, batch: int
) -> Course:
    """A turn for each loop; the pictures are the last one's."""
    if len(request.batch_seeds(batch)) > 1:
        raise InvalidRequest("batch_size", "must be 1 for loopback")
    results: Iterator[Result] = iter(())
    for loop, strength in enumerate(strengths(init.strength, asked)):
        before = [opened(each.picture) for each in results]
        step = of_loop(init, strength, loop)
        of_its_own = replace(request, seed=(request.seed + loop) % 2**32, init=step)
        results = yield from from_picture(
            bench, of_its_own, step, batch, before[0] if before else None, asked.loops
        )
        if bench.stopped():
            break
    return results
