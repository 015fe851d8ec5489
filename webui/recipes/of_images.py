"""What a text or a request says of pictures -> the form's values.

A part that is there (a mask, a second pass) has all of its values, one that is not has None for
each. A picture's own pixels are in no text: they are found again where this server still has them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from webui.metadata import images, value_of
from webui.recipes.settled import Draft
from webui.request import GenerationRequest

Tab = Literal["txt2img", "img2img", "inpaint", "upscale"]
Kept = Callable[[str], bool]  # sha256 -> whether the picture is in the input store

_WHAT = {
    "init.picture": "the picture that it began with",
    "init.mask.picture": "its mask",
    "upscale.picture": "the picture that was made larger",
}
DONE_AFTERWARDS = "it was done to the finished picture; the Upscale tab does that"
_OF_STRENGTH = "Denoising strength"


def unsaid() -> dict[str, Any]:
    return dict.fromkeys(images.NAMES)


def of_request(draft: Draft, request: GenerationRequest, kept: Kept) -> None:
    """Exact, but for pictures that are not kept any more."""
    draft.values |= {name: value_of(request, name) for name in images.NAMES}
    for name in images.PICTURES:
        sha256 = draft.values[name]
        if sha256 is not None and not kept(sha256):
            draft.values[name] = None
            draft.lose(_label(name), sha256, f"{_WHAT[name]} is not kept here; choose it again")
    if request.hires is not None and request.hires.picture is not None:
        draft.lose("First pass", request.hires.picture, "a form's first pass is made again")


def names_of(given: Mapping[str, str], is_generated: bool) -> dict[str, str]:
    """key -> field, for the keys in `given` that are of pictures, as far as they are understood.

    The strength is the second pass's where there is one. What was done to a finished picture
    belongs to no recipe of a generated one.
    """
    known = {field.metadata: name for name, field in images.DECLARED.items() if field.metadata}
    known |= {key: name for name, (key, _) in images.FLAGS.items()}
    found = {key: known[key] for key in given if key in known}
    if _OF_STRENGTH in given:
        second = any(key.startswith("Hires ") for key in given)
        found[_OF_STRENGTH] = "hires.strength" if second else "init.strength"
    if is_generated:
        found = {key: name for key, name in found.items() if not name.startswith("upscale.")}
    return found


def enlarged_afterwards(draft: Draft, request: GenerationRequest) -> None:
    """Says what was done to the picture that the draft is of."""
    for key, _, value in images.pairs(request):
        draft.lose(key, value, DONE_AFTERWARDS)


def complete(draft: Draft, given: Mapping[str, str], kept: Kept) -> None:
    """After the keys were read: what each part that is there does not say takes A1111's meaning,
    and pictures are looked for."""
    values = draft.values
    if not any(values.get(f"init.outpaint.{side}") for side in ("left", "right", "up", "down")):
        values |= dict.fromkeys(images.defaults("init.outpaint"))  # it would grow nothing
    there = {images.part_of(name) for name in images.NAMES if values.get(name) is not None}
    there |= {"init"} if any(part.startswith("init.") for part in there) else set()
    there |= {"init"} if images.INIT_HASH in given else set()
    for part in sorted(there):
        for name, default in images.defaults(part).items():
            if values.get(name) is None:
                values[name] = default
    if "init" in there:
        _find(draft, given.get(images.INIT_HASH, ""), kept)
    if "init.mask" in there:
        draft.lose("Mask", "", "it is not in the text; paint it again, or load it")
    if "upscale" in there:
        draft.lose(_label("upscale.picture"), "", "it is not in the text; choose it again")


def tab(values: Mapping[str, Any]) -> Tab:
    """Where a form for these values is."""
    there = {images.part_of(name) for name in images.NAMES if values.get(name) is not None}
    if "upscale" in there:
        return "upscale"
    if there & {"init.mask", "init.outpaint"}:
        return "inpaint"
    return "img2img" if any(part.startswith("init") for part in there) else "txt2img"


def _find(draft: Draft, name: str, kept: Kept) -> None:
    if kept(name):
        draft.values["init.picture"] = name
    else:
        draft.lose(
            _label("init.picture"), name, "the picture itself is not in the text; choose it again"
        )


def _label(name: str) -> str:
    return {"init.picture": images.INIT_HASH, "init.mask.picture": "Mask"}.get(name, "Picture")
