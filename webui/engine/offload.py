"""Networks that wait in main memory and come to the device for their work, for small devices.

By hooks around `forward`, as diffusers' and accelerate's offloading; diffusers' autoencoders ask
the same hooks before `encode` and `decode`. What waits is never written: coming is a copy, going
lets the copy go, so neither changes a bit nor takes more main memory.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from accelerate.utils import send_to_device
from torch import Tensor, nn

from webui.library import Offload

Away = list[tuple[dict[str, Any], str, Tensor]]  # where a tensor belongs, and what waits there
Carry = Callable[[Tensor], Tensor]


def runs_on(network: Any) -> torch.device:
    """Where its work is done, wherever its weights are."""
    hook = getattr(network, "_hf_hook", None)
    return torch.device(hook.where if isinstance(hook, _Coming) else network.device)


class Room:
    """A device that networks share, of which one at a time is there whole."""

    def __init__(self, where: torch.device, carry: Carry | None = None) -> None:
        """`carry` brings a tensor to the device."""
        self.where = where
        self.carry = carry or _to(where)
        self._inside: nn.Module | None = None
        self._away: Away = []

    @property
    def inside(self) -> nn.Module | None:
        """The network that came last and is still there."""
        return self._inside

    def offload(self, networks: Iterable[nn.Module], way: Offload) -> None:
        """From now on they come when they are called; their weights are in main memory now."""
        for network in networks:
            if way == "none" or hasattr(network, "_hf_hook"):
                continue
            if self.where.type != "cpu":
                _plain(network)
            if way == "model":
                add_hook_to_module(network, _Whole(self))
                continue
            for module in network.modules():
                if module is network or any(True for _ in _own(module)):
                    add_hook_to_module(module, _Layer(self.where, self.carry))

    def enter(self, network: nn.Module) -> None:
        """Brings it; whoever was there leaves first."""
        if self._inside is network:
            return
        self.leave()
        self._inside = network
        try:
            for module in network.modules():
                _bring(module, self.carry, self._away)
        except BaseException:  # not enough memory: a half of it is of no use
            self.leave()
            raise

    def leave(self) -> None:
        """Nobody is there any more."""
        _put_back(self._away)
        self._inside = None


class _Coming(ModelHook):  # type: ignore[misc]
    """Brings what its module is given to the device."""

    def __init__(self, where: torch.device) -> None:
        self.where = where

    def given(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        return send_to_device(args, self.where), send_to_device(kwargs, self.where)


class _Whole(_Coming):
    """The network comes and stays until another one comes."""

    def __init__(self, room: Room) -> None:
        super().__init__(room.where)
        self._room = room

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        self._room.enter(module)
        return self.given(args, kwargs)


class _Layer(_Coming):
    """The layer's own weights come for the time of its work."""

    def __init__(self, where: torch.device, carry: Carry) -> None:
        super().__init__(where)
        self._carry = carry
        self._away: Away = []

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        _put_back(self._away)  # there is something only after an error
        _bring(module, self._carry, self._away)
        return self.given(args, kwargs)

    def post_forward(self, module: nn.Module, output: Any) -> Any:
        _put_back(self._away)
        return output


def _to(where: torch.device) -> Carry:
    def carry(tensor: Tensor) -> Tensor:
        return tensor.to(where)

    return carry


def _bring(module: nn.Module, carry: Carry, away: Away) -> None:
    for table, name, tensor in _own(module):
        there = carry(tensor.data)
        away.append((table, name, tensor))
        is_weight = isinstance(tensor, nn.Parameter)
        table[name] = nn.Parameter(there, requires_grad=False) if is_weight else there


def _put_back(away: Away) -> None:
    while away:
        table, name, tensor = away.pop()
        table[name] = tensor


def _own(module: nn.Module) -> Iterator[tuple[dict[str, Any], str, Tensor]]:
    """What is the module's and no other's within it."""
    for table in (module._parameters, module._buffers):
        for name, tensor in list(table.items()):
            if tensor is not None:
                yield table, name, tensor


def _plain(network: nn.Module) -> None:
    """In torch's usual memory layout, which a device other than the CPU is given its weights in."""
    for module in network.modules():
        for _, _, tensor in _own(module):
            tensor.data = tensor.data.contiguous()
