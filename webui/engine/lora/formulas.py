"""What a LoRA adds to a module's output, for each way that files write a change of its weight.

LoRA: Hu et al. 2021 (arXiv:2106.09685), section 4.1. LoHa: Hyeon-Woo et al. 2021 (FedPara,
arXiv:2108.06098), equation 1. LoKr, and the Tucker form for convolutions: Yeh et al. 2023 (LyCORIS,
arXiv:2309.14859), sections 3.2 and B.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from webui.engine.joint_blocks import ALL, Rows
from webui.engine.lora.places import Module
from webui.fields import shown
from webui.library.problem import ProblemError
from webui.loras import Change

Delta = Callable[[Tensor], Tensor]  # a module's input -> what is added to its output
Tensors = Mapping[str, Tensor]  # by role


def delta(
    change: Change,
    tensors: Tensors,
    module: Module,
    scale: float,
    where: torch.device,
    rows: Rows = ALL,
) -> Delta:
    """For work done at `where`, wherever the module's weight waits; `rows` of the change are the
    module's. Raises ProblemError, naming the key, for shapes that do not fit the module."""
    weight = module.weight
    parts = {role: each.to(where, torch.float32) for role, each in tensors.items()}
    own = _Own(change, parts, _sizes(module, rows))
    if change.kind == "LoRA":
        *inner, up = (each.to(weight.dtype) for each in own.factors(scale))
        return _low_rank(module, [*inner, rows.of(up)])
    made = {"LoHa": own.hadamard, "LoKr": own.kronecker, "full": own.full}[change.kind]()
    bias = parts["diff_b"].to(weight.dtype) if "diff_b" in parts else None
    if bias is not None:
        outputs = (len(weight) * rows.parts,)
        if bias.shape != outputs:
            raise own.wrong("diff_b", outputs)
        bias = rows.of(bias)
    made = rows.of(made * scale)
    return _whole(module, made.reshape(weight.shape).to(weight.dtype), bias)


def _sizes(module: Module, rows: Rows) -> tuple[int, int, int, int]:
    """(outputs, inputs, height, width of the kernel) of the change; a matrix is a kernel of one
    cell."""
    outputs, inputs, *kernel = module.weight.shape
    height, width = kernel or (1, 1)
    return outputs * rows.parts, inputs, height, width


class _Own:
    """The tensors of one change, shaped for the weight that they change."""

    def __init__(self, change: Change, parts: Tensors, sizes: tuple[int, int, int, int]) -> None:
        self._change = change
        self._parts = parts
        self._sizes = sizes

    def factors(self, scale: float) -> list[Tensor]:
        """(r, inputs, ...), perhaps (r, r, ...), and (outputs, r, 1, 1): one after the other."""
        outputs, inputs, *kernel = self._sizes
        rank, last = len(self._parts["down"]), self._parts["up"].shape[1]
        up = self._part("up", (outputs, last, 1, 1)) * scale
        if "mid" in self._parts:
            middle = self._part("mid", (last, rank, *kernel))
            return [self._part("down", (rank, inputs, 1, 1)), middle, up]
        if rank != last:
            raise self.wrong("down", (last, inputs, *kernel))
        return [self._part("down", (rank, inputs, *kernel)), up]

    def hadamard(self) -> Tensor:
        """(outputs, inputs, height, width): the product of two low ranks, cell by cell."""
        return self._side("w1", "t1", self._sizes) * self._side("w2", "t2", self._sizes)

    def kronecker(self) -> Tensor:
        """(outputs, inputs, height, width): every cell of one is a whole of the other."""
        outputs, inputs, height, width = self._sizes
        rows, columns = self._extent("w1")
        first = self._half("w1", (rows, columns, 1, 1))
        if outputs % rows or inputs % columns:
            raise self.wrong(self._role("w1"), (outputs, inputs))
        second = self._half("w2", (outputs // rows, inputs // columns, height, width))
        return torch.kron(first.contiguous(), second.contiguous())

    def full(self) -> Tensor:
        return self._part("diff", self._sizes)

    def wrong(self, role: str, wanted: tuple[int, ...]) -> ProblemError:
        key, found = self._change.keys[role], list(self._parts[role].shape)
        return ProblemError(f"{shown(key)} is of the shape {found} and {list(wanted)} is needed")

    def _half(self, name: str, shape: tuple[int, int, int, int]) -> Tensor:
        if name in self._parts:
            return self._part(name, shape)
        return self._side(name, f"t{name[1]}", shape)

    def _side(self, name: str, core: str, shape: tuple[int, int, int, int]) -> Tensor:
        """One low rank of `shape` (outputs, inputs, height, width)."""
        outputs, inputs, height, width = shape
        left, right = self._parts[f"{name}_a"], self._parts[f"{name}_b"]
        if core in self._parts:
            first, second = len(left), len(right)
            middle = self._part(core, (first, second, height, width))
            left = self._part(f"{name}_a", (first, outputs, 1, 1)).flatten(1)
            right = self._part(f"{name}_b", (second, inputs, 1, 1)).flatten(1)
            return torch.einsum("abhw,ao,bi->oihw", middle, left, right)
        rank = len(right)
        left = self._part(f"{name}_a", (outputs, rank, 1, 1)).flatten(1)
        if right[0].numel() != inputs * height * width:
            raise self.wrong(f"{name}_b", (rank, inputs * height * width))
        return (left @ right.reshape(rank, -1)).reshape(shape)

    def _extent(self, name: str) -> tuple[int, int]:
        """(outputs, inputs) of a half of a LoKr that has no kernel."""
        if name in self._parts:
            rows, columns = self._parts[name].shape[:2]
            return rows, columns
        return len(self._parts[f"{name}_a"]), self._parts[f"{name}_b"].shape[1]

    def _role(self, name: str) -> str:
        return name if name in self._parts else f"{name}_a"

    def _part(self, role: str, shape: tuple[int, ...]) -> Tensor:
        """In that shape, whether or not it has the trailing ones."""
        tensor = self._parts[role]
        if _trimmed(tuple(tensor.shape)) != _trimmed(shape):
            raise self.wrong(role, shape)
        return tensor.reshape(shape)


def _trimmed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without the ones behind the first two."""
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _low_rank(module: Module, factors: list[Tensor]) -> Delta:
    """Two or three small calls instead of one as large as the module's."""
    if isinstance(module, torch.nn.Linear):
        flat = [each.flatten(1) for each in factors]

        def matrices(x: Tensor) -> Tensor:
            for each in flat:
                x = functional.linear(x, each)
            return x

        return matrices
    where = len(factors) - 2  # the one that has the kernel

    def kernels(x: Tensor) -> Tensor:
        for at, each in enumerate(factors):
            x = _convolved(module, x, each) if at == where else functional.conv2d(x, each)
        return x

    return kernels


def _whole(module: Module, weight: Tensor, bias: Tensor | None) -> Delta:
    if isinstance(module, torch.nn.Linear):
        return lambda x: functional.linear(x, weight, bias)
    return lambda x: _convolved(module, x, weight, bias)


def _convolved(
    module: torch.nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """As the module does it, with other weights."""
    return functional.conv2d(x, weight, bias, module.stride, module.padding, module.dilation)


def is_finite(tensors: Tensors) -> bool:
    return all(bool(torch.isfinite(each).all()) for each in tensors.values())
