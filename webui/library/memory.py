"""Whether a model fits into a device, and what lives where if it does not; told before it is
loaded, from its report alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from webui.library.entries import Report

Offload = Literal["none", "model", "sequential"]
OffloadChoice = Literal["auto", "none", "model", "sequential"]  # "auto": what the memory asks for
OFFLOADS: tuple[Offload, ...] = ("none", "model", "sequential")

_BESIDE = 1.15  # what loading needs, to the weights alone
_AT_WORK = 2**30  # bytes that a picture of ordinary size takes
_LAYER = 2**28  # bytes of the largest layer there is, a table of tokens
_WIDE_VAE = ("sdxl", "refiner")  # fp16 is too narrow for their VAE, so it is held in fp32


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part of a model lives."""

    part: str  # "unet", "vae", "text_encoder", ...
    bytes: int  # its weights
    where: Literal["device", "by turns", "layer by layer"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What of a model lives where while pictures are made."""

    offload: Offload
    device_bytes: int  # on the device at most, a picture in work included
    main_bytes: int  # of weights that wait in main memory
    places: tuple[Place, ...]
    fits: bool | None  # None where nobody knows
    text: str  # for people, a sentence: whether it fits, what lives where, why


def needed(report: Report, weight_bytes: int) -> int:
    """Bytes, with each weight held in `weight_bytes`."""
    return int(report.weights * weight_bytes * _BESIDE) + _AT_WORK


def fits(report: Report, weight_bytes: int, memory: int) -> bool | None:
    """Whether all of it goes into `memory` bytes at once; None where one is not known."""
    if not report.weights or not memory:
        return None
    return needed(report, weight_bytes) <= memory


def plan_of(report: Report, hello: Mapping[str, Any]) -> Plan | None:
    """On the device of the engine that said `hello`; None where that is not known yet."""
    weight_bytes = int(hello.get("weight_bytes", 0))
    if not weight_bytes:
        return None
    memory, asked = int(hello.get("memory", 0)), hello.get("offload", "auto")
    return plan(report, weight_bytes, memory, asked, int(hello.get("main_memory", 0)))


def plan(
    report: Report,
    weight_bytes: int,
    memory: int,
    asked: OffloadChoice = "auto",
    main_memory: int = 0,
) -> Plan | None:
    """For a device with `memory` bytes beside `main_memory` (0: not known); None of a model of
    which nothing is known.

    All of it at once if that fits; else part by part, if the largest part does; else layer by
    layer. `asked` other than "auto" decides it; "none" is also for devices that work in main
    memory.
    """
    sizes = _sizes(report, weight_bytes)
    if not sizes:
        return None
    whole = sum(sizes.values())
    on_device: Mapping[Offload, int] = {
        "none": int(whole * _BESIDE) + _AT_WORK,
        "model": int(max(sizes.values()) * _BESIDE) + _AT_WORK,
        "sequential": _LAYER + _AT_WORK,
    }
    chosen = _chosen(on_device, memory) if asked == "auto" else asked
    waiting = 0 if chosen == "none" else whole
    fitting = None
    if memory:
        room = not main_memory or int(waiting * _BESIDE) <= main_memory
        fitting = on_device[chosen] <= memory and room
    where: Mapping[Offload, Literal["device", "by turns", "layer by layer"]]
    where = {"none": "device", "model": "by turns", "sequential": "layer by layer"}
    places = tuple(Place(part, size, where[chosen]) for part, size in sizes.items())
    text = _text(chosen, sizes, on_device, memory, asked != "auto", fitting is False)
    return Plan(chosen, on_device[chosen], waiting, places, fitting, text)


def _sizes(report: Report, weight_bytes: int) -> dict[str, int]:
    """Bytes by part, the largest first."""
    sizes = {part: count * weight_bytes for part, count in report.sizes.items() if count}
    if weight_bytes == 2 and report.family in _WIDE_VAE and "vae" in sizes:
        sizes["vae"] *= 2
    return dict(sorted(sizes.items(), key=lambda each: -each[1]))


def _chosen(on_device: Mapping[Offload, int], memory: int) -> Offload:
    fitting = (way for way in OFFLOADS if not memory or on_device[way] <= memory)
    return next(fitting, "sequential")


def _text(
    chosen: Offload,
    sizes: Mapping[str, int],
    on_device: Mapping[Offload, int],
    memory: int,
    forced: bool,
    too_large: bool,
) -> str:
    """A sentence."""
    largest, whole = next(iter(sizes)).replace("_", " "), sum(sizes.values())
    largest = {"unet": "UNet", "vae": "VAE"}.get(largest, largest)
    of = f" of {_gb(memory)}" if memory else ""
    why = f"at once it takes {_gb(on_device['none'])}{of}"
    if chosen == "sequential":
        why = f"its {largest} alone takes {_gb(on_device['model'])}{of}"
    why = "asked for by --offload" if forced else why
    verdict = "May not fit" if too_large else "Fits" if memory else "Takes"
    if chosen == "none":
        colon = ":" if memory else ""
        return f"{verdict}{colon} {_gb(on_device['none'])}{of} with a picture in work."
    made = {
        "model": f"part by part, at most {_gb(on_device['model'])} with a picture in work, while "
        f"the rest waits in main memory ({_gb(whole)}): {why}",
        "sequential": "layer by layer, which is slow, while the rest waits in main memory "
        f"({_gb(whole)}): {why}",
    }[chosen]
    return f"{verdict if memory else 'Held'} {made}."


def _gb(size: int) -> str:
    return f"{size / 2**30:.1f} GB"
