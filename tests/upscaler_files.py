"""Small upscalers' files with random weights, under the names that real ones have."""

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

Weights = dict[str, np.ndarray]


def esrgan(
    *, features: int = 4, growth: int = 2, blocks: int = 1, ups: int = 2, unshuffle: int = 1,
    seed: int = 0,
) -> Weights:  # fmt: skip
    """RRDBNet under the names of Real-ESRGAN's code."""
    made, random = {}, np.random.default_rng(seed)

    def convolution(name: str, outputs: int, inputs: int) -> None:
        spread = 1 / (3 * inputs**0.5)
        made[f"{name}.weight"] = random.normal(0, spread, (outputs, inputs, 3, 3)).astype("f4")
        made[f"{name}.bias"] = random.normal(0, 0.1, outputs).astype("f4")

    convolution("conv_first", features, 3 * unshuffle**2)
    for block in range(blocks):
        for dense in (1, 2, 3):
            for k in (1, 2, 3, 4, 5):
                outputs = features if k == 5 else growth
                inputs = features + (k - 1) * growth
                convolution(f"body.{block}.rdb{dense}.conv{k}", outputs, inputs)
    convolution("conv_body", features, features)
    for k in range(ups):
        convolution(f"conv_up{k + 1}", features, features)
    convolution("conv_hr", features, features)
    convolution("conv_last", 3, features)
    return made


def repeating(ups: int = 2, features: int = 4) -> Weights:
    """An RRDBNet that repeats pixels: each convolution hands on three channels, the rest is 0."""
    made = {name: np.zeros_like(each) for name, each in esrgan(ups=ups, features=features).items()}
    for name, weight in made.items():
        if name.endswith(".weight") and not name.startswith(("body.", "conv_body")):
            for channel in range(3):
                weight[channel, channel, 1, 1] = 1
    return made


def compact(*, features: int = 4, blocks: int = 2, scale: int = 4, seed: int = 0) -> Weights:
    """SRVGGNetCompact under its own names."""
    random = np.random.default_rng(seed)
    made = {}
    widths = [3, *([features] * (blocks + 1)), 3 * scale**2]
    for k, (inputs, outputs) in enumerate(pairwise(widths)):
        shape, spread = (outputs, inputs, 3, 3), 1 / (3 * inputs**0.5)
        made[f"body.{2 * k}.weight"] = random.normal(0, spread, shape).astype("f4")
        made[f"body.{2 * k}.bias"] = random.normal(0, 0.02, outputs).astype("f4")
        if k <= blocks:
            made[f"body.{2 * k + 1}.weight"] = random.uniform(0, 0.5, features).astype("f4")
    return made


def second_code(weights: Mapping[str, np.ndarray]) -> Weights:
    """ESRGAN's weights under the names of its second code (BSRGAN, RealSR)."""
    names = (
        (r"body\.(\d+)\.rdb(\d)", r"RRDB_trunk.\1.RDB\2"),
        (r"^conv_body", "trunk_conv"),
        (r"^conv_up", "upconv"),
        (r"^conv_hr", "HRconv"),
    )
    return {_renamed(name, names): weight for name, weight in weights.items()}


def first_code(weights: Mapping[str, np.ndarray]) -> Weights:
    """ESRGAN's weights under the names of its first code, which numbers its parts."""
    ups = sum(re.fullmatch(r"conv_up\d\.weight", name) is not None for name in weights)
    blocks = sum(name.endswith("rdb1.conv1.weight") for name in weights)
    last = 2 + 3 * ups  # a doubling is three parts: larger, convolution, activation
    names = (
        (r"^conv_first", "model.0"),
        (r"^body\.(\d+)\.rdb(\d)\.conv(\d)", r"model.1.sub.\1.RDB\2.conv\3.0"),
        (r"^conv_body", f"model.1.sub.{blocks}"),
        *((f"^conv_up{k + 1}", f"model.{3 + 3 * k}") for k in range(ups)),
        (r"^conv_hr", f"model.{last}"),
        (r"^conv_last", f"model.{last + 2}"),
    )
    return {_renamed(name, names): weight for name, weight in weights.items()}


def _renamed(name: str, names: tuple[tuple[str, str], ...]) -> str:
    for old, new in names:
        name, changed = re.subn(old, new, name)
        if changed:
            return name
    return name


def put(models: Path, name: str, weights: Mapping[str, np.ndarray], folder: str = "ESRGAN") -> Path:
    """Writes models/<folder>/<name>.safetensors."""
    path = models / folder / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(dict(weights), path)
    return path
