"""The models there are: what each is, as far as that is known before it is loaded; unloading."""

from typing import Any

from fastapi import APIRouter

from webui.api import schema
from webui.api.body import OptionalObject
from webui.api.openapi import bodies, lists
from webui.api.openapi.says import says
from webui.services import Services

_UNLOADING = 30.0  # seconds


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models", tags=["models"])
    library = services.library

    @router.get("", **says(lists.Models))
    def listed() -> dict[str, Any]:
        """`report` is null while nobody has looked into a file of a list of thousands."""
        default, state = library.default(), services.backend.state()
        return {
            "models": [schema.model(entry, default, state) for entry in library.entries()],
            "vaes": [schema.vae(entry) for entry in library.vaes()],
        }

    @router.post("/refresh", **says(lists.Models))
    def refresh() -> dict[str, Any]:
        """Reads the folders again."""
        library.refresh()
        library.hash_ahead()
        return listed()

    @router.post(
        "/unload", **says(lists.Unloaded, body=bodies.Unload, optional=True, errors=(404, 503))
    )
    def unload(body: OptionalObject) -> dict[str, Any]:
        """{"model"} lets that one go out of memory, {} all of them; 503 while a job runs."""
        schema.check_known(body, ("model",))
        name = schema.text(body, "model", None)
        found = library.find(name).name if name is not None else None
        answer: dict[str, Any] = services.backend.call("unload", {"model": found}, _UNLOADING)
        return answer

    return router
