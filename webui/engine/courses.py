"""What a batch is made of, for each kind of request. The steps between are not known here."""

from webui.engine.bench import Bench
from webui.engine.turns import Course, Turn
from webui.request import GenerationRequest


def course_of(bench: Bench, request: GenerationRequest, batch: int) -> Course:
    """The course of a batch (0-based). It raises InvalidRequest, OutOfMemory, NotFinite."""
    if request.init is None:
        return from_noise(bench, request)
    return from_picture(bench, request, batch)


def from_noise(bench: Bench, request: GenerationRequest) -> Course:
    """One turn, and its pictures."""
    made = yield Turn(request, bench.model)
    assert made is not None
    return bench.decode(made.latents)
