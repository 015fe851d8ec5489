"""What the server was started with.

None of it changes while it runs; what does has an address of its own: /previews, /queue/pause.
"""

from dataclasses import fields
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from webui.api.openapi import lists
from webui.api.openapi.says import says
from webui.services import Services
from webui.settings import Settings

_SECRET = ("auth", "auth_file", "api_auth")


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/settings", tags=["settings"])

    @router.get("", **says(lists.SettingsNow))
    def settings() -> dict[str, Any]:
        """As given by arguments, environment and file; without names and passwords."""
        return {"settings": shown(services.settings)}

    return router


def shown(settings: Settings) -> dict[str, Any]:
    """By name, without what is secret."""
    return {
        each.name: _plain(getattr(settings, each.name))
        for each in fields(Settings)
        if each.name not in _SECRET
    }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
