"""Takes each step off the device, checks it, and keeps it.

On a GPU a step's latents arrive one step late: their copy to the host runs beside the next step,
so that nothing ever waits for the device in the middle of a run.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from webui.engine.device import Device
from webui.errors import NotFinite
from webui.interfaces import Pace, Step
from webui.trajectories import Header, KeptStep, Spool, keep_guidance, read_finished, read_spool


class Recorder:
    """One turn's trajectory; picks up what an interrupted run has left behind."""

    def __init__(
        self,
        header: Header,
        keep: str | None,
        device: Device,
        inherited: Sequence[KeptStep] = (),
    ) -> None:
        """`keep` is the folder for the trajectory; None records nothing on disk. `inherited` are
        the steps that it begins with, unless it has begun before."""
        self._header = header
        self._keep = Path(keep) if keep else None
        self._device = device
        self._pending: tuple[int, int, Step, torch.Event | None] | None = None
        found = _kept(Path(keep), header) if keep else []
        self.kept: list[KeptStep] = found or list(inherited)
        self._spool = Spool(Path(keep), header, self.kept) if keep else None
        self._clock = time.perf_counter()

    def past(self) -> Sequence[Step]:
        """The steps that were made before, on the device."""
        return [self.restored(each) for each in self.kept]

    def restored(self, kept: KeptStep) -> Step:
        """A kept step on the device."""
        latents = [torch.from_numpy(each).to(self._device.where) for each in kept.latents()]
        memory = latents[2] if self._header.memory else None
        pace = Pace(kept.sigma, kept.steps, kept.ahead)
        return Step(latents[0], latents[1], memory, pace)

    def take(self, index: int, draws: int, step: Step) -> list[KeptStep]:
        """Takes a new step (1-based) and returns those that have arrived by now.

        Raises NotFinite, naming the step, for a latent with NaN or Inf in it; NotSaved.
        """
        if not self._device.waits:
            return [self._arrived(index, draws, step)]
        ready = self.flush()
        memory = None if step.memory is None else _to_pinned(step.memory)
        copied = Step(_to_pinned(step.x), _to_pinned(step.denoised), memory, step.pace)
        event = torch.Event(self._device.where)
        event.record()
        self._pending = (index, draws, copied, event)
        return ready

    def take_guidance(self, index: int, unprompted: Tensor, prompted: Tensor) -> None:
        """Keeps what guided step `index` (1-based); waits for the device. Raises NotSaved."""
        if self._keep is not None:
            one, other = (each.float().cpu().numpy() for each in (unprompted, prompted))
            header = self._header
            keep_guidance(self._keep, header.batch, index, one, other, header.turn)

    def flush(self) -> list[KeptStep]:
        """The step that is still on its way, waited for."""
        if self._pending is None:
            return []
        index, draws, step, event = self._pending
        self._pending = None
        if event is not None:
            event.synchronize()
        return [self._arrived(index, draws, step)]

    def finish(self) -> None:
        """The turn is over: makes the trajectory file final. Raises NotSaved."""
        if self._spool is not None:
            self._spool.finish()

    def close(self) -> None:
        """Leaves what there is, to be gone on with."""
        if self._spool is not None:
            self._spool.close()

    def _arrived(self, index: int, draws: int, step: Step) -> KeptStep:
        now = time.perf_counter()
        x, denoised = (each.float().cpu().numpy() for each in step[:2])
        memory = None if step.memory is None else step.memory.float().cpu().numpy()
        if not (np.isfinite(x).all() and np.isfinite(denoised).all()):
            raise NotFinite(
                f"the latent holds NaN or Inf after step {index}; a lower guidance scale, another "
                "sampler or --dtype fp32 may help"
            )
        sigmas = self._header.sigmas
        pace = step.pace or Pace(sigmas[index], len(sigmas) - 1)
        seconds = now - self._clock
        kept = KeptStep(
            index, draws, pace.sigma, seconds, x, denoised, memory, pace.steps, pace.ahead
        )
        self._clock = now
        if self._spool is not None:
            self._spool.append(kept)
        return kept


def _kept(folder: Path, header: Header) -> list[KeptStep]:
    """What an interrupted run has made of this turn; all of it, if that was over."""
    return read_spool(folder, header) or read_finished(folder, header)


def _to_pinned(tensor: Tensor) -> Tensor:
    """A copy on the host, complete once the device has caught up."""
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)
