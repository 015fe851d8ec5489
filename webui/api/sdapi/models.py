"""Models, VAEs, LoRAs and embeddings: lists, reading the folders again, and the model in memory."""

from typing import Any

from fastapi import APIRouter

from webui import safetensors_header as header
from webui.api.openapi import foreign
from webui.api.openapi.says import says
from webui.api.sdapi import checkpoints
from webui.api.sdapi.desk import Desk
from webui.embeddings import EmbeddingEntry
from webui.library import ModelEntry
from webui.loras import LoraEntry
from webui.metadata import HASH_DIGITS

_LOADING = 300.0  # seconds


def router(desk: Desk) -> APIRouter:
    router = APIRouter()
    library, embeddings = desk.services.library, desk.services.embeddings
    _add_refreshing(router, desk)
    _add_memory(router, desk)

    @router.get("/sd-models", **says(list[foreign.A1111Model]))
    def sd_models() -> list[dict[str, Any]]:
        """Those that can be used. `hash` is null while it is not known."""
        return [_model(desk, each) for each in library.entries() if each.problem is None]

    @router.get("/sd-vae", **says(list[foreign.A1111Vae]))
    def sd_vae() -> list[dict[str, Any]]:
        return [{"model_name": each.name, "filename": str(each.path)} for each in library.vaes()]

    @router.get("/sd-modules", **says(list[foreign.A1111Vae]))
    def sd_modules() -> list[dict[str, Any]]:
        """Forge's name for what it can put beside a checkpoint."""
        return sd_vae()

    @router.get("/loras", **says(list[foreign.Named]))
    def loras() -> list[dict[str, Any]]:
        """Those that can be used."""
        return [_lora(each) for each in desk.services.loras.entries() if each.problem is None]

    @router.get("/embeddings", **says(foreign.A1111Embeddings))
    def listed() -> dict[str, Any]:
        found = embeddings.entries()
        return {
            "loaded": {each.name: _embedding(each) for each in found if each.problem is None},
            "skipped": {each.name: _embedding(each) for each in found if each.problem},
        }

    return router


def _add_refreshing(router: APIRouter, desk: Desk) -> None:
    @router.post("/refresh-checkpoints", **says({"type": "null"}))
    @router.post("/refresh-vae", **says({"type": "null"}))
    def refresh_checkpoints() -> None:
        desk.services.library.refresh()

    @router.post("/refresh-loras", **says({"type": "null"}))
    @router.post("/refresh-embeddings", **says({"type": "null"}))
    def refresh() -> None:
        """Nothing to do: these folders are looked at each time."""


def _add_memory(router: APIRouter, desk: Desk) -> None:
    @router.post("/unload-checkpoint", **says(foreign.Nothing, errors=(404, 503)))
    def unload() -> dict[str, Any]:
        """503 while a job runs."""
        desk.services.backend.call("unload", {"model": None}, _LOADING)
        return {}

    @router.post("/reload-checkpoint", **says(foreign.Nothing, errors=(404, 503)))
    def reload() -> dict[str, Any]:
        entry = checkpoints.current(desk.services.library, desk.chosen.model)
        if entry is not None:
            desk.services.backend.call("load", {"model": entry.name}, _LOADING)
        return {}


def _model(desk: Desk, entry: ModelEntry) -> dict[str, Any]:
    digest = checkpoints.known_hash(desk.services.library, entry)
    return {
        "title": checkpoints.title(desk.services.library, entry),
        "model_name": entry.name,
        "hash": digest[:HASH_DIGITS] or None,
        "sha256": digest or None,
        "filename": str(entry.weights),
        "config": None,
    }


def _lora(entry: LoraEntry) -> dict[str, Any]:
    """`metadata`: what its trainer wrote into it."""
    try:
        metadata = dict(header.read(entry.path).metadata)
    except (header.HeaderError, OSError):  # it has changed this moment
        metadata = {}
    return {
        "name": entry.name,
        "alias": entry.alias or entry.name,
        "path": str(entry.path),
        "metadata": metadata,
    }


def _embedding(entry: EmbeddingEntry) -> dict[str, Any]:
    """Step and model are what the training programs write; headers are all that is read here."""
    parts = list(entry.parts.values())
    return {
        "step": None,
        "sd_checkpoint": None,
        "sd_checkpoint_name": None,
        "shape": parts[0].width if parts else 0,
        "vectors": entry.vectors,
    }
