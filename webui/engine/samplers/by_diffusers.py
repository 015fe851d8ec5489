"""UniPC and DEIS, through one adapter over diffusers' schedulers.

A scheduler's noise levels are overwritten with ours, and what it has learned is set anew before
each step from the steps made so far, so that it keeps nothing of its own. It works on latents of
constant variance, x / sqrt(sigma^2 + 1). The last step, to noise level 0, is the last prediction.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from diffusers import DEISMultistepScheduler, UniPCMultistepScheduler
from torch import Tensor

from webui.engine.samplers.lms import slope
from webui.errors import InvalidRequest
from webui.interfaces import Denoiser, Noise, Step

# (the steps made, their noise levels, the number of the next one) -> a scheduler that can make it
Prepared = Callable[[Sequence[Step], Tensor, int], Any]


def unipc(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    order: int = 3,
    solver_type: str = "bh1",
) -> Iterator[Step]:
    """Zhao et al. 2023 (arXiv:2302.04867): a predictor, corrected with the next step's call.

    A step's memory is the corrected latent that its prediction starts from.
    """
    _check_order(order, "UniPC")
    if solver_type not in ("bh1", "bh2"):
        raise InvalidRequest("sampling.solver_type", f"must be bh1 or bh2, got {solver_type}")

    def prepared(made: Sequence[Step], levels: Tensor, i: int) -> Any:
        outputs = [step.denoised for step in made[-order:]]
        scheduler = _scheduler(
            UniPCMultistepScheduler, levels, i, order, outputs, solver_type=solver_type
        )
        if made:
            # the order of the step before: it grows from 1, and falls again before the end
            scheduler.this_order = min(order, i, len(levels) - i)
            scheduler.last_sample = made[-1].memory
        return scheduler

    return _steps(prepared, denoise, x, sigmas, past, remembers=True)


def deis(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    order: int = 3,
) -> Iterator[Step]:
    """Zhang & Chen 2022 (arXiv:2204.13902), tAB-DEIS: a curve through noise predictions."""
    _check_order(order, "DEIS")

    def prepared(made: Sequence[Step], levels: Tensor, i: int) -> Any:
        numbers = range(max(0, i - order), i)
        outputs = [slope(made, j, levels.tolist()) for j in numbers]
        return _scheduler(DEISMultistepScheduler, levels, i, order, outputs)

    return _steps(prepared, denoise, x, sigmas, past, remembers=False)


def _check_order(order: int, name: str) -> None:
    if not 1 <= order <= 3:
        raise InvalidRequest("sampling.order", f"must be from 1 to 3 for {name}, got {order}")


def _scheduler(
    kind: Any, levels: Tensor, i: int, order: int, outputs: list[Tensor], **options: str
) -> Any:
    """One that takes `outputs` for its own, of the steps before step i (0-based)."""
    scheduler = kind(solver_order=order, prediction_type="sample", **options)
    scheduler.sigmas = levels
    scheduler.timesteps = torch.arange(len(levels) - 1)  # only their number is looked at
    scheduler.num_inference_steps = len(levels) - 1
    scheduler.set_begin_index(i)
    scheduler.model_outputs = [None] * (order - len(outputs)) + outputs
    scheduler.lower_order_nums = min(i, order)
    return scheduler


def _steps(
    prepared: Prepared,
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    past: Sequence[Step],
    *,
    remembers: bool,
) -> Iterator[Step]:
    made, levels = list(past), sigmas.double().cpu()
    scales = (levels**2 + 1).sqrt().tolist()
    for i in range(len(past), len(levels) - 1):
        denoised = denoise(x, sigmas[i])
        if sigmas[i + 1] == 0:
            yield Step(denoised, denoised, denoised if remembers else None)
            return
        scheduler = prepared(made, levels, i)
        moved = scheduler.step(denoised, scheduler.timesteps[i], x / scales[i]).prev_sample
        x = (moved * scales[i + 1]).to(x.dtype)
        made.append(Step(x, denoised, scheduler.last_sample if remembers else None))
        yield made[-1]
