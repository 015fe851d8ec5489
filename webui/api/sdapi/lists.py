"""What there is to choose from, by A1111's names."""

from typing import Any

from fastapi import APIRouter

from webui.api.openapi import foreign
from webui.api.openapi.says import says
from webui.api.sdapi.desk import Desk
from webui.interfaces import SamplerInfo, ScheduleInfo

_RHO = {"Karras": 7.0, "Polyexponential": 1.0}  # A1111's, -1 where there is none
_BY_LEVELS = ("Uniform", "SGM Uniform", "Simple", "Normal", "DDIM", "Beta")  # of the model
_REALESRGAN = "RealESRGAN"


def router(desk: Desk) -> APIRouter:
    router = APIRouter()
    registry = desk.services.registry
    _add_upscalers(router, desk)

    @router.get("/samplers", **says(list[foreign.A1111Sampler]))
    def samplers() -> list[dict[str, Any]]:
        return [_sampler(each) for each in registry.samplers.values()]

    @router.get("/schedulers", **says(list[foreign.A1111Scheduler]))
    def schedulers() -> list[dict[str, Any]]:
        return [_schedule(each) for each in registry.schedules.values()]

    # what there is nothing of yet: a list of what there is
    @router.get("/hypernetworks", **says(list[foreign.Named]))
    def hypernetworks() -> list[dict[str, Any]]:
        return []

    @router.get("/face-restorers", **says(list[foreign.Named]))
    def face_restorers() -> list[dict[str, Any]]:
        return []

    @router.get("/prompt-styles", **says(list[foreign.Named]))
    def prompt_styles() -> list[dict[str, Any]]:
        return []

    return router


def _add_upscalers(router: APIRouter, desk: Desk) -> None:
    registry, files = desk.services.registry, desk.services.upscalers

    @router.get("/upscalers", **says(list[foreign.A1111Upscaler]))
    def upscalers() -> list[dict[str, Any]]:
        """Those of pictures. `scale` is null where any size can be asked for."""
        plain = [each.name for each in registry.upscalers.values() if each.kind != "latent"]
        return [
            *(_upscaler(name, None, None) for name in ("None", *plain)),
            *(
                _upscaler(each.name, str(each.path), each.scale)
                for each in files.files()
                if each.problem is None
            ),
        ]

    @router.get("/latent-upscale-modes", **says(list[foreign.Named]))
    def latent_upscale_modes() -> list[dict[str, str]]:
        latent = [each for each in registry.upscalers.values() if each.kind == "latent"]
        return [{"name": each.name} for each in latent]

    @router.get("/realesrgan-models", **says(list[foreign.Named]))
    def realesrgan_models() -> list[dict[str, Any]]:
        return [
            {"name": each.name, "path": str(each.path), "scale": each.scale}
            for each in files.files()
            if each.problem is None and _REALESRGAN in each.path.parts
        ]


def _sampler(info: SamplerInfo) -> dict[str, Any]:
    options: dict[str, str] = {}
    if info.automatic != "Uniform":
        options["scheduler"] = _name(info.automatic)
    if info.calls == 2:
        options["second_order"] = "True"
    return {"name": info.name, "aliases": list(info.aliases), "options": options}


def _schedule(info: ScheduleInfo) -> dict[str, Any]:
    return {
        "name": _name(info.name),
        "label": info.name,
        "aliases": list(info.aliases) or None,
        "default_rho": _RHO.get(info.name, -1.0),
        "need_inner_model": info.name in _BY_LEVELS,
    }


def _name(label: str) -> str:
    return label.lower().replace(" ", "_")


def _upscaler(name: str, path: str | None, scale: int | None) -> dict[str, Any]:
    return {
        "name": name,
        "model_name": name if path else None,
        "model_path": path,
        "model_url": None,
        "scale": scale,
    }
