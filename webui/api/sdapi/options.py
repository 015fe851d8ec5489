"""Settings: what is set, setting it, and what the server was started with."""

import asyncio
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request

from webui.api.openapi import foreign
from webui.api.openapi.says import says
from webui.api.routes.settings import shown
from webui.api.sdapi.desk import Desk
from webui.api.sdapi.settings import CHECKPOINT
from webui.errors import EngineBusy

_LOADING = 300.0  # seconds


def router(desk: Desk) -> APIRouter:
    router = APIRouter()
    loading = asyncio.Semaphore(1)

    @router.get("/options", **says(foreign.Options))
    def options() -> dict[str, Any]:
        return desk.chosen.all()

    @router.post(
        "/options", **says({"type": "null"}, body=foreign.Options, optional=True, errors=(503,))
    )
    async def change(request: Request) -> None:
        """Any of what GET answers, all of it too; what is not there is ignored. A model is loaded
        before the answer, unless a job runs: then its first job loads it."""
        async with desk.body(request) as body:
            values, _ = await asyncio.to_thread(desk.chosen.read, body)
        now = desk.chosen.model
        await asyncio.to_thread(desk.chosen.set, values)
        if values.get(CHECKPOINT, now) != now and desk.services.line.running() is None:
            async with loading:
                with suppress(EngineBusy):
                    await asyncio.to_thread(_load, desk, values[CHECKPOINT])

    @router.get("/cmd-flags", **says(foreign.Options))
    def flags() -> dict[str, Any]:
        """Without names and passwords."""
        return shown(desk.services.settings)

    return router


def _load(desk: Desk, model: str) -> None:
    desk.services.backend.call("load", {"model": model}, _LOADING)
