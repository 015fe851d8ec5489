"""The files under models/ with all that is known of them, and the pictures beside them."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Response

from webui.api.openapi import lists
from webui.api.openapi.says import files, says
from webui.api.shelf_view import ShelfView
from webui.library import ModelEntry
from webui.services import Services
from webui.sidecars import Previews

_FOR_EVER = "private, max-age=31536000, immutable"  # another picture has another address


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/shelf", tags=["models"])
    view, previews = ShelfView(services), Previews()

    def known(kind: str) -> str:
        if kind not in view.kinds:
            raise HTTPException(404, f"there is no such shelf; there are {', '.join(view.kinds)}")
        return kind

    @router.get("/{kind}", **says(lists.Shelf, errors=(404,)))
    def listed(kind: str, model: str | None = None) -> dict[str, Any]:
        """checkpoints, vaes, loras, embeddings or upscalers, from headers alone.

        `problem` is why nothing can use one; `misfit` why that model, by default the one that
        ships, cannot. 404 if there is no such shelf or model.
        """
        known(kind)
        entry = _model(services, model)
        hello = services.backend.state().hello
        return {
            "kind": kind,
            "model": entry.name if entry else None,
            "memory_bytes": int(hello.get("memory", 0)) or None,  # of the device
            "items": view.rows(kind, entry),
        }

    @router.get(
        "/{kind}/preview",
        response_class=Response,
        **says(content=files("image/jpeg"), errors=(404,)),
    )
    def preview(kind: str, name: Annotated[str, Query(max_length=1000)]) -> Response:
        """The picture beside the file of that name, made small, as JPEG."""
        path = view.picture(known(kind), name)
        made = previews.jpeg(path) if path else None
        if made is None:
            raise HTTPException(404, "there is no picture of it that can be shown")
        return Response(made, media_type="image/jpeg", headers={"Cache-Control": _FOR_EVER})

    return router


def _model(services: Services, name: str | None) -> ModelEntry | None:
    """Raises ModelNotFound for a name that is given and not there."""
    name = name or services.library.default()
    return services.library.find(name) if name is not None else None
