"""What a LoRA file says of itself in its header: family, rank, trigger words. Nothing is believed.

`ss_` keys are those of Kohya's sd-scripts, `modelspec.` those of Stability's model metadata
specification, `lora_adapter_metadata` is diffusers' copy of PEFT's config.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from webui.fields import shown
from webui.files import printable
from webui.library.problem import ProblemError
from webui.library.structure import mistaken
from webui.loras.entries import LoraEntry, Stamp
from webui.loras.keys import (
    NETWORKS,
    SECOND_TEXT,
    TEXT,
    TRANSFORMER,
    UNET,
    Change,
    Target,
    changes,
    networks,
)
from webui.safetensors_header import Header, precision

_FAMILY_OF_CONTEXT = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "refiner"}
_FAMILY_OF_TEXT = {768: "sd1", 1024: "sd2"}
_SD3 = (1536, 2432)  # what its blocks work on, of the medium and the large ones
_OTHER_WIDTH = 3072  # of Flux and Qwen-Image, whose blocks have the same names
_FAMILY_SAID = (  # how what it was trained on begins
    ("stable-diffusion-xl-v1-refiner", "refiner"), ("stable-diffusion-xl", "sdxl"),
    ("stable-diffusion-v1", "sd1"), ("stable-diffusion-v2", "sd2"),
    ("stable-diffusion-3", "sd3"), ("stable-diffusion-v3", "sd3"), ("sd3", "sd3"),
    ("sdxl", "sdxl"), ("sd_v1", "sd1"), ("sd_v2", "sd2"),
)  # fmt: skip
_MOST_WORDS = 20
_LONGEST = 200  # characters of a word or title
_MOST_CONFIG = 2**16  # bytes of a config beside the file
_HEX = set("0123456789abcdef")


class Scale(NamedTuple):
    """What a network's changes are multiplied by, where the file has no alpha for each."""

    alpha: float
    rank: int = 1  # of a LoKr that is written without one
    patterns: Mapping[str, float] = {}  # part of a module's place -> another alpha
    by_root: bool = False  # alpha / sqrt(rank) (rsLoRA, arXiv:2312.03732) instead of alpha / rank

    def of(self, change: Change) -> float:
        rank = change.rank or self.rank
        named = (alpha for part, alpha in self.patterns.items() if _ends(change.module, part))
        alpha = next(named, self.alpha)
        return alpha / (math.sqrt(rank) if self.by_root else rank)


def entry(name: str, path: Path, stamp: Stamp, header: Header) -> LoraEntry:
    """Raises ProblemError for a file that cannot be used."""
    try:
        found = changes(header)
    except ProblemError as problem:
        raise ProblemError(mistaken(header, "lora") or str(problem)) from None
    _check_width(found)
    metadata = header.metadata
    check_scales(header, path)
    ranks = Counter(each.rank for each in found.values() if each.rank)
    return LoraEntry(
        name=name,
        path=path,
        stamp=stamp,
        size_bytes=stamp[2],
        family=family(found, metadata),
        kinds=tuple(sorted({each.kind for each in found.values()})),
        rank=ranks.most_common(1)[0][0] if ranks else None,
        changed=len(found),
        networks=networks(found),
        precision=precision(header.tensors.values()),
        title=_short(metadata.get("modelspec.title", "")),
        alias=_short(metadata.get("ss_output_name", "")),
        trigger_words=_trigger_words(metadata),
        hash=_said_hash(metadata),
        notes=_notes(header),
    )


def family(found: Mapping[Target, Change], metadata: Mapping[str, str]) -> str:
    """By the width of the texts that the UNet looks at, else of the text encoder, else as said; of
    a transformer by the names of its blocks, else by how wide they are."""
    for target, change in found.items():
        if target.network == UNET and target.place.endswith(("attn2_to_k", "attn2_to_v")):
            return _FAMILY_OF_CONTEXT.get(_inputs(change), _said_family(metadata))
    there = networks(found)
    if TRANSFORMER in there:
        named = any(target.place.startswith("joint_blocks_") for target in found)
        wide = any(_width(*each) in _SD3 for each in found.items())
        return "sd3" if named or wide else _said_family(metadata)
    if SECOND_TEXT in there:
        return "sdxl" if TEXT in there else _said_family(metadata)
    for target, change in found.items():
        if target.network == TEXT and target.place.endswith(("q_proj", "k_proj", "v_proj")):
            said = _said_family(metadata)
            return said or _FAMILY_OF_TEXT.get(_inputs(change), "")
    return _said_family(metadata)


def _check_width(found: Mapping[Target, Change]) -> None:
    """Raises ProblemError for a transformer whose blocks have the same names as a known one's."""
    for target, change in found.items():
        if _width(target, change) == _OTHER_WIDTH:
            key = next(iter(change.keys.values()))
            raise ProblemError(
                f"it is a LoRA for Flux or Qwen-Image, which cannot be used yet: {shown(key)}"
            )


def _width(target: Target, change: Change) -> int:
    """What a transformer's block works on, where the change tells it; else 0."""
    ends = ("attn_to_q", "attn_to_k", "attn_to_v", "attn_add_q_proj")
    told = target.network == TRANSFORMER and target.place.endswith(ends)
    return _inputs(change) if told else 0


def _inputs(change: Change) -> int:
    """How wide what goes into the changed weight is; 0 if its parts do not say."""
    shapes = change.shapes
    match change.kind:
        case "LoRA":
            return shapes["down"][1]
        case "LoHa":
            return shapes["w1_b"][1]
        case "full":
            return shapes["diff"][1]
        case "LoKr":
            first, second = (shapes.get(f"{each}_b", shapes.get(each)) for each in ("w1", "w2"))
            return first[1] * second[1] if first and second else 0


def _said_family(metadata: Mapping[str, str]) -> str:
    for key in ("modelspec.architecture", "ss_base_model_version"):
        said = metadata.get(key, "").casefold()
        for start, name in _FAMILY_SAID:
            if said.startswith(start):
                return name
    return ""


def check_scales(header: Header, path: Path) -> dict[str, Scale]:
    """By network, "" for all. Raises ProblemError if they ask for what is not built here."""
    said = _json(header.metadata.get("lora_adapter_metadata", ""))
    if not said and path.name == "adapter_model.safetensors":  # as PEFT itself saves
        said = _beside(path.with_name("adapter_config.json"))
    scales = {}
    for network in (*NETWORKS, ""):
        prefix = f"{network}." if network else ""
        values = {key.removeprefix(prefix): said[key] for key in said if key.startswith(prefix)}
        if values.get("use_dora"):
            raise ProblemError("it is DoRA, which cannot be used: its metadata says use_dora")
        if (alpha := _number(values.get("lora_alpha", values.get("alpha")))) is not None:
            patterns = values.get("alpha_pattern")
            known = patterns if isinstance(patterns, dict) else {}
            others = {key: _number(each) for key, each in known.items()}
            numbers = {key: each for key, each in others.items() if each is not None}
            rank = values.get("r")
            known_rank = rank if type(rank) is int and rank > 0 else 1
            scales[network] = Scale(alpha, known_rank, numbers, values.get("use_rslora") is True)
    return scales


def _ends(module: str, part: str) -> bool:
    return module == part or module.endswith(f".{part}")


def _number(value: object) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known and math.isfinite(value) else None  # type: ignore[arg-type]


def _beside(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return _json(file.read(_MOST_CONFIG).decode("utf-8", "replace"))
    except OSError:
        return {}


def _trigger_words(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """What its author says, else the tags that it was trained with, the most used first."""
    phrase = metadata.get("modelspec.trigger_phrase", "")
    if said := [_short(each) for each in phrase.split(",") if each.strip()]:
        return tuple(said[:_MOST_WORDS])
    counts: Counter[str] = Counter()
    for folder in _json(metadata.get("ss_tag_frequency", "")).values():
        for tag, count in folder.items() if isinstance(folder, dict) else ():
            if isinstance(count, int) and tag.strip():
                counts[tag.strip()] += count
    return tuple(_short(tag) for tag, _ in counts.most_common(_MOST_WORDS))


def _said_hash(metadata: Mapping[str, str]) -> str:
    said = metadata.get("sshs_model_hash", "").casefold()
    return said if len(said) == 64 and set(said) <= _HEX else ""


def _notes(header: Header) -> tuple[str, ...]:
    if any(key.startswith("bundle_emb.") for key in header.tensors):
        return ("It holds embeddings besides, which are not read.",)
    return ()


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _short(text: str) -> str:
    return printable(text.strip()[:_LONGEST])
