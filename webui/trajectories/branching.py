"""One picture's steps out of a kept batch: what a branch takes over, and its content hash."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from webui.errors import InvalidRequest
from webui.request import Resume
from webui.trajectories.files import Header, KeptStep, Latents, read_header, read_step

SAMPLING = ("sampler", "sampling", "schedule", "schedule_options", "steps")  # of a request
_MOST = 10**6  # steps; no turn has as many


@dataclass(frozen=True, slots=True)
class KeptTurn:
    """What is kept of one picture, of one turn of its batch."""

    header: Header
    steps: Sequence[KeptStep]  # B is 1


def kept_steps(
    folder: Path, batch: int, position: int, steps: int, turn: int = 0
) -> list[KeptStep]:
    """The first `steps` of the picture at `position`, or as many as are kept; B is 1."""
    found: list[KeptStep] = []
    for number in range(1, steps + 1):
        step = read_step(folder, batch, number, turn)
        if step is None or position >= len(step.x):
            break
        found.append(of_one(step, position))
    return found


def before(folder: Path, batch: int, position: int, turn: int) -> list[KeptTurn]:
    """The turns before `turn`, whole; fewer where they are not kept."""
    found: list[KeptTurn] = []
    for number in range(turn):
        header = read_header(folder, batch, number)
        steps = kept_steps(folder, batch, position, _MOST, number)
        if header is None or not steps:
            break
        found.append(KeptTurn(header, steps))
    return found


def inherited(folder: Path, resume: Resume) -> list[KeptTurn]:
    """What a branch goes on from: the turns before its own, whole, and the steps of its own.

    Raises InvalidRequest if they are not there, or not the same.
    """
    place = (resume.batch, resume.position)
    header = read_header(folder, resume.batch, resume.turn)
    steps = kept_steps(folder, *place, resume.step, resume.turn) if header else []
    earlier = before(folder, *place, resume.turn)
    if header is None or len(steps) < resume.step or len(earlier) < resume.turn:
        raise InvalidRequest(
            "resume",
            f"goes on from step {resume.step} of job {resume.job}, which is not kept (any more); "
            "make that picture again with the quota for kept steps large enough, and branch anew",
        )
    if digest(header, steps, earlier) != resume.sha256:
        raise InvalidRequest(
            "resume",
            f"goes on from step {resume.step} of job {resume.job}, whose kept steps are not the "
            "ones that this was asked for; branch anew from what is there now",
        )
    return [*earlier, KeptTurn(header, steps)]


def digest(header: Header, steps: Sequence[KeptStep], before: Sequence[KeptTurn] = ()) -> str:
    """sha256 over all that what comes after these steps depends on: the latents of one picture,
    their levels and draws, how they were sampled, and what the turns `before` gave."""
    how: dict[str, Any] = {name: header.request.get(name) for name in ("model", *SAMPLING)}
    how |= {"sigmas": header.sigmas, "begun": header.begun, "memory": header.memory}
    if before:
        how |= {"before": [digest(turn.header, turn.steps) for turn in before]}
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
