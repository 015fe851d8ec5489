"""Which LoRAs a model wears at which step, and how strongly; their files are read when first named.

What they add is added by hooks that stand on the modules for one call of the network.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Literal

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from webui.engine.joint_blocks import ALL, Rows
from webui.engine.lora.formulas import Delta, delta, is_finite
from webui.engine.lora.places import Module, pieced, places
from webui.errors import InvalidRequest
from webui.fields import shown
from webui.interfaces import Model
from webui.library import ModelEntry
from webui.library.problem import ProblemError
from webui.loras import Change, LoraEntry, Loras, Target, changes
from webui.loras.entries import Stamp
from webui.loras.keys import TRANSFORMER, UNET
from webui.loras.report import Scale, check_scales
from webui.prompt import LoraUse
from webui.safetensors_header import HeaderError, read

Strengths = tuple[tuple[Stamp, float], ...]  # of the LoRAs that do something, in their order
Side = Literal["text", "unet"]
Stages = Sequence[tuple[int, Strengths]]  # (last step, from 1), rising
Adapted = Callable[[], AbstractContextManager[None]]


def unadapted(strengths: Strengths = ()) -> AbstractContextManager[None]:
    """Of a model that wears nothing."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Bound:
    """A file, ready for one model."""

    sides: Mapping[Side, Sequence[tuple[Module, Delta]]]


@dataclass(frozen=True, slots=True)
class Worn:
    """What a prompt's tags come to."""

    text: Stages
    unet: Stages
    hashes: Mapping[str, str]  # name -> sha256 of the file's tensors
    bound: Mapping[Stamp, Bound]  # the files themselves, however many prompts are read meanwhile


class Adapters:
    """For one model; what the last prompt named stays in memory."""

    def __init__(self, files: Loras, entry: ModelEntry, model: Model) -> None:
        self._files = files
        self._entry = entry
        self._device = model.device
        self._places = {name: places(each) for name, each in model.networks.items()}
        self._pieced = {name: pieced(each) for name, each in model.networks.items()}
        self._bound: dict[Stamp, Bound] = {}

    def worn(self, uses: Sequence[LoraUse], steps: int) -> Worn:
        """Raises InvalidRequest, field "prompt", for a LoRA that is not there or does not fit."""
        named = {use.name: self._found(use.name) for use in uses}
        counted = [(named[use.name], use) for use in uses if use.does_something]
        kept = {each.stamp for each, _ in counted}
        self._bound = {key: each for key, each in self._bound.items() if key in kept}
        for each, _ in counted:
            if each.stamp not in self._bound:
                self._bound[each.stamp] = self._read(each)
        hashes = {each.name: self._hash(each) for each, _ in counted}
        text, unet = (self._stages(side, counted, steps) for side in ("text", "unet"))
        return Worn(text, unet, hashes, dict(self._bound))

    def text(self, strengths: Strengths) -> AbstractContextManager[None]:
        """While it lasts, the text encoders wear them."""
        return _applied("text", strengths, self._bound) if strengths else nullcontext()

    def unet(
        self, strengths: Strengths, bound: Mapping[Stamp, Bound]
    ) -> AbstractContextManager[None]:
        """While it lasts, the UNet wears them."""
        return _applied("unet", strengths, bound) if strengths else nullcontext()

    def _stages(
        self, side: Side, counted: Sequence[tuple[LoraEntry, LoraUse]], steps: int
    ) -> Stages:
        """Stretches of steps with the same strengths; the same file named twice is added up."""
        by_step = []
        for step in range(1, steps + 1):
            sums: dict[Stamp, float] = {}
            for entry, use in counted:
                if use.at(step) and self._bound[entry.stamp].sides[side]:
                    weight = use.text if side == "text" else use.unet
                    sums[entry.stamp] = sums.get(entry.stamp, 0.0) + weight
            by_step.append(tuple((stamp, sums[stamp]) for stamp in sums if sums[stamp] != 0))
        runs = [list(run) for _, run in groupby(enumerate(by_step, 1), key=lambda each: each[1])]
        return [run[-1] for run in runs]

    def _found(self, name: str) -> LoraEntry:
        found = self._files.find(name)
        if problem := self._files.misfit(name, self._entry):
            raise InvalidRequest("prompt", problem)
        assert found is not None
        return found

    def _hash(self, entry: LoraEntry) -> str:
        try:
            return self._files.hash(entry)
        except OSError as error:
            raise _refused(entry, error.strerror or "it went away") from error

    def _read(self, entry: LoraEntry) -> Bound:
        try:
            header = read(entry.path)
            found, scales = changes(header), check_scales(header, entry.path)
            self._check_places(found)
            sides: dict[Side, list[tuple[Module, Delta]]] = {"text": [], "unet": []}
            with safe_open(str(entry.path), framework="pt") as file:
                for target, change in found.items():
                    side: Side = "unet" if target.network in (UNET, TRANSFORMER) else "text"
                    tensors = _tensors(file, change)
                    scale = _scale(change, tensors, scales.get(target.network, scales.get("")))
                    for module, rows in self._modules(target):
                        made = delta(change, tensors, module, scale, self._device, rows)
                        sides[side].append((module, made))
        except (HeaderError, ProblemError) as error:
            raise _refused(entry, str(error)) from None
        except (SafetensorError, OSError) as error:
            raise _refused(entry, f"it cannot be read: {str(error)[:200]}") from error
        return Bound(sides)

    def _modules(self, target: Target) -> Sequence[tuple[Module, Rows]]:
        """What is changed, each with its rows of the change; none if there is no such place."""
        whole = self._places.get(target.network, {}).get(target.place)
        if whole is not None:
            return [(whole, ALL)]
        return self._pieced.get(target.network, {}).get(target.place, ())

    def _check_places(self, found: Mapping[Target, Change]) -> None:
        """All of it has to have its place: what is left out changes the picture too."""
        strange = [
            next(iter(change.keys.values()))
            for target, change in found.items()
            if not self._modules(target)
        ]
        if strange:
            keys = ", ".join(shown(key) for key in strange[:3])
            raise ProblemError(
                f"{len(strange)} of the {len(found)} weights that it changes are none of the "
                f"model {self._entry.name}: {keys}"
            )


def _tensors(file: Any, change: Change) -> dict[str, Tensor]:
    tensors = {role: file.get_tensor(key) for role, key in change.keys.items()}
    for role, shape in change.shapes.items():
        if tuple(tensors[role].shape) != shape:
            raise ProblemError("it changed while it was read")
    if not is_finite(tensors):
        raise ProblemError(f"{shown(next(iter(change.keys.values())))} holds NaN or Inf")
    return tensors


def _scale(change: Change, tensors: dict[str, Tensor], said: Scale | None) -> float:
    """Takes "alpha" out of the tensors. Without a word about it the scale is 1."""
    alpha = tensors.pop("alpha", None)
    if said is not None and change.kind != "full" and alpha is None:
        return said.of(change)
    return 1.0 if alpha is None or change.rank is None else float(alpha) / change.rank


@contextmanager
def _applied(side: Side, strengths: Strengths, bound: Mapping[Stamp, Bound]) -> Iterator[None]:
    added: dict[Module, list[tuple[float, Delta]]] = {}
    for stamp, weight in strengths:
        for module, change in bound[stamp].sides[side]:
            added.setdefault(module, []).append((weight, change))
    handles = []
    try:
        for module, terms in added.items():
            handles.append(module.register_forward_hook(partial(_add, terms)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _add(
    terms: Sequence[tuple[float, Delta]], module: nn.Module, inputs: Any, output: Tensor
) -> Tensor:
    for weight, change in terms:
        output = output + weight * change(inputs[0])
    return output


def _refused(entry: LoraEntry, why: str) -> InvalidRequest:
    return InvalidRequest("prompt", f"the LoRA {shown(entry.name)} cannot be used: {why}")
