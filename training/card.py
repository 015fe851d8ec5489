"""The model card: what the model is made of and from, what it understands, and its measures.

Everything that can be read from what was trained is; the rest stands here, once.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open

from training import sources
from training.emoji import Emoji
from training.evaluation import table
from training.evaluation.table import Row
from training.presets import Preset
from training.scenes import COLOURS

EXAMPLES = tuple(Path(__file__).with_name("examples.txt").read_text("utf-8").splitlines())
_SAMPLED = f"DPM++ 2M Karras, 20 steps, guidance {table.GUIDANCE:g}"
_PARTS = {"unet": "UNet", "text_encoder": "text encoder", "vae": "autoencoder"}
_STEPS = {"vae": "autoencoder", "words": "text encoder alone", "unet": "UNet",
          "tiny": "decoder for previews"}  # fmt: skip


def card(
    model: Path, trained: Path, preset: Preset, known: Sequence[Emoji], rows: Sequence[Row]
) -> str:
    """Of the exported `model`; `trained` is the folder with the states of its training. In
    Markdown. Raises OSError if a part of the model is missing."""
    parts = [
        _head(model, preset),
        _understood(preset, known),
        _short(preset, rows),
        f"## Examples\n\n{_SAMPLED}:\n\n"
        + "\n".join(f"- {prompt}" for prompt in EXAMPLES),
        _measured(rows),
        _made(trained, preset),
        "## Made from\n\n| package | what | licence |\n| --- | --- | --- |\n"
        + "\n".join(f"| {kind} `{name}` {version} | {what} | {licence} |"
                    for kind, name, version, what, licence in sources.PACKAGES)
        + "\n\nThe weights are under Apache-2.0.",
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def beside(preset: Preset) -> str:
    """The text beside the folder: what a page says of the model, and the guidance that suits it."""
    said = {
        "description": f"Draws emoji at {preset.pixels} pixels: "
        "“panda”, “red apple on a blue background”.",
        "default_settings": {"cfg_scale": table.GUIDANCE},
    }
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"


def _head(model: Path, preset: Preset) -> str:
    counts = [f"{name} {_count(model / part) / 1e6:.1f}" for part, name in _PARTS.items()]
    weights = sum(path.stat().st_size for path in model.rglob("*.safetensors")) / 1e6
    pixels, latent = (f"{side} x {side}" for side in (preset.pixels, preset.latent))
    return f"""---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
---

# {model.name}

A latent diffusion model of Stable Diffusion's kind, small enough to run anywhere: {pixels} pixels,
latents of 4 x {latent}, velocity as the prediction, CLIP's vocabulary. Millions of weights:
{", ".join(counts)}; {weights:.1f} MB in half precision."""


def _understood(preset: Preset, known: Sequence[Emoji]) -> str:
    familiar = sum(each.familiar for each in known)
    styles = "\n- `flat` and `3d`, for the two styles." if preset.flat_share else ""
    told = ", in their places and too blurred to be told" if preset.grid else ""
    return f"""## What it understands

- {len(known)} things by Unicode's names for them ("red apple", "cat face"), and by other names and
  tags; {familiar} of them, animals, plants, food, faces and some objects, it has seen the most of.
- `on a COLOUR background`: {", ".join(COLOURS)};
  `on a blue and pink gradient background`.
- `small`, `large`; `on the left`, `on the right`, `at the top`, `at the bottom`.
- Two things with `and`, `next to`, `above`, `below`, `to the left of`;
  three as in `a, b and c`{told}.{styles}"""


def _short(preset: Preset, rows: Sequence[Row]) -> str:
    lines = ["It has seen nothing but emoji: no photographs, no scenes, no writing, no persons."]
    if preset.grid:
        lines += [
            f"Other sizes than {preset.pixels} x {preset.pixels} come out as patchwork.",
            "A thing looks nearly the same with every seed: it had one picture to be learnt from.",
            "More weight on a thing changes little, and at 3 may bring less of it; on a ground's"
            " colour nothing.",
            "Small things at a side, and things on a gradient, are often another thing.",
            "Where it looks at single words says little of where things are: it looks at what the"
            " text encoder says after a caption's end, patch by patch.",
        ]
    lines += [
        f"{row.measure}: {row.shown()}, where {row.aimed()} was the aim."
        for row in rows
        if row.aim is not None and row.value < row.aim
    ]
    return "## What it does not\n\n" + "\n".join(f"- {line}" for line in lines)


def _measured(rows: Sequence[Row]) -> str:
    return f"""## Measured

{_SAMPLED}, fixed seeds; `training/evaluation` says what each counts.

{table.markdown(rows)}"""


def _made(trained: Path, preset: Preset) -> str:
    lines = [f"`python -m training --preset {preset.name}`, from the packages below:", ""]
    older = False
    for name, what in _STEPS.items():
        if (trained / f"{name}.pt").exists():
            state = torch.load(trained / f"{name}.pt", weights_only=True, mmap=True)
            lines.append(f"- {what}: {state['trained']:.0f} minutes, {state['step']} steps")
            older = older or "bridge.weight" in state["parts"].get("network", {})
    if older:
        lines += ["", "It began with an older model's weights, trained on the same emoji."]
    return "## How it was made\n\n" + "\n".join(lines)


def _count(part: Path) -> int:
    total = 0
    for path in part.glob("*.safetensors"):
        with safe_open(path, "pt") as weights:
            for key in weights.keys():  # noqa: SIM118 - it is no dictionary
                size = 1
                for side in weights.get_slice(key).get_shape():
                    size *= side
                total += size
    return total
