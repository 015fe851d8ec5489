"""txt2img and img2img: a call becomes a job of the line, and is answered with its pictures."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.background import BackgroundTask

from webui.api.openapi import foreign
from webui.api.openapi.says import says
from webui.api.sdapi import answers, fields, reading
from webui.api.sdapi.asked import Asked, InitMissing, Reader, theirs
from webui.api.sdapi.described import body
from webui.api.sdapi.desk import Desk
from webui.api.sdapi.pictures import remove
from webui.errors import DarkroomError, InvalidRequest
from webui.events import Saved
from webui.jobs.job import Job
from webui.submitting import sheet_of

JOB_HEADER = "X-Darkroom-Job"
_ANSWERING = 4  # answers put together at the same time
_MOST_TASK = 200  # characters


@dataclass(frozen=True, slots=True)
class Started:
    """A call that waits, without its body."""

    job_ids: tuple[str, ...]
    asked: Asked
    send: bool
    save: bool
    inits: bool


def router(desk: Desk) -> APIRouter:
    router = APIRouter()
    reader = Reader(desk.services, desk.chosen)
    answering = asyncio.Semaphore(_ANSWERING)

    async def answered(request: Request, img2img: bool) -> Response:
        async with desk.body(request) as values:
            started = await asyncio.to_thread(_start, desk, reader, values, img2img)
            del values
        jobs = await desk.calls.ends(started.job_ids)
        async with answering:
            sheet = await asyncio.to_thread(_sheet, desk, jobs[0], started.asked)
            data = await asyncio.to_thread(
                answers.generated,
                desk.services,
                jobs,
                started.asked,
                send=started.send,
                saved=started.save,
                inits=started.inits,
                sheet=sheet,
            )
        gone = await request.is_disconnected()
        made = {each.id: each.pictures for each in jobs}
        tidy = None if started.save or gone else BackgroundTask(forget, desk, made, sheet)
        if gone:
            desk.services.taken.discard(made)
        return Response(data, 200, {JOB_HEADER: jobs[0].id}, "application/json", tidy)

    @router.post("/txt2img", **_said(body(fields.TXT2IMG, fields.ECHO_TXT2IMG)))
    async def txt2img(request: Request) -> Response:
        """A1111's fields (docs/sdapi.md); answers when the pictures are there."""
        return await answered(request, False)

    @router.post("/img2img", **_said(body(fields.IMG2IMG, fields.ECHO_IMG2IMG)))
    async def img2img(request: Request) -> Response:
        """As txt2img, with `init_images` and `mask` in base64."""
        return await answered(request, True)

    return router


def _said(shape: dict[str, Any]) -> dict[str, Any]:
    said = says(foreign.Generated, body=shape, optional=True, errors=(404, 409, 503, 507))
    said["responses"][200]["headers"] = {JOB_HEADER: {"schema": {"type": "string"}}}
    return said


def _start(desk: Desk, reader: Reader, body: Mapping[str, Any], img2img: bool) -> Started:
    flags = {
        name: reading.switch(body, name, default)
        for name, default in (
            ("send_images", True), ("save_images", False), ("include_init_images", False),
        )
    }  # fmt: skip
    task = body.get("force_task_id")
    if task is not None and len(reading.text("force_task_id", task)) > _MOST_TASK:
        raise InvalidRequest("force_task_id", f"has more than {_MOST_TASK} characters")
    try:
        asked = (reader.img2img if img2img else reader.txt2img)(body)
        jobs = desk.calls.submit(asked.values, task, keep=flags["save_images"])
    except InitMissing as error:
        raise HTTPException(404, str(error)) from None
    except InvalidRequest as error:
        name = theirs(error.field, img2img)
        if error.field == "sampler":  # A1111's own answer to one that is not there
            raise HTTPException(400, f"{name}: {error.problem}") from None
        raise InvalidRequest(name, error.problem) from None
    if asked.settings:
        desk.chosen.set(asked.settings)
    held = replace(asked, values={}, extras=asked.values.get("extras", {}))
    return Started(tuple(each.id for each in jobs), held, *flags.values())


def _sheet(desk: Desk, first: Job, asked: Asked) -> Saved | None:
    """The picture that shows all jobs of a call, where there is one: a plot's grid."""
    path = sheet_of(desk.services, first.id, {"extras": asked.extras})
    if path is None:
        return None
    name = path.relative_to(desk.services.settings.outputs).as_posix()
    return Saved(-1, name, first.request, 0.0, 0, 0, 0)


def forget(desk: Desk, jobs: Mapping[str, Sequence[Saved]], sheet: Saved | None = None) -> None:
    """The pictures were handed over and are not to be kept."""
    if sheet is not None:
        with suppress(OSError):
            remove(desk.services.settings.outputs, [sheet])
    for job_id, pictures in jobs.items():
        with suppress(OSError):
            remove(desk.services.settings.outputs, pictures)
        with suppress(DarkroomError):
            desk.services.line.order.drop(job_id)
