"""What is set once for an extension: over HTTP, on disk, in its filters."""

import json
from dataclasses import replace

import pytest
from fastapi import APIRouter
from starlette.testclient import TestClient

from tests.api.conftest import CAT, REGISTRY
from webui import ChoiceField, ControlGroup, FlagField, IntegerField, RequestFilter, SettingsPage
from webui.api import own_routes, server
from webui.errors import ExtensionError
from webui.extensions import Catalogue, OwnSettings, together
from webui.extensions.answers import check_own
from webui.guard import Guard, Rules
from webui.interfaces.server_hooks import Owned
from webui.submitting import submit_all

PAGE = SettingsPage(
    title="Loud",
    help="How loud.",
    fields=(
        FlagField(name="loud", label="Loud", help="In capitals."),
        IntegerField(name="most", label="Most", help=".", default=3, minimum=1, maximum=9),
        ChoiceField(name="mode", label="Mode", help=".", default="a", choices=("a", "b")),
    ),
)
DEFAULTS = {"loud": False, "most": 3, "mode": "a"}
ADDRESS = "/api/v1/extensions/shout/settings"


@pytest.fixture
def extended(services, tmp_path):
    own = OwnSettings(tmp_path / "data", (Owned("shout", PAGE),))
    return replace(services, extensions=Catalogue(data_dir=tmp_path / "data", own_settings=own))


@pytest.fixture
def client(extended):
    rules = Rules(uploads=extended.settings.temp_dir, outputs=extended.settings.outputs)
    app = Guard(server.create(extended), rules)
    with TestClient(app, "http://localhost:7860", raise_server_exceptions=False) as client:
        yield client


def kept(tmp_path):
    return tmp_path / "data" / "extension-settings" / "shout.json"


def test_pages_are_said_with_their_fields_and_what_stands_in_them(client):
    said = client.get(ADDRESS).json()
    assert said["values"] == DEFAULTS
    (page,) = said["pages"]
    assert (page["title"], page["help"]) == ("Loud", "How loud.")
    assert [(each["name"], each["kind"], each["value"]) for each in page["fields"]] == [
        ("loud", "flag", False), ("most", "integer", 3), ("mode", "choice", "a"),
    ]  # fmt: skip
    assert page["fields"][1]["maximum"] == 9
    assert page["fields"][2]["choices"] == ["a", "b"]
    answer = client.get("/api/v1/extensions/nobody/settings")
    assert (answer.status_code, answer.json()["error"]["text"]) == (
        404, "'nobody' is no extension that is here",
    )  # fmt: skip


def test_a_setting_is_changed_kept_and_read_by_a_filter(client, extended, tmp_path):
    answer = client.patch(ADDRESS, json={"loud": True})
    assert (answer.status_code, answer.json()["values"]) == (200, DEFAULTS | {"loud": True})
    assert json.loads(kept(tmp_path).read_text()) == DEFAULTS | {"loud": True}
    another = OwnSettings(tmp_path / "data", (Owned("shout", PAGE),))  # the next start
    assert another.values("shout")["loud"] is True

    def shout(request, context):
        text = request.prompt.upper() if context.settings["loud"] else request.prompt
        return [replace(request, prompt=text)]

    group = ControlGroup(
        name="shout", title="Shout", fields=(FlagField(name="on", label="On", help="."),)
    )
    registry = replace(
        REGISTRY,
        controls={"shout": group},
        request_filters=(Owned("shout", RequestFilter(needs="shout", apply=shout)),),
    )
    values = {**CAT, "model": "toy", "extras": {"shout": {"on": True}}}
    (job,) = submit_all(replace(extended, registry=registry), values)
    assert job.request.prompt == "A CAT"


@pytest.mark.parametrize(
    ("id", "body", "field"),
    [
        ("shout", {"most": 10}, "settings.most"),
        ("shout", {"loud": 1}, "settings.loud"),
        ("shout", {"mode": "c"}, "settings.mode"),
        ("shout", {"more": 1}, "settings.more"),
        ("nobody", {"most": 2}, "id"),
        ("../x", {"most": 2}, None),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(client, tmp_path, id, body, field):
    answer = client.patch(f"/api/v1/extensions/{id}/settings", json={"mode": "b", **body})
    assert answer.status_code == (404 if field is None else 422)
    if field:
        assert answer.json()["error"]["field"] == field
    assert client.get(ADDRESS).json()["values"] == DEFAULTS
    assert not kept(tmp_path).exists()


@pytest.mark.parametrize("text", ["", "[]", "{", "9" * 5000, '{"loud": true'])
def test_a_damaged_file_is_laid_aside_and_all_are_defaults(client, tmp_path, text):
    kept(tmp_path).parent.mkdir(parents=True)
    kept(tmp_path).write_text(text)
    assert client.get(ADDRESS).json()["values"] == DEFAULTS
    (aside,) = kept(tmp_path).parent.iterdir()
    assert aside.name.startswith("shout.json.bad-")
    assert aside.read_text() == text


def test_a_value_that_cannot_be_any_more_is_its_default(client, tmp_path):
    kept(tmp_path).parent.mkdir(parents=True)
    kept(tmp_path).write_text('{"most": 99, "mode": "b", "gone": 1}')
    assert client.get(ADDRESS).json()["values"] == DEFAULTS | {"mode": "b"}


def test_its_address_is_no_extensions_own(extended):
    def route(services):
        router = APIRouter(prefix="/api/v1/extensions/shout")
        router.add_api_route("/settings", lambda: {})
        return router

    with pytest.raises(ExtensionError, match="is that of its settings page"):
        own_routes.built("shout", route, extended)


def test_settings_that_cannot_be_are_refused_at_the_start(tmp_path):
    again = SettingsPage(title="Again", fields=PAGE.fields[:1])
    with pytest.raises(ExtensionError, match="two settings have the same name"):
        together.check({"settings_pages": [("", PAGE), ("", again)]})
    with pytest.raises(ExtensionError, match="has 0 fields"):
        check_own("settings_pages", [("", SettingsPage(title="", fields=()))], "shout", tmp_path)
