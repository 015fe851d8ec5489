"""A request as the "parameters" text that A1111 and its many readers know.

    prompt, may have lines
    Negative prompt: may have lines           (left out if empty)
    Steps: 20, Sampler: ..., Version: ...     (always one line, the last)

Exact unless a line of the prompt begins with "Negative prompt:"; our own JSON stands beside it in
the file for that.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from webui.fields import FIELDS
from webui.request import GenerationRequest

HASH_DIGITS = 10
TI_HASH_DIGITS = 12
# A1111 has names of its own for these
_KEYS = {
    ("DDIM", "sampling.eta"): "Eta DDIM",
    ("DDIM CFG++", "sampling.eta"): "Eta DDIM",
    ("UniPC", "sampling.order"): "UniPC order",
    ("UniPC", "sampling.solver_type"): "UniPC variant",
}
_NOTE = re.compile(r"(\w[\w \-/]+): (.+)", re.DOTALL)  # a key as A1111's reader knows it


def parameters_text(
    request: GenerationRequest, model_hash: str, version: str, notes: Sequence[str] = ()
) -> str:
    """`model_hash` is the sha256 of the weights, or "" if unknown.

    A note "key: value" stands under its key, any other under "Notes".
    """
    pairs: list[tuple[str, object]] = [
        ("Steps", request.steps),
        ("Sampler", request.sampler),
        ("Schedule type", request.schedule),
        ("CFG scale", _number(request.guidance_scale)),
        ("Seed", request.seed),
        ("Size", f"{request.width}x{request.height}"),
        ("Model hash", model_hash[:HASH_DIGITS]),
        ("Model", request.model),
        *_noise(request),
        ("Clip skip", request.clip_skip if request.clip_skip > 1 else ""),
        # A1111's default is the noise of its graphics card, which is our nv
        ("RNG", request.rng.upper() if request.rng != "nv" else ""),
        *_options(request),
        *_embeddings(request),
        ("Emphasis", request.emphasis.capitalize() if request.emphasis != "original" else ""),
        *_noted(notes),
        ("Version", f"darkroom-{version}"),
    ]
    last = ", ".join(f"{key}: {_quoted(value)}" for key, value in pairs if value != "")
    lines = [request.prompt]
    if request.negative_prompt:
        lines.append(f"Negative prompt: {request.negative_prompt}")
    return "\n".join([*lines, last])


def _noise(request: GenerationRequest) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    if request.variation is not None and request.variation.strength != 0:
        pairs.append((_key("variation.seed"), request.variation.seed))
        pairs.append((_key("variation.strength"), _number(request.variation.strength)))
    if request.seed_resize is not None:
        width, height = request.seed_resize
        pairs.append(("Seed resize from", f"{width}x{height}"))
    return pairs


def _options(request: GenerationRequest) -> list[tuple[str, object]]:
    """What is not left to the sampler's and the schedule's defaults."""
    pairs: list[tuple[str, object]] = []
    for part in ("sampling", "schedule_options"):
        for name, value in asdict(getattr(request, part)).items():
            if name == "sigmas" or value is None:
                continue
            field = f"{part}.{name}"
            key = _KEYS.get((request.sampler, field)) or _key(field)
            pairs.append((key, _number(value) if isinstance(value, float) else value))
    own = request.schedule_options.sigmas
    if own is not None:
        pairs.append(("Sigmas", " ".join(str(_number(sigma)) for sigma in own)))
    return pairs


def _embeddings(request: GenerationRequest) -> list[tuple[str, object]]:
    """A1111's hashes: the first 12 digits of each file's sha256, under its name."""
    hashes = [
        f"{re.sub('[:,]', '', name)}: {digest[:TI_HASH_DIGITS]}"
        for name, digest in request.embeddings.items()
    ]
    return [("TI hashes", ", ".join(hashes))]


def _key(field: str) -> str:
    return FIELDS[field].metadata or ""


def _noted(notes: Sequence[str]) -> list[tuple[str, object]]:
    keyed = [_NOTE.fullmatch(note) for note in notes]
    plain = [note for note, match in zip(notes, keyed, strict=True) if not match]
    pairs: list[tuple[str, object]] = [(match[1], match[2]) for match in keyed if match]
    return pairs + ([("Notes", "; ".join(plain))] if plain else [])


def _number(value: float) -> object:
    """7, not 7.0; else as many digits as it takes."""
    return int(value) if value.is_integer() else value


def _quoted(value: object) -> str:
    text = str(value)
    if any(character in text for character in ",:\n\r") or text.startswith('"'):
        return json.dumps(text, ensure_ascii=False)
    return text


def read_parameters(path: Path) -> str | None:
    """The text in a PNG file; None if there is none, or no such file. Reads no pixels."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            text = image.info.get("parameters")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return str(text) if text is not None else None
