"""The models there are: what each is, as far as that is known before it is loaded; unloading."""

import threading
from contextlib import suppress
from typing import Any

from fastapi import APIRouter

from webui import model_settings
from webui.api import schema
from webui.api.body import JsonObject, OptionalObject
from webui.api.openapi import bodies, lists
from webui.api.openapi.says import says
from webui.errors import DarkroomError, EngineBusy, InvalidRequest, ModelNotFound
from webui.services import Services

_UNLOADING = 30.0  # seconds
_LOADING = 600.0
_ASKING = 2.0


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models", tags=["models"])
    library = services.library

    @router.get("", **says(lists.Models))
    def listed() -> dict[str, Any]:
        """`report` is null while nobody has looked into a file of a list of thousands."""
        default, state, entries = library.default(), services.backend.state(), library.entries()
        suited = model_settings.said(services.sidecars, services.registry, entries)
        return {
            "models": [
                schema.model(entry, default, state, suited[entry.path]) for entry in entries
            ],
            "vaes": [schema.vae(entry) for entry in library.vaes()],
        }

    @router.post("/refresh", **says(lists.Models))
    def refresh() -> dict[str, Any]:
        """Reads the folders again."""
        library.refresh()
        library.hash_ahead()
        return listed()

    _add_loading(router, services)
    _add_memory(router, services)
    return router


def _add_loading(router: APIRouter, services: Services) -> None:
    library, loading = services.library, threading.Lock()

    @router.post("/load", **says(lists.Loaded, body=bodies.Load, errors=(404, 503)))
    def load(body: JsonObject) -> dict[str, Any]:
        """{"model"}: loads it ahead of its first picture; answers when it is there. 503 while a
        job runs, which loads what it needs itself."""
        schema.check_known(body, ("model",))
        entry = library.find(schema.text(body, "model", "") or "")
        if entry.problem is not None:
            raise InvalidRequest("model", f"{entry.name} cannot be used: {entry.problem}")
        if services.line.running() is not None:
            raise EngineBusy("a job runs; load models when none does")
        if not loading.acquire(blocking=False):
            raise EngineBusy("another model is being loaded")
        try:
            services.backend.call("load", {"model": entry.name}, _LOADING)
        finally:
            loading.release()
        return {"loaded": entry.name}

    @router.post(
        "/unload", **says(lists.Unloaded, body=bodies.Unload, optional=True, errors=(404, 503))
    )
    def unload(body: OptionalObject) -> dict[str, Any]:
        """{"model"} lets that one go out of memory, {} all of them; 503 while a job runs."""
        schema.check_known(body, ("model",))
        name = schema.text(body, "model", None)
        found, missing = name, None
        try:
            found = library.find(name).name if name is not None else None
        except ModelNotFound as error:  # its file went away; it may still be in memory
            missing = error
        answer: dict[str, Any] = services.backend.call("unload", {"model": found}, _UNLOADING)
        if missing is not None and not answer["unloaded"]:
            raise missing
        return answer


def _add_memory(router: APIRouter, services: Services) -> None:
    @router.get("/memory", **says(lists.InMemory))
    def memory() -> dict[str, Any]:
        """What is in memory, the model used last at the end; `models` is null while the engine has
        no time to tell."""
        state = services.backend.state()
        told: dict[str, Any] = {}
        if state.state in ("ready", "busy"):
            with suppress(DarkroomError):
                told = services.backend.call("status", {}, _ASKING) or {}
        return {
            "engine": schema.engine(state),
            "models": told.get("models"),
            "memory_bytes": int(state.hello.get("memory", 0)) or None,  # of the device
        }
