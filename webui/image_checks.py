"""What a request says of pictures, held against the pictures that are kept and the limits.

Knows neither jobs nor who asks.
"""

from collections.abc import Iterator
from dataclasses import replace

from webui.errors import InvalidRequest
from webui.fields import FIELDS
from webui.inputs import Inputs
from webui.library import ModelEntry
from webui.masking import grown_size
from webui.request import GenerationRequest, InitImage
from webui.request.sizes import in_tiles, second_pass, tile_count, upscaled

Size = tuple[int, int]  # width, height in pixels
_MOST_TILES = 1024  # each is sampled on its own


def named(request: GenerationRequest) -> Iterator[tuple[str, str]]:
    """(field, sha256) of each picture that it names."""
    init, hires, upscale = request.init, request.hires, request.upscale
    if init is not None:
        yield "init.picture", init.picture
        if init.mask is not None:
            yield "init.mask.picture", init.mask.picture
    if hires is not None and hires.picture is not None:
        yield "hires.picture", hires.picture
    if upscale is not None:
        yield "upscale.picture", upscale.picture


def check_kept(inputs: Inputs, request: GenerationRequest) -> None:
    """Before a request is run again as it stands: raises InvalidRequest, naming the field, for a
    picture that is not kept any more."""
    for field, sha256 in named(request):
        if inputs.path(sha256) is None:
            raise InvalidRequest(
                field,
                "names a picture that is not kept here any more; send the same file in again (on "
                "the page: drop it on the img2img tab), then run this again",
            )


def sizes(inputs: Inputs, request: GenerationRequest) -> dict[str, Size]:
    """field -> the size of the picture that it names. Raises InvalidRequest for one that is not
    kept here, and for a mask of another size than its picture."""
    found = {field: inputs.size(field, sha256) for field, sha256 in named(request)}
    mask = found.get("init.mask.picture", found.get("init.picture"))
    if mask != found.get("init.picture"):
        raise InvalidRequest(
            "init.mask.picture",
            f"must have the picture's size, {_shown(found['init.picture'])}, got {_shown(mask)}",
        )
    return found


def working_size(
    request: GenerationRequest, found: dict[str, Size], entry: ModelEntry
) -> Size | None:
    """What width and height are where nobody says: the picture's, on the model's grid, where all of
    it is made at once; else None."""
    if "hires.picture" in found:
        return found["hires.picture"]
    init = request.init
    if init is None or init.tiles is not None:
        return None
    if init.mask is not None and init.mask.area == "only masked":
        return None
    size = found["init.picture"]
    if init.outpaint is not None:
        size = grown_size(size, init.outpaint)
    return _on_grid(size[0], "width", entry), _on_grid(size[1], "height", entry)


def check_size(request: GenerationRequest, entry: ModelEntry, max_pixels: int) -> None:
    """Raises InvalidRequest for a size off the model's grid, or more than the limit."""
    factor = entry.scale_factor
    for name, size in (("width", request.width), ("height", request.height)):
        if size % factor:
            near = max(factor, (size + factor // 2) // factor * factor)
            raise InvalidRequest(
                name, f"must be a multiple of {factor} for {entry.name}, got {size}; try {near}"
            )
    area, batch = request.width * request.height, min(request.batch_size, request.images)
    if area > max_pixels:
        raise InvalidRequest(
            "width",
            f"x height must be at most {max_pixels} pixels (--max-pixels), "
            f"got {request.width} x {request.height}",
        )
    if area * batch > max_pixels:
        raise InvalidRequest(
            "batch_size",
            f"at {request.width} x {request.height} must be at most {max_pixels // area} "
            f"(--max-pixels), got {batch}",
        )


def check_final(
    request: GenerationRequest, found: dict[str, Size], entry: ModelEntry, max_pixels: int
) -> None:
    """Raises InvalidRequest for what would become larger than the limit, and for a first pass of
    another size than the request's."""
    first = found.get("hires.picture")
    if first is not None and first != (request.width, request.height):
        wanted = _shown((request.width, request.height))
        raise InvalidRequest("hires.picture", f"must have {wanted} pixels, got {_shown(first)}")
    batch = min(request.batch_size, request.images)
    for field, (width, height), at_once in _final(request, found, entry):
        many = batch if at_once else 1
        if width * height * many > max_pixels:
            times = f" x {many} at once" if many > 1 else ""
            raise InvalidRequest(
                field,
                f"would make {width} x {height} pixels{times}; "
                f"at most {max_pixels} in all are allowed (--max-pixels)",
            )
    if request.init is not None:
        _check_begun(request, request.init, found["init.picture"], entry, max_pixels)


def _check_begun(
    request: GenerationRequest, init: InitImage, size: Size, entry: ModelEntry, max_pixels: int
) -> None:
    """Raises InvalidRequest for a picture that is too large to be encoded as it is, and for tiles
    that nobody would wait for."""
    cut = init.outpaint is not None or (init.mask is not None and init.mask.area == "only masked")
    whole = init.resize == "latent upscale" and not init.tiles and not cut
    if whole and size[0] * size[1] > max_pixels:
        raise InvalidRequest(
            "init.resize",
            f"latent upscale encodes the picture in its own size, {_shown(size)}; at most "
            f"{max_pixels} pixels are allowed (--max-pixels); try just resize",
        )
    if init.tiles is None:
        return
    sides, overlap = (request.width, request.height), init.tiles.overlap
    cell, larger = entry.scale_factor, in_tiles(init.tiles, *size, entry.scale_factor)
    columns, rows = (
        tile_count(whole // cell, side // cell, overlap // cell)
        for whole, side in zip(larger, sides, strict=True)
    )
    if columns * rows > _MOST_TILES:
        raise InvalidRequest(
            "init.tiles.overlap",
            f"gives {columns} x {rows} tiles of {_shown(sides)}; at most {_MOST_TILES} in all can "
            "be made; try less overlap or larger tiles",
        )


def _final(
    request: GenerationRequest, found: dict[str, Size], entry: ModelEntry
) -> Iterator[tuple[str, Size, bool]]:
    """(field, size, whether a batch has it at once) of what pictures become."""
    init, hires, upscale = request.init, request.hires, request.upscale
    if hires is not None:
        size, _ = second_pass(hires, request.width, request.height, entry.scale_factor)
        given = "hires.width" if hires.width or hires.height else "hires.scale"
        yield given, size, True
    if upscale is not None:
        size, _ = upscaled(upscale, *found["upscale.picture"])
        given = "upscale.width" if upscale.width or upscale.height else "upscale.scale"
        yield given, size, False
    if init is not None and init.outpaint is not None:
        yield "init.outpaint", grown_size(found["init.picture"], init.outpaint), False
    if init is not None and init.tiles is not None:
        width, height = found["init.picture"]
        scale = init.tiles.scale
        yield "init.tiles.scale", (round(width * scale), round(height * scale)), False


def with_size(request: GenerationRequest, size: Size, given: set[str]) -> GenerationRequest:
    """Of that size where nobody said another."""
    width = request.width if "width" in given else size[0]
    height = request.height if "height" in given else size[1]
    return replace(request, width=width, height=height)


def _on_grid(length: int, side: str, entry: ModelEntry) -> int:
    """The nearest multiple of the model's cells, at least what the field allows."""
    cell = entry.scale_factor
    return max(_least(side), cell, (length + cell // 2) // cell * cell)


def _least(side: str) -> int:
    return int(getattr(FIELDS[side], "minimum", 1))


def _shown(size: Size | None) -> str:
    return "none" if size is None else f"{size[0]} x {size[1]}"
