"""What is set once for an extension: its pages of settings, and changing what stands in them."""

from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from webui.api.body import JsonObject
from webui.api.openapi import extensions as shapes
from webui.api.openapi.says import says
from webui.errors import InvalidRequest
from webui.fields import ChoiceField, FlagField, FormField, IntegerField, NumberField, shown
from webui.interfaces.server_hooks import SettingsPage
from webui.services import Services


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/extensions", tags=["extensions"])
    own = services.extensions.own_settings

    def told(id: str) -> dict[str, Any]:
        values = own.values(id)
        return {"pages": [_page(each, values) for each in own.pages(id)], "values": values}

    @router.get("/{id}/settings", **says(shapes.OwnSettings))
    def settings(id: str) -> dict[str, Any]:
        """Its pages with their fields, and what stands in them; no page where it has none."""
        here = (each.found.id for each in services.extensions.standings)
        if not own.pages(id) and id not in here:
            raise HTTPException(404, f"{shown(id)} is no extension that is here")
        return told(id)

    @router.patch(
        "/{id}/settings", **says(shapes.OwnSettings, body=shapes.OwnValues, errors=(507,))
    )
    def change(id: str, body: JsonObject) -> dict[str, Any]:
        """{name: value}; what is not named stays. In force at once."""
        try:
            own.change(id, body)
        except InvalidRequest as error:
            if error.field == "id":
                raise
            raise InvalidRequest(f"settings.{error.field}", error.problem) from None
        return told(id)

    return router


def _page(page: SettingsPage, values: dict[str, Any]) -> dict[str, Any]:
    fields = [{**_field(each), "value": values[each.name]} for each in page.fields]
    return {"title": page.title, "help": page.help, "fields": fields}


def _field(field: FormField) -> dict[str, Any]:
    made = {"name": field.name, "label": field.label, "help": field.help, "default": field.default}
    if isinstance(field, FlagField):
        return {**made, "kind": "flag"}
    if isinstance(field, ChoiceField):
        return {**made, "kind": "choice", "choices": list(field.choices)}
    if isinstance(field, IntegerField | NumberField):
        kind = "integer" if isinstance(field, IntegerField) else "number"
        return {**made, "kind": kind, "minimum": field.minimum, "maximum": field.maximum}
    return {**made, "kind": "text"}
