"""A training that can be interrupted: its state lies in a file, its budget is minutes of training.

A budget in minutes, rather than steps, makes what a slow and a fast machine can reach comparable to
what was planned: the learning rate falls at the end of the minutes, however many steps they held.
"""

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

_SAVED_EVERY = 120.0  # seconds


@dataclass
class Run:
    """One training's clock and file.

    `left` are the minutes that this process may take, `budget` those of the whole training, summed
    over processes. `parts` is all that has a state: networks, their averages, the optimizer.
    """

    path: Path
    parts: dict[str, Any]
    budget: float
    left: float
    step: int = 0
    trained: float = 0.0  # minutes

    def resume(self) -> bool:
        """Continues where the file says, if there is one."""
        if not self.path.exists():
            return False
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        self.step, self.trained = state["step"], state["trained"]
        return True

    @property
    def finished(self) -> bool:
        return self.trained >= self.budget

    def steps(self) -> Iterator[float]:
        """The progress, from 0 to 1, before each step; ends with the budget, with the minutes of
        this process, or when the process is asked to end (SIGTERM). The state is written every few
        minutes and at the end."""
        before, spent_before = self.trained, _spent()
        began = saved = time.monotonic()
        with _asked_to_end() as asked:
            while not self.finished and time.monotonic() - began < self.left * 60:
                yield min(1.0, self.trained / self.budget)
                self.step += 1
                self.trained = before + (_spent() - spent_before) / 60
                if time.monotonic() - saved > _SAVED_EVERY:
                    self.save()
                    saved = time.monotonic()
                if asked.is_set():
                    self.left = 0.0
            self.save()

    def save(self) -> None:
        """Whole or not at all: a process that ends in the middle leaves the former state."""
        state = {name: part.state_dict() for name, part in self.parts.items()}
        part = self.path.with_suffix(".part")
        torch.save({"parts": state, "step": self.step, "trained": self.trained}, part)
        part.replace(self.path)


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """Set by SIGTERM, which ends nothing meanwhile."""
    asked = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)


def _spent() -> float:
    """Seconds: the clock's with a GPU; without, those that each of the cores has worked, so that a
    machine busy with something else does not use up the budget."""
    if torch.cuda.is_available():
        return time.monotonic()
    return time.process_time() / torch.get_num_threads()


def rate(highest: float, step: int, progress: float, cooling: float = 0.35) -> float:
    """Learning rate: up within 200 steps, level, and down as a cosine over the last `cooling`."""
    rising = min(1.0, (step + 1) / 200)
    if progress <= 1 - cooling:
        return highest * rising
    angle = math.pi * (progress - 1 + cooling) / cooling
    return highest * rising * (0.51 + 0.49 * math.cos(angle))


def average(mean: nn.Module, network: nn.Module, step: int, longest: float) -> None:
    """Moves `mean` towards `network`: an exponential moving average whose memory grows with the
    steps, up to `longest`, below 1."""
    keep = min(longest, (1 + step) / (10 + step))
    pairs = zip(mean.parameters(), network.parameters(), strict=True)
    moving = [(kept.detach(), new.detach()) for kept, new in pairs if new.requires_grad]
    torch._foreach_lerp_([kept for kept, _ in moving], [new for _, new in moving], 1 - keep)


def descend(loss: Tensor, rate: float, *optimizers: torch.optim.Optimizer) -> None:
    """One step of each at this rate, along gradients that are together no longer than 1."""
    groups = [group for each in optimizers for group in each.param_groups]
    for group in groups:
        group["lr"] = rate
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([one for group in groups for one in group["params"]], 1.0)
    for optimizer in optimizers:
        optimizer.step()


def layout(device: torch.device) -> torch.memory_format:
    """Of pictures and of convolutions' weights: on a CPU, group normalisation's way back takes
    twice as long with the channels last."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def workers(device: torch.device) -> int:
    """How many other processes prepare batches: none without a GPU, which would wait for them."""
    return min(12, (os.cpu_count() or 2) - 2) if device.type == "cuda" else 0


def device() -> torch.device:
    """The GPU, where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
