"""One picture's steps out of a kept batch: what a branch takes over, and its content hash."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from webui.errors import InvalidRequest
from webui.request import Resume
from webui.trajectories.files import Header, KeptStep, Latents, read_header, read_step

SAMPLING = ("sampler", "sampling", "schedule", "schedule_options", "steps")  # of a request


def kept_steps(folder: Path, batch: int, position: int, steps: int) -> list[KeptStep]:
    """The first `steps` of the picture at `position`, or as many as are kept; B is 1."""
    found: list[KeptStep] = []
    for number in range(1, steps + 1):
        step = read_step(folder, batch, number)
        if step is None or position >= len(step.x):
            break
        found.append(of_one(step, position))
    return found


def inherited(folder: Path, resume: Resume) -> tuple[Header, list[KeptStep]]:
    """What a branch goes on from. Raises InvalidRequest if it is not there, or not the same."""
    header = read_header(folder, resume.batch)
    steps = kept_steps(folder, resume.batch, resume.position, resume.step) if header else []
    if header is None or len(steps) < resume.step:
        raise InvalidRequest(
            "resume",
            f"goes on from step {resume.step} of job {resume.job}, which is not kept (any more); "
            "make that picture again with the quota for kept steps large enough, and branch anew",
        )
    if digest(header, steps) != resume.sha256:
        raise InvalidRequest(
            "resume",
            f"goes on from step {resume.step} of job {resume.job}, whose kept steps are not the "
            "ones that this was asked for; branch anew from what is there now",
        )
    return header, steps


def digest(header: Header, steps: Sequence[KeptStep]) -> str:
    """sha256 over all that what comes after these steps depends on: the latents of one picture,
    their levels and draws, and how they were sampled."""
    how: dict[str, Any] = {name: header.request.get(name) for name in ("model", *SAMPLING)}
    how |= {"sigmas": header.sigmas, "begun": header.begun, "memory": header.memory}
    result = hashlib.sha256(json.dumps(how, sort_keys=True).encode())
    for step in steps:
        numbers = [step.step, step.draws, step.sigma, step.steps, step.ahead, step.x.shape]
        result.update(json.dumps(numbers).encode())
        for latent in step.latents():
            result.update(latent.astype("<f4").tobytes())
    return result.hexdigest()


def of_one(step: KeptStep, position: int) -> KeptStep:
    """The step of one picture of the batch; B is 1."""

    def one(latents: Latents) -> Latents:
        return latents[position : position + 1].copy()  # not the whole batch's memory

    memory = None if step.memory is None else one(step.memory)
    return replace(step, x=one(step.x), denoised=one(step.denoised), memory=memory)
