"""Pictures made larger by an upscaler's name: alone, and as part of a run.

A network sees a picture in tiles. Where memory does not suffice they become smaller, and only when
the smallest do not fit the model in memory is let go.
"""

import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from webui import inputs
from webui.engine.control import Control
from webui.engine.device import Device, free, memory_for, peak_memory, reset_peak
from webui.engine.entries import Entries
from webui.engine.models import Models
from webui.engine.tiling import Canvas, spans
from webui.errors import ExtensionError, InvalidRequest, ModelRefused, NotFinite, OutOfMemory
from webui.events import EngineEvent, Outcome, Picture, Rendered, Skipped, Stage, Warned
from webui.interfaces import (
    LatentResize,
    PictureResize,
    Resize,
    UpscalerFamily,
    UpscalerNetwork,
)
from webui.masking.filling import filled
from webui.request import GenerationRequest, Upscale
from webui.request.sizes import Size, middle, upscaled
from webui.upscalers import UpscalerFile, Upscalers

TILES = (256, 128, 64)  # pixels of a tile's side, the next one where memory did not suffice
OVERLAP = 32  # pixels that neighbours share
BLEND = 16  # pixels of them over which they fade into each other; the rest is cut off
_MOST_PASSES = 3  # of a network that makes pictures too little larger
_MOST_PIXELS = 2**28  # of what a network makes before it is brought to the size: 800 MB

Unwanted = Callable[[], bool]
Made = Generator[EngineEvent, None, Image.Image | None]


class Upscaling:
    def __init__(
        self,
        entries: Entries,
        files: Upscalers,
        device: Device,
        models: Models | None = None,
    ) -> None:
        """`models`: what may be put out of memory where that does not suffice."""
        self._entries = entries
        self._files = files
        self._models = models
        self._device = device

    def find(self, field: str, name: str) -> Resize | UpscalerFile:
        """Raises InvalidRequest, naming `field`, for one that is not there or cannot be used."""
        if name in self._entries.upscalers:
            return self._entries.upscalers[name]
        file = self._files.find(name)
        if file is None:
            files = [each.name for each in self._files.files() if each.problem is None]
            known = ", ".join([*self._entries.upscalers, *files[:20]])
            raise InvalidRequest(field, f"{name!r} is not known; known are {known}")
        if file.problem is not None:
            raise InvalidRequest(field, f"{name} cannot be used: {file.problem}")
        return file

    def enlarged(
        self, field: str, name: str, image: Image.Image, size: Size, unwanted: Unwanted
    ) -> Made:
        """`image` (RGB) at `size`; None if it is wanted no more, which is asked after each tile.

        Raises InvalidRequest, ModelRefused, OutOfMemory, NotFinite, ExtensionError.
        """
        found = self.find(field, name)
        if isinstance(found, LatentResize):
            raise InvalidRequest(field, f"{name} makes latents larger, no pictures; try Lanczos")
        yield Stage("upscaling")
        if isinstance(found, PictureResize):
            with memory_for("making the picture larger"):
                return found.resize(image, size)
        family, failed = self._family(found)
        for text in failed:
            yield Warned(text)
        network = self._load(family, found)
        for _ in range(_MOST_PASSES):
            made = yield from self._pass(field, name, network, image, unwanted)
            if made is None:
                return None
            image = made
            if network.scale == 1 or (image.width >= size[0] and image.height >= size[1]):
                break
        return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)

    def _family(self, file: UpscalerFile) -> tuple[UpscalerFamily, Sequence[str]]:
        """The first that recognises it, and those before it that failed. Raises ModelRefused."""
        failed: list[str] = []
        for each in self._entries.upscaler_families.values():
            try:
                if each.recognises(file):
                    return each, failed
            except ExtensionError as error:
                failed.append(str(error))
        said = "; ".join([f"{file.name}: no upscaler that is known recognises it", *failed])
        raise ModelRefused(said)

    def _load(self, family: UpscalerFamily, file: UpscalerFile) -> UpscalerNetwork:
        where, dtype = self._device.where, self._device.dtype
        try:
            with memory_for(f"loading the upscaler {file.name}"):
                return family.load(file, where, dtype)
        except OutOfMemory:
            if not self._made_room():
                raise
        with memory_for(f"loading the upscaler {file.name}"):
            return family.load(file, where, dtype)

    def _made_room(self) -> bool:
        """Puts the model out of memory, if there is one that may be."""
        return self._models is not None and bool(self._models.unload())

    def _pass(
        self,
        field: str,
        name: str,
        network: UpscalerNetwork,
        image: Image.Image,
        unwanted: Unwanted,
    ) -> Made:
        """Through the network once, in tiles as large as memory lets them be."""
        scale = network.scale
        if image.width * image.height * scale**2 > _MOST_PIXELS:
            raise InvalidRequest(
                field,
                f"{name} would make {image.width * scale} x {image.height * scale} pixels on the "
                f"way, and at most {_MOST_PIXELS} can be; try Lanczos",
            )
        tiles = list(TILES)
        while True:
            try:
                return (yield from tiled(name, network, image, tiles[0], unwanted))
            except OutOfMemory:
                free(self._device)
                if len(tiles) > 1:
                    del tiles[0]
                elif self._made_room():
                    tiles = list(TILES)
                else:
                    raise

    def run(
        self, request: GenerationRequest, asked: Upscale, folder: str | None, control: Control
    ) -> Generator[EngineEvent, None, Outcome]:
        """Makes one picture larger; nothing is generated. Returns "done" or "cancelled": of an
        unfinished one there is nothing to keep."""

        def unwanted() -> bool:
            return control.stop is not None or control.drops(0)

        started = time.perf_counter()
        reset_peak(self._device)
        if folder is None:
            raise InvalidRequest(
                "upscale.picture", "needs a folder of pictures, which is not given"
            )
        for field, name in (("upscaler", asked.upscaler), ("second", asked.second)):
            if name is not None:
                self.find(f"upscale.{field}", name)
        source = inputs.read(Path(folder), "upscale.picture", asked.picture)
        size, wanted = upscaled(asked, *source.size)
        image = yield from self._blended(asked, _colours(source), size, unwanted)
        if image is None and control.stop is None:
            yield Skipped(0, 0)
            return "done"
        if image is None:
            return "cancelled"
        if "A" in source.getbands():
            image.putalpha(source.getchannel("A").resize(size, Image.Resampling.LANCZOS))
        seconds = time.perf_counter() - started
        cut = image.crop(middle(size, wanted))
        yield Rendered(0, picture_of(cut), request, seconds, peak_memory(self._device))
        return "done"

    def _blended(self, asked: Upscale, source: Image.Image, size: Size, unwanted: Unwanted) -> Made:
        """The second upscaler's picture laid over the first one's."""
        share = asked.second_visibility if asked.second is not None else 0.0
        layers: list[Image.Image] = []
        for field, name, shows in (
            ("upscale.upscaler", asked.upscaler, share < 1),
            ("upscale.second", asked.second, share > 0),
        ):
            if name is not None and shows:
                layer = yield from self.enlarged(field, name, source, size, unwanted)
                if layer is None or unwanted():
                    return None
                layers.append(layer)
        return layers[0] if len(layers) == 1 else Image.blend(layers[0], layers[1], share)


def tiled(
    name: str, network: UpscalerNetwork, image: Image.Image, tile: int, unwanted: Unwanted
) -> Made:
    """`image` (RGB) through the network once; None if it is wanted no more.

    Raises OutOfMemory, NotFinite, ModelRefused.
    """
    rows, columns = (
        spans(side, tile, OVERLAP, BLEND, network.scale) for side in (image.height, image.width)
    )
    source = np.asarray(image)
    with memory_for("making the picture larger"):
        canvas = Canvas(rows, columns, network.scale)
    of = len(rows) * len(columns)
    for done, (row, column) in enumerate(canvas.places()):
        yield Stage("upscaling", done, of)
        if unwanted():
            return None
        part = source[row.start : row.stop, column.start : column.stop]
        with memory_for("making the picture larger"):
            canvas.lay(row, column, _seen(name, network, part))
    return Image.fromarray(canvas.pixels)


def _colours(image: Image.Image) -> Image.Image:
    """Without alpha; what cannot be seen takes the colours from around it, so none bleeds out."""
    colours = image.convert("RGB")
    if "A" not in image.getbands():
        return colours
    return filled(colours, image.getchannel("A").point([255] + [0] * 255))


def picture_of(image: Image.Image) -> Picture:
    """RGB or RGBA."""
    alpha = image.getchannel("A").tobytes() if image.mode == "RGBA" else b""
    return Picture(image.width, image.height, image.convert("RGB").tobytes(), alpha)


def _seen(name: str, network: UpscalerNetwork, part: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w, 3) 8-bit -> (h * scale, w * scale, 3) in [0, 1]."""
    pixels = torch.from_numpy(part.astype(np.float32) / 255).permute(2, 0, 1)[None]
    made = network(pixels)[0].permute(1, 2, 0).numpy()
    expected = (part.shape[0] * network.scale, part.shape[1] * network.scale, 3)
    if made.shape != expected:
        raise ModelRefused(f"{name}: it made {made.shape} of {part.shape}, not {expected}")
    if not np.isfinite(made).all():
        raise NotFinite(f"the upscaler {name} made NaN or Inf; --dtype fp32 may help")
    return made
