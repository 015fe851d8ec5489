"""Pictures made larger, what is written in them, and what they show."""

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from starlette.background import BackgroundTask

from webui.api.openapi import foreign
from webui.api.openapi.says import says
from webui.api.sdapi import answers, reading
from webui.api.sdapi.desk import Desk
from webui.api.sdapi.generation import JOB_HEADER, forget
from webui.api.sdapi.pictures import keep_picture
from webui.errors import DarkroomError, InvalidRequest, WrongState
from webui.jobs.job import Job
from webui.pictures import hidden, look

_MOST = 64  # pictures of one call
_INTERROGATORS = ("clip", "deepdanbooru", "deepbooru")
_NAMES = {  # ours -> A1111's
    "upscale.upscaler": "upscaler_1",
    "upscale.second": "upscaler_2",
    "upscale.second_visibility": "extras_upscaler_2_visibility",
    "upscale.scale": "upscaling_resize",
    "upscale.width": "upscaling_resize_w",
    "upscale.height": "upscaling_resize_h",
}
_ERRORS = (409, 503, 507)
_FACES = ("gfpgan_visibility", "codeformer_visibility")


def router(desk: Desk) -> APIRouter:
    router = APIRouter()
    _add_upscaling(router, desk)
    _add_reading(router, desk)
    return router


def _add_upscaling(router: APIRouter, desk: Desk) -> None:
    async def finished(request: Request, ids: list[str]) -> list[Job]:
        """All of them; the others are given up when one fails."""
        try:
            return [await desk.calls.end(each) for each in ids]
        except DarkroomError:
            await asyncio.to_thread(_give_up, desk, ids)
            raise

    async def larger(request: Request, many: bool) -> Response:
        async with desk.body(request) as body:
            ids, notes = await asyncio.to_thread(_start, desk, body, many)
            del body
        jobs = await finished(request, ids)
        made = [saved for job in jobs for saved in job.pictures if saved.image >= 0]
        outputs = desk.services.settings.outputs
        images = await asyncio.to_thread(answers.upscaled, outputs, made)
        pictures = {"images": images} if many else {"image": images[0] if images else None}
        gone = await request.is_disconnected()
        tidy = BackgroundTask(forget, desk, {job.id: job.pictures for job in jobs})
        return JSONResponse(
            {**pictures, "html_info": notes, "job": ids if many else ids[0]},
            headers={JOB_HEADER: ",".join(ids)},
            background=None if gone else tidy,
        )

    @router.post(
        "/extra-single-image", **says(foreign.Upscaled, body=foreign.UpscaleOne, errors=_ERRORS)
    )
    async def extra_single_image(request: Request) -> Response:
        """{"image", "upscaler_1", "upscaling_resize", ...}"""
        return await larger(request, False)

    @router.post(
        "/extra-batch-images",
        **says(foreign.UpscaledBatch, body=foreign.UpscaleMany, errors=_ERRORS),
    )
    async def extra_batch_images(request: Request) -> Response:
        """{"imageList": [{"data", "name"}], ...}: a job for each."""
        return await larger(request, True)


def _start(desk: Desk, body: Mapping[str, Any], many: bool) -> tuple[list[str], str]:
    """(jobs, what was asked for and is not done here)."""
    images: list[tuple[str, Any]] = [("image", body.get("image"))]
    if many:
        listed = reading.json_list("imageList", body.get("imageList"))
        if not 0 < len(listed) <= _MOST:
            raise InvalidRequest("imageList", f"must hold 1 to {_MOST} pictures, got {len(listed)}")
        images = [
            (f"imageList.{place}", reading.json_object(f"imageList.{place}", each).get("data"))
            for place, each in enumerate(listed)
        ]
    asked, ids = _upscale(body), []
    try:
        for name, value in images:
            kept = keep_picture(desk.services.inputs, name, value)
            part = {**asked, "picture": kept.sha256}
            ids.append(desk.calls.submit({"prompt": "", "seed": 0, "upscale": part})[0].id)
    except InvalidRequest as error:
        _give_up(desk, ids)
        raise InvalidRequest(_NAMES.get(error.field, error.field), error.problem) from None
    except DarkroomError:
        _give_up(desk, ids)
        raise
    faces = [name for name in _FACES if reading.number(name, body.get(name) or 0) > 0]
    return ids, "; ".join(f"{name} was ignored: no face restorer is here" for name in faces)


def _upscale(body: Mapping[str, Any]) -> dict[str, Any]:
    """Of `Upscale`, without the picture. A1111 does nothing with no upscaler; here Lanczos does
    the resizing that was asked for."""
    first = reading.text("upscaler_1", body.get("upscaler_1") or "None")
    second = reading.text("upscaler_2", body.get("upscaler_2") or "None")
    part: dict[str, Any] = {"upscaler": "Lanczos" if first == "None" else first}
    if second != "None":
        part["second"] = second
        visible = body.get("extras_upscaler_2_visibility")
        part["second_visibility"] = reading.number("extras_upscaler_2_visibility", visible or 0)
    if reading.whole("resize_mode", body.get("resize_mode") or 0) == 0:
        scale = body.get("upscaling_resize")
        part["scale"] = reading.number("upscaling_resize", 2 if scale is None else scale)
    else:
        for side, name in (("width", "upscaling_resize_w"), ("height", "upscaling_resize_h")):
            part[side] = reading.whole(name, 512 if body.get(name) is None else body[name])
        part["crop"] = reading.switch(body, "upscaling_crop", True)
    return part


def _give_up(desk: Desk, ids: list[str]) -> None:
    for each in ids:
        try:
            desk.services.line.cancel(each)
        except WrongState:  # it has ended
            continue


def _add_reading(router: APIRouter, desk: Desk) -> None:
    @router.post("/png-info", **says(foreign.PngInfo, body=foreign.PictureBody, errors=(503,)))
    async def png_info(request: Request) -> dict[str, Any]:
        """{"image"}: the text in it, all its texts, and the parameters taken apart."""
        async with desk.body(request) as body:
            return await asyncio.to_thread(_info, body.get("image"))

    @router.post(
        "/interrogate",
        **says(foreign.Nothing, body=foreign.Interrogation, optional=True, errors=(404, 501, 503)),
    )
    async def interrogate(request: Request) -> None:
        """Says that nothing here can."""
        async with desk.body(request) as body:
            model = reading.text("model", body.get("model") or "clip")
        if model.lower() not in _INTERROGATORS:
            raise HTTPException(404, f"model: is none of {', '.join(_INTERROGATORS)}")
        raise HTTPException(501, "no model that describes pictures is here; write the prompt")


def _info(image: Any) -> dict[str, Any]:
    data = reading.picture("image", image)
    try:
        header = look(data)
    except InvalidRequest as error:
        raise InvalidRequest("image", error.problem) from None
    text = header.parameters
    if text is None:
        try:
            found = hidden(data, header)
        except InvalidRequest:  # its pixels are damaged; what was looked at stays
            found = None
        text = found.text if found else ""
    return {
        "info": text,
        "items": {chunk.name: chunk.text for chunk in header.chunks},
        "parameters": answers.parsed(text) if text else {},
    }
