"""Which network the tensors of an upscaler's file are for, by their names and shapes alone.

ESRGAN's RRDBNet (Wang et al. 2018, arXiv:1809.00219) goes about under three sets of names: of the
first code ("model.1.sub.0.RDB1.conv1.0"), of the second ("RRDB_trunk.0.RDB1.conv1") and of
Real-ESRGAN (Wang et al. 2021, arXiv:2107.10833: "body.0.rdb1.conv1"). The last ones are used here.
SRVGGNetCompact is Real-ESRGAN's small network. Knows no torch.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from webui.safetensors_header import HeaderError, Tensor

Shapes = Mapping[str, tuple[int, ...]]

_WRAPPERS = ("params_ema.", "params.", "module.", "netG.")  # what a file may have before all names
_FLOATS = ("F32", "F16", "BF16", "F64")
_MOST_FEATURES = 512  # channels
_MOST_BLOCKS = 64
_MOST_UPS = 3  # times that the size is doubled
_RENAMED = (  # name in older files -> Real-ESRGAN's
    (r"RRDB_trunk\.(\d+)\.RDB(\d)\.conv(\d)\.(\w+)", r"body.\1.rdb\2.conv\3.\4"),
    (r"trunk_conv\.(\w+)", r"conv_body.\1"),
    (r"upconv(\d)\.(\w+)", r"conv_up\1.\2"),
    (r"HRconv\.(\w+)", r"conv_hr.\1"),
    (r"model\.0\.(\w+)", r"conv_first.\1"),
    (r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.(\w+)", r"body.\1.rdb\2.conv\3.\4"),
    (r"model\.1\.sub\.\d+\.(weight|bias)", r"conv_body.\1"),
)
# of few digits: int() refuses thousands of them
_NUMBERED = re.compile(r"model\.(\d{1,6})\.(weight|bias)", re.ASCII)
_BIAS = re.compile(r"body\.(\d{1,6})\.bias", re.ASCII)


@dataclass(frozen=True, slots=True)
class Layout:
    """A network that this program has, and where its file keeps each of its tensors."""

    architecture: Literal["ESRGAN", "Compact"]
    scale: int  # how much larger pictures become
    features: int  # channels inside
    growth: int  # channels that each convolution of a dense block adds; 0 in a Compact
    blocks: int  # of three dense blocks; in a Compact: convolutions between the first and the last
    ups: int  # times that the size is doubled; 0 in a Compact
    unshuffle: int  # pixels each way that become one with more channels first; 1: none
    names: Mapping[str, str]  # our name of a tensor -> the file's


def recognised(tensors: Mapping[str, Tensor]) -> Layout | None:
    """None for a network that this program has not. Raises HeaderError for a broken one."""
    bare = _unwrapped(tensors)
    renamed = dict(_renamed(bare))
    if "conv_first.weight" in renamed and any(each.startswith("body.0.rdb1.") for each in renamed):
        if any(".conv1x1." in each for each in bare):  # ESRGAN+
            return None
        return _checked(_esrgan(renamed, tensors), renamed, tensors)
    if {"body.0.weight", "body.1.weight"} <= bare.keys():
        return _checked(_compact(bare, tensors), bare, tensors)
    return None


def shapes(layout: Layout) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Of every tensor that the network has, under our names."""
    for name, outputs, inputs in _convolutions(layout):
        yield f"{name}.weight", (outputs, inputs, 3, 3)
        yield f"{name}.bias", (outputs,)
    if layout.architecture == "Compact":
        for k in range(layout.blocks + 1):
            yield f"body.{2 * k + 1}.weight", (layout.features,)


def _convolutions(layout: Layout) -> Iterator[tuple[str, int, int]]:
    """(name, channels out, channels in) of each."""
    features, growth = layout.features, layout.growth
    if layout.architecture == "Compact":
        yield "body.0", features, 3
        for k in range(1, layout.blocks + 1):
            yield f"body.{2 * k}", features, features
        yield f"body.{2 * layout.blocks + 2}", 3 * layout.scale**2, features
        return
    yield "conv_first", features, 3 * layout.unshuffle**2
    for block in range(layout.blocks):
        for dense in (1, 2, 3):
            for k in range(1, 6):
                out = growth if k < 5 else features
                yield f"body.{block}.rdb{dense}.conv{k}", out, features + (k - 1) * growth
    yield "conv_body", features, features
    for k in range(1, layout.ups + 1):
        yield f"conv_up{k}", features, features
    yield "conv_hr", features, features
    yield "conv_last", 3, features


def _unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Bare name -> the file's."""
    for wrapper in _WRAPPERS:
        if tensors and all(name.startswith(wrapper) for name in tensors):
            return {name.removeprefix(wrapper): name for name in tensors}
    return {name: name for name in tensors}


def _renamed(bare: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Real-ESRGAN's names, as far as they are ESRGAN's in any of its layouts, -> the file's."""
    tail = sorted({int(m[1]) for name in bare if (m := _NUMBERED.fullmatch(name))} - {0})
    # the first code numbers what comes behind the blocks
    behind = [*(f"conv_up{k + 1}" for k in range(len(tail) - 2)), "conv_hr", "conv_last"]
    last = dict(zip(tail, behind, strict=True)) if len(tail) >= 2 else {}
    for name, there in bare.items():
        numbered = _NUMBERED.fullmatch(name)
        if numbered and int(numbered[1]) in last:
            yield f"{last[int(numbered[1])]}.{numbered[2]}", there
            continue
        old = next((each for each in _RENAMED if re.fullmatch(each[0], name, re.ASCII)), None)
        yield re.sub(*old, name) if old else name, there


def _esrgan(names: Mapping[str, str], tensors: Mapping[str, Tensor]) -> Layout:
    first = _shape("conv_first.weight", names, tensors)
    dense = _shape("body.0.rdb1.conv1.weight", names, tensors)
    ups = _count(r"conv_up(\d+)\.weight", names)
    unshuffle = math.isqrt(first[1] // 3)
    if first[1] != 3 * unshuffle**2 or unshuffle not in (1, 2, 4):
        raise HeaderError(f"it takes pictures of {first[1]} channels; only colour pictures do")
    if ups > _MOST_UPS or 2**ups < unshuffle:
        raise HeaderError(f"it doubles pictures {ups} times, which no such network does")
    blocks = _count(r"body\.(\d+)\.rdb1\.conv1\.weight", names)
    scale = 2**ups // unshuffle
    return Layout("ESRGAN", scale, first[0], dense[0], blocks, ups, unshuffle, names)


def _compact(names: Mapping[str, str], tensors: Mapping[str, Tensor]) -> Layout:
    first = _shape("body.0.weight", names, tensors)
    end = max((int(m[1]) for name in names if (m := _BIAS.fullmatch(name))), default=0)
    last = _shape(f"body.{end}.weight", names, tensors)
    scale = math.isqrt(last[0] // 3)
    if first[1] != 3 or last[0] != 3 * scale**2 or not 1 <= scale <= 8:
        raise HeaderError(
            f"it makes {last[0]} channels of {first[1]}; only colour pictures can be made larger"
        )
    return Layout("Compact", scale, first[0], 0, end // 2 - 1, 0, 1, names)


def _checked(layout: Layout, names: Mapping[str, str], tensors: Mapping[str, Tensor]) -> Layout:
    """Raises HeaderError unless the file has all of the network's tensors, and no others."""
    inside = [layout.features, *([layout.growth] if layout.architecture == "ESRGAN" else [])]
    for channels in inside:
        if not 1 <= channels <= _MOST_FEATURES:
            raise HeaderError(f"it has {channels} channels inside, which no such network has")
    if layout.blocks > _MOST_BLOCKS:
        raise HeaderError(f"it has {layout.blocks} blocks, which no such network has")
    wanted = dict(shapes(layout))
    if missing := sorted(wanted.keys() - names.keys()):
        raise HeaderError(f"{len(missing)} of its weights are missing, {missing[0]} for one")
    if others := sorted(names.keys() - wanted.keys()):
        raise HeaderError(
            f"it has {len(others)} weights that {layout.architecture} has not, "
            f"{others[0][:60]!a} for one"
        )
    for name, shape in wanted.items():
        found = tensors[names[name]]
        if found.shape != shape:
            raise HeaderError(f"{name} has the shape {found.shape}; {shape} would fit")
        if found.dtype not in _FLOATS:
            raise HeaderError(f"{name} is {found.dtype}, not floating-point numbers")
    return layout


def _shape(name: str, names: Mapping[str, str], tensors: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Of a convolution's weight."""
    if name not in names:
        raise HeaderError(f"{name} is missing")
    shape = tensors[names[name]].shape
    if len(shape) != 4:
        raise HeaderError(f"{name} has the shape {shape}; a convolution has four sides")
    return shape


def _count(pattern: str, names: Mapping[str, str]) -> int:
    return sum(re.fullmatch(pattern, name, re.ASCII) is not None for name in names)
