"""How clients come: logins, headers, and going away; and what the docs tell them."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.guard.calls import basic
from tests.jobs.fakes import eventually
from tests.sdapi.conftest import SMALL, info
from webui.api import sdapi, server
from webui.api.sdapi import fields
from webui.guard import Guard, Login, Rules
from webui.passwords import accounts

DOCS = (Path(__file__).parents[2] / "docs" / "sdapi.md").read_text("utf-8")


@pytest.fixture
def guarded(whole, running):
    """With a login for people and one for programs."""
    login = Login(accounts("ann:sesame"), accounts("robot:beep"))
    settings = whole.settings
    rules = Rules(uploads=settings.temp_dir, outputs=settings.outputs, login=login)
    app = Guard(server.create(whole), rules)
    with TestClient(app, "http://localhost:7860", raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/sdapi/v1/options", "/sdapi/v1/progress", "/internal/ping"])
def test_programs_log_in_by_basic(guarded, path):
    assert guarded.get(path).status_code == 401
    assert guarded.get(path, headers={"authorization": ""}).status_code == 401
    assert guarded.get(path, headers=basic("robot", "boop")).status_code == 401
    assert guarded.get(path, headers=basic("robot", "beep")).status_code == 200
    assert guarded.get(path, headers=basic("ann", "sesame")).status_code == 200


def test_a_call_without_a_login_makes_nothing(guarded, whole):
    assert guarded.post("/sdapi/v1/txt2img", json=SMALL).status_code == 401
    assert whole.line.jobs() == []
    answer = guarded.post("/sdapi/v1/txt2img", json=SMALL, headers=basic("robot", "beep"))
    assert info(answer)["seed"] == 7


def test_an_empty_authorization_header_is_none(api):
    answer = api.client.get("/sdapi/v1/options", headers={"authorization": ""})
    assert answer.status_code == 200


def test_a_page_of_another_site_may_not(api):
    headers = {"origin": "http://evil.com"}
    answer = api.client.post("/sdapi/v1/txt2img", json=SMALL, headers=headers)
    assert answer.status_code == 403
    assert api.services.line.jobs() == []


def test_a_client_that_goes_away_has_its_pictures_kept(whole, puppet):
    """A1111 goes on making them; here they are not thrown away unseen either."""
    app = server.create(whole)
    body = json.dumps(SMALL).encode()
    scope = {
        "type": "http", "method": "POST", "path": "/sdapi/v1/txt2img", "query_string": b"",
        "headers": [(b"host", b"localhost:7860"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 7860), "scheme": "http",
        "http_version": "1.1", "root_path": "", "raw_path": b"",
    }  # fmt: skip
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message):
        pass

    async def called():
        calling = asyncio.create_task(app(scope, receive, send))
        await asyncio.to_thread(eventually, lambda: whole.line.running() is not None)
        puppet.order("finish")
        await calling

    asyncio.run(called())
    [job] = whole.line.jobs()
    assert (job.state, len(job.pictures)) == ("done", 1)
    assert (whole.settings.outputs / job.pictures[0].path).is_file()


def test_what_is_large_is_not_repeated(api):
    large = {"x": "MARK" * 50_000}
    parameters = api.txt2img(comments=large, script_args=["x"]).json()["parameters"]
    assert (parameters["comments"], parameters["script_args"]) == (None, ["x"])


# --- docs --------------------------------------------------------------------------------------


def test_the_docs_name_every_field_and_every_address(client, whole):
    named = set(re.findall(r"`([a-zA-Z_0-9-]+)`", DOCS))
    known = {*fields.ECHO_TXT2IMG, *fields.ECHO_IMG2IMG, "hr_cfg"}
    assert known <= named, known - named
    spec = client.get("/api/v1/openapi.json").json()["paths"]
    paths = {path.removeprefix(sdapi.PREFIX + "/") for path in spec if path.startswith("/sdapi")}
    assert len(paths) == 34
    assert paths <= named, paths - named


def test_openapi_says_what_a_call_may_hold(client):
    spec = client.get("/api/v1/openapi.json").json()["paths"]
    for name, echo in (("txt2img", fields.ECHO_TXT2IMG), ("img2img", fields.ECHO_IMG2IMG)):
        body = spec[f"/sdapi/v1/{name}"]["post"]["requestBody"]["content"]["application/json"]
        properties = body["schema"]["properties"]
        assert set(properties) == set(echo)
        assert properties["steps"] == {
            "default": 50, "type": ["integer", "null"], "minimum": 1, "maximum": 150,
            "description": properties["steps"]["description"],
        }  # fmt: skip
        assert properties["seed"]["minimum"] == -1
        assert (properties["n_iter"]["minimum"], properties["n_iter"]["maximum"]) == (1, 100)


def test_fields_without_effect_stand_in_the_docs_as_such():
    ignored = DOCS[DOCS.index("## Accepted and ignored") :]
    section = ignored[: ignored.index("\n## ", 5)]
    assert set(fields.WITHOUT_EFFECT) <= set(re.findall(r"`([a-z_]+)`", section))


def test_the_docs_example_works(api):
    [example] = re.findall(r"```json\n(.*?)```", DOCS, re.DOTALL)
    answer = api.post("txt2img", json.loads(example))
    assert (answer.json()["ignored"], info(answer)["sampler_name"]) == ([], "DPM++ 2M")
