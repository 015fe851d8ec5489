"""The plain courses: one turn, from noise alone or from a picture, all of it or a part."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from webui.engine.bench import Bench
from webui.engine.device import memory_for
from webui.engine.initial import frame_of
from webui.engine.noise import SeededNoise
from webui.engine.pixels import closed, opened, tensor
from webui.engine.turns import Course, Result, Start, Turn
from webui.events import Stage
from webui.masking import Frame, at_latent_size, resized
from webui.request import GenerationRequest, InitImage


def from_noise(bench: Bench, request: GenerationRequest) -> Course:
    """One turn, and its pictures."""
    made = yield Turn(request, bench.model)
    assert made is not None
    return bench.decode(made.latents)


def from_picture(bench: Bench, request: GenerationRequest, init: InitImage, batch: int) -> Course:
    """img2img, inpainting and outpainting: a picture made anew, all of it or a part."""
    frame = frame_of(request, init, bench.read, bench.model.scale_factor)
    return (yield from from_frame(bench, request, init, frame, batch))


def from_frame(
    bench: Bench,
    request: GenerationRequest,
    init: InitImage,
    frame: Frame,
    batch: int,
    turns: int = 1,
) -> Course:
    """As `from_picture`, of what the model is shown; one of `turns`."""
    yield Stage("encoding picture")
    latents, notes = bench.encode(tensor(frame.start))
    cells = (request.height // bench.model.scale_factor, request.width // bench.model.scale_factor)
    if latents.shape[2:] != cells:  # latent upscale
        with memory_for("making the latent larger"):
            latents = functional.interpolate(latents, cells, mode="bilinear")
    mask = None
    if frame.mask is not None:
        soft = init.mask is not None and init.mask.soft
        grid = torch.from_numpy(at_latent_size(frame.mask, bench.model.scale_factor, soft))
        mask = grid[None, None].to(latents)
        latents = _content(bench, request, init, batch, latents, mask)
    start = Start(
        latents, init.strength, init.exact_steps, init.noise_multiplier, mask,
        init.mask is not None and init.mask.soft,
    )  # fmt: skip
    painted = None
    if frame.mask is not None:  # with latent upscale the start has another size than the mask
        seen = resized(frame.start, *frame.mask.size, "just resize")
        painted = tensor(seen), tensor(frame.mask)
    view = frame.pasted if frame.crop else None
    made = yield Turn(request, bench.model, start, turns, painted, view)
    assert made is not None
    return _laid_in(bench.decode(made.latents), frame, notes)


def _content(
    bench: Bench,
    request: GenerationRequest,
    init: InitImage,
    batch: int,
    latents: Tensor,
    mask: Tensor,
) -> Tensor:
    """`latents` (1, C, h, w) with what stands under the mask (1, 1, h, w) at the start."""
    content = init.mask.content if init.mask else "original"
    if content == "latent nothing":
        return latents * (1 - mask)
    if content == "latent noise":
        shape = (latents.shape[1], latents.shape[2], latents.shape[3])
        seeds = request.batch_seeds(batch)
        noise = SeededNoise(seeds, shape, bench.device.where, request.rng).draw()
        return latents * (1 - mask) + noise * mask
    return latents


def _laid_in(results: Iterator[Result], frame: Frame, notes: tuple[str, ...]) -> Iterator[Result]:
    """The results in their place in the whole picture."""
    for result in results:
        whole = closed(frame.pasted(opened(result.picture)))
        yield Result(whole, notes + result.notes)
