"""Branches of pictures, and seed triage: requests that begin at kept steps.

Knows neither Gradio nor FastAPI, and nothing of how a branch is walked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from webui import image_checks
from webui.errors import InvalidRequest, WrongState
from webui.fields import STOP_AT, shown
from webui.jobs.job import Job
from webui.request import GenerationRequest, Resume
from webui.services import Services, changed, line_up, request_of
from webui.trajectories import (
    Header,
    KeptStep,
    before,
    digest,
    guided_steps,
    kept_steps,
    read_header,
)

# what a branch may have other than its picture
CHANGES = (
    "prompt", "negative_prompt", "emphasis", "clip_skip", "guidance_scale", "sampler", "sampling",
    "schedule", "schedule_options", "steps", "seed", "stop_at",
)  # fmt: skip
_MOST = 1000  # steps; no run has as many


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one picture."""

    job: Job
    image: int  # 0-based, in the job
    batch: int
    position: int  # in the batch
    header: Header
    steps: Sequence[KeptStep]  # B is 1
    guided: Sequence[bool]  # of each step whether the predictions that guidance is made of are kept
    turn: int = 0  # of the batch

    @property
    def alone(self) -> bool:
        """Whether it was made alone, so that a branch with nothing changed is it to the bit."""
        return self.header.shape[0] == 1

    @property
    def inherited(self) -> int:
        """How many of the steps were made by the picture that this is a branch of."""
        resume = self.header.request.get("resume")
        if not resume or (branched := resume.get("turn", 0)) < self.turn:
            return 0
        return int(resume["step"]) if branched == self.turn else len(self.steps)


def kept(services: Services, job_id: str, image: int, steps: int = _MOST, turn: int = 0) -> Kept:
    """The first `steps` of a picture (0-based). Raises JobNotFound, InvalidRequest."""
    job = services.line.job(job_id)
    if not 0 <= image < job.request.images:
        last = job.request.images - 1
        raise InvalidRequest("image", f"must be from 0 to {last} for this job, got {image}")
    batch, position = divmod(image, job.request.batch_size)
    folder = services.trajectories.folder(job.id)
    header = read_header(folder, batch, turn)
    found = kept_steps(folder, batch, position, steps, turn) if header else []
    if header is None or not found:
        raise WrongState(
            f"no steps of picture {image} of this job are kept (any more); "
            "the quota for kept steps decides how long they are"
        )
    guided = guided_steps(folder, batch, [step.step for step in found], header.shape, turn)
    return Kept(job, image, batch, position, header, found, guided, turn)


def branch(
    services: Services,
    job_id: str,
    image: int,
    step: int,
    changes: Mapping[str, Any],
    *,
    id: str | None = None,
    owner: str | None = None,
    turn: int = 0,
) -> Job:
    """A job that goes on from a kept step of a picture, with some fields of its request changed.

    Raises JobNotFound, WrongState if nothing is kept, InvalidRequest, LineFull, NotSaved.
    """
    for name in changes:
        if name not in CHANGES:
            raise InvalidRequest(name[:80], f"cannot change in a branch; {', '.join(CHANGES)} can")
    found = kept(services, job_id, image, turn=turn)
    owner = found.job.owner if owner is None else owner
    return line_up(services, branched(services, found, step, changes, id), id=id, owner=owner)


def branched(
    services: Services,
    found: Kept,
    step: int,
    changes: Mapping[str, Any],
    id: str | None = None,
) -> GenerationRequest:
    """The request of a branch after `step`. Raises InvalidRequest."""
    if not 1 <= step <= len(found.steps):
        raise InvalidRequest("step", f"must be from 1 to {len(found.steps)}, got {step}")
    if found.steps[step - 1].sigma == 0:
        raise InvalidRequest("step", f"must be below {step}, after which nothing is left to do")
    origin = _request_of(found)
    wanted = changed(services, origin, _with_defaults(origin, changes), id)
    folder = services.trajectories.folder(found.job.id)
    earlier = before(folder, found.batch, found.position, found.turn)
    resume = Resume(
        job=found.job.id,
        batch=found.batch,
        position=found.position,
        step=step,
        sha256=digest(found.header, found.steps[:step], earlier),
        turn=found.turn,
    )
    return replace(wanted, resume=resume)


def triage(
    services: Services,
    values: Mapping[str, Any],
    share: float,
    *,
    id: str | None = None,
    owner: str = "",
) -> Job:
    """A job whose pictures stop after a share of their steps, as they are predicted there.

    Raises what `services.submit` raises.
    """
    STOP_AT.check(share)
    request = request_of(services, {**values, "stop_at": share}, id)
    return line_up(services, request, id=id, owner=owner)


def finish(
    services: Services,
    job_id: str,
    images: Sequence[int],
    *,
    id: str | None = None,
    owner: str | None = None,
) -> list[Job]:
    """A job for each of the pictures (0-based) of a triage, which goes on from its last step.

    What is not kept any more is made from the start, which gives the same picture. With an `id`
    the jobs are ID-0, ID-1 ... by picture. Raises JobNotFound, WrongState, InvalidRequest.
    """
    job = services.line.job(job_id)
    if job.request.stop_at == 1:
        raise WrongState("this job stops at no share of its steps: its pictures are finished")
    owner = job.owner if owner is None else owner
    requests = [(image, _finished(services, job, image)) for image in images]
    return [
        line_up(services, request, id=None if id is None else f"{id}-{image}", owner=owner)
        for image, request in requests
    ]


def _finished(services: Services, job: Job, image: int) -> GenerationRequest:
    if type(image) is not int or not 0 <= image < job.request.images:
        last = job.request.images - 1
        raise InvalidRequest("images", f"must hold numbers from 0 to {last}, got {shown(image)}")
    whole = {"stop_at": 1.0}
    try:
        found = kept(services, job.id, image)
    except WrongState:
        image_checks.check_kept(services.inputs, job.request)
        return replace(job.request.alone(image), stop_at=1.0)
    if found.steps[-1].sigma == 0:  # the share was so large that nothing was left out
        return branched(services, found, len(found.steps) - 1, whole)
    return branched(services, found, len(found.steps), whole)


def _request_of(found: Kept) -> GenerationRequest:
    """What made the picture: as saved with it, which says the embeddings too, or as asked."""
    for saved in found.job.pictures:
        if saved.image == found.image:
            return saved.request
    return found.job.request.alone(found.image)


def _with_defaults(origin: GenerationRequest, changes: Mapping[str, Any]) -> dict[str, Any]:
    """With the options of another sampler or schedule left to its defaults."""
    filled = dict(changes)
    for name, options in (("sampler", "sampling"), ("schedule", "schedule_options")):
        if name in changes and changes[name] != getattr(origin, name):
            filled.setdefault(options, {})
    if {"prompt", "negative_prompt"} & changes.keys():
        filled["embeddings"] = {}  # those of the new text are found when it is read
    return filled
