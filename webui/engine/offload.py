"""Networks that wait in main memory and come to the device for their work, for small devices.

By hooks around `forward`, as diffusers' and accelerate's offloading; diffusers' autoencoders ask
the same hooks before `encode` and `decode`. What waits is never written: coming is a copy, going
lets the copy go, so neither changes a bit nor takes more main memory.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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
    """A device that networks share which are too large to be there together."""

    def __init__(self, where: torch.device, carry: Carry | None = None) -> None:
        """`carry` brings a tensor to the device."""
        self.where = where
        self.carry = carry or _to(where)
        self._guests: list[_Guest] = []  # the last one to come at the end

    @property
    def inside(self) -> list[nn.Module]:
        """The networks that are there, the last one to come at the end."""
        return [each.network for each in self._guests]

    def offload(self, networks: Iterable[nn.Module], way: Offload) -> None:
        """From now on they come when they are called; their weights are in main memory now.

        By "model" those come together that take no more than the largest of them, by "sequential"
        each layer alone.
        """
        networks = list(networks)
        most = max(map(_size, networks))
        for network in networks:
            if way == "none" or hasattr(network, "_hf_hook"):
                continue
            if self.where.type != "cpu":
                _plain(network)
            if way == "model":
                add_hook_to_module(network, _Whole(self, most))
                continue
            for module in network.modules():
                if module is network or any(True for _ in _own(module)):
                    add_hook_to_module(module, _Layer(self.where, self.carry))

    def enter(self, network: nn.Module, most: int = 0) -> None:
        """Brings it; others leave, those that came first before the rest, until all that is there
        takes at most that many bytes or it is alone."""
        if any(each.network is network for each in self._guests):
            return
        guest = _Guest(network, _size(network), [])
        while self._guests and guest.size + sum(each.size for each in self._guests) > most:
            _put_back(self._guests.pop(0).away)
        try:
            for module in network.modules():
                _bring(module, self.carry, guest.away)
        except BaseException:  # not enough memory: a half of it is of no use
            _put_back(guest.away)
            raise
        self._guests.append(guest)

    def leave(self) -> None:
        """Nobody is there any more."""
        while self._guests:
            _put_back(self._guests.pop().away)


@dataclass(frozen=True, slots=True)
class _Guest:
    network: nn.Module
    size: int  # bytes
    away: Away


class _Coming(ModelHook):  # type: ignore[misc]
    """Brings what its module is given to the device."""

    def __init__(self, where: torch.device) -> None:
        self.where = where

    def given(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        return send_to_device(args, self.where), send_to_device(kwargs, self.where)


class _Whole(_Coming):
    """The network comes, and stays until its place is needed."""

    def __init__(self, room: Room, most: int) -> None:
        super().__init__(room.where)
        self._room = room
        self._most = most

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        self._room.enter(module, self._most)
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


def _size(network: nn.Module) -> int:
    return sum(each.nbytes for each in [*network.parameters(), *network.buffers()])


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
