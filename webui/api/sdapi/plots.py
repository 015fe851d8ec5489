"""A1111's script "X/Y/Z plot" as the controls of the extension of that name.

Its arguments are by place, the axes as A1111 1.10 counts those of a tab, or by their labels; how
the seeds vary came in with 1.8, before that the margin stood there.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from webui.api.sdapi import reading
from webui.api.sdapi.script import BOTH, Argument, Flat, Script, anything
from webui.errors import InvalidRequest
from webui.fields import ChoiceField, shown

GROUP = "xyz_plot"
NAME = "x/y/z plot"
LABELS = (  # of the arguments, for script-info
    "X type", "X values", "X values", "Y type", "Y values", "Y values", "Z type", "Z values",
    "Z values", "Draw legend", "Include Sub Images", "Include Sub Grids", "Keep -1 for seeds",
    "Vary seeds for X", "Vary seeds for Y", "Vary seeds for Z", "Grid margins (px)",
    "Use text inputs instead of dropdowns",
)  # fmt: skip
_AXES = (
    "Nothing", "Seed", "Var. seed", "Var. strength", "Steps", "Hires steps", "CFG Scale",
    "Image CFG Scale", "Prompt S/R", "Prompt order", "Sampler", "Hires sampler", "Sampler",
    "Checkpoint name", "Negative Guidance minimum sigma", "Sigma Churn", "Sigma min", "Sigma max",
    "Sigma noise", "Schedule type", "Schedule min sigma", "Schedule max sigma", "Schedule rho",
    "Beta schedule alpha", "Beta schedule beta", "Eta", "Clip skip", "Denoising",
    "Initial noise multiplier", "Extra noise", "Hires upscaler", "Cond. Image Mask Weight", "VAE",
    "Styles", "UniPC Order", "Face restore", "Token merging ratio",
    "Token merging ratio high-res", "Always discard next-to-last sigma", "SGM noise multiplier",
    "Refiner checkpoint", "Refiner switch at", "RNG source", "FP8 mode", "Size",
)  # fmt: skip
_OF_TXT2IMG = (5, 10, 11, 30)  # places in the list of both
_OF_IMG2IMG = (7, 12, 31)
_OURS = {"unipc order": "Solver order"}
_ALL = 3 * 3  # arguments of the three axes
_FLAGS = ("legend", "", "", "keep_random")


def scripts() -> list[Script]:
    """One for each tab, for A1111 counts the axes of each."""
    return [
        Script(NAME, _arguments(tab), partial(_fill, tab == "img2img"), tabs=(tab,)) for tab in BOTH
    ]


def _arguments(tab: str) -> tuple[Argument, ...]:
    types = axes(tab == "img2img")
    return tuple(
        Argument(
            label,
            anything,
            None,
            own=ChoiceField(
                name="type", label=label, help=".", default=types[0], choices=tuple(types)
            )
            if "type" in label
            else None,
        )
        for label in LABELS
    )


def _fill(img2img: bool, flat: Flat, given: Sequence[Any]) -> None:
    """Raises InvalidRequest, naming the argument."""
    flat[f"extras.{GROUP}.on"] = True
    for place, letter in enumerate("xyz"):
        kind, values, chosen = (*given[3 * place : 3 * place + 3], None, None, None)[:3]
        flat[f"extras.{GROUP}.{letter}_axis"] = _axis(f"{letter}_type", kind, img2img)
        flat[f"extras.{GROUP}.{letter}_values"] = _values(f"{letter}_values", values, chosen)
    flat |= {f"extras.{GROUP}.{name}": value for name, value in _rest(given[_ALL:])}


def lone_images(body: Mapping[str, Any]) -> bool:
    """Whether a call wants the pictures beside the grid: where it asks for a plot by A1111's
    script, as that one's argument says; A1111's page has them off."""
    name, given = body.get("script_name"), body.get("script_args")
    if not isinstance(name, str) or name.casefold() != NAME:
        return True
    return isinstance(given, list) and len(given) > _ALL + 1 and given[_ALL + 1] is True


def axes(img2img: bool) -> list[str]:
    """Their labels, as A1111 counts them."""
    others = _OF_TXT2IMG if img2img else _OF_IMG2IMG
    return [label for place, label in enumerate(_AXES) if place not in others]


def _axis(name: str, kind: object, img2img: bool) -> str:
    known = axes(img2img)
    if kind is None or kind == "":
        return known[0]
    if isinstance(kind, str):
        return _OURS.get(kind.casefold(), kind)
    if isinstance(kind, bool) or not isinstance(kind, int) or not 0 <= kind < len(known):
        raise InvalidRequest(
            f"script_args: {name}",
            f"must be an axis' name or its number from 0 to {len(known) - 1}, got {shown(kind)}",
        )
    return _OURS.get(known[kind].casefold(), known[kind])


def _values(name: str, values: object, chosen: object) -> str:
    """The text; where it is empty, what is chosen in A1111's menu."""
    text = "" if values is None else reading.text(f"script_args: {name}", values)
    if text.strip() or not chosen:
        return text
    listed = reading.json_list(f"script_args: {name}", chosen)
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(
        reading.text(f"script_args: {name}", each) for each in listed
    )
    return line.getvalue()


def _rest(given: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for name, value in zip(_FLAGS, given, strict=False):
        if name and value is not None:
            yield name, reading.flag(f"script_args: {name}", value)
    after = list(given[len(_FLAGS) :])
    if after and isinstance(after[0], bool):
        for letter, value in zip("xyz", after, strict=False):
            if value is not None:
                yield f"vary_{letter}", reading.flag(f"script_args: vary_{letter}", value)
        after = after[3:]
    if after and after[0] is not None:
        yield "margin", reading.whole("script_args: margin_size", after[0])
