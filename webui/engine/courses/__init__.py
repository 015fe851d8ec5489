"""What a batch is made of, for each kind of request. How a turn is sampled is not known here."""

from webui.engine.bench import Bench
from webui.engine.courses.anew import from_noise, from_picture
from webui.engine.courses.loops import looped
from webui.engine.courses.second_pass import in_two_passes
from webui.engine.courses.tile_by_tile import tile_by_tile
from webui.engine.turns import Course
from webui.request import GenerationRequest


def course_of(bench: Bench, request: GenerationRequest, batch: int) -> Course:
    """The course of a batch (0-based). It raises InvalidRequest, OutOfMemory, NotFinite."""
    init, hires = request.init, request.hires
    if init is None:
        if hires is None:
            return from_noise(bench, request)
        return in_two_passes(bench, request, hires, batch)
    if init.tiles is not None:
        return tile_by_tile(bench, request, init, init.tiles)
    if init.loopback is not None:
        return looped(bench, request, init, init.loopback, batch)
    return from_picture(bench, request, init, batch)
