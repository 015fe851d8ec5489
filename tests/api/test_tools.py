"""Tools for assistants, asked by the SDK's own client, at a server that was really started."""

import asyncio
import base64
import io
import re
import sys
from dataclasses import replace

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from tests.serving import Server
from tests.stub_engine import signature
from webui.api import server as api
from webui.errors import StartError

SMALL = {"prompt": "a fox", "steps": 2, "width": 64, "height": 64, "seed": 7, "sampler": "Euler a"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(
        tmp_path_factory.mktemp("tools"),
        settings=("--mcp", "--auth", "ann:sesame", "--api-auth", "robot:beep"),
        auth=("ann", "sesame"),
    )
    yield server
    server.end()


def asked(server, *calls, auth=("ann", "sesame")):
    """The answers of one client, which logs in by HTTP Basic; the last of the tools' names."""

    async def session():
        async with httpx2.AsyncClient(auth=auth, timeout=60) as http:
            transport = streamable_http_client(f"{server.address}/mcp", http_client=http)
            async with Client(transport) as client:
                tools = (await client.list_tools()).tools
                return [await client.call_tool(*call) for call in calls], tools

    return asyncio.run(session())


def opened(content):
    assert (content.type, content.mime_type) == ("image", "image/png")
    return Image.open(io.BytesIO(base64.b64decode(content.data)))


def job_of(text):
    return re.match(r"job: (\w+)\n", text.text)[1]


def test_the_tools_say_what_they_take(server):
    _, tools = asked(server)
    assert [each.name for each in tools] == ["generate", "img2img", "list_models"]
    generate = {each.name: each for each in tools}["generate"].input_schema
    assert generate["required"] == ["prompt"]
    number, nothing = generate["properties"]["steps"]["anyOf"]
    assert number == {"type": "integer", "minimum": 1, "maximum": 150}
    assert nothing == {"type": "null"}
    assert all("description" in each for each in generate["properties"].values())


def test_a_picture_comes_back_with_its_job_and_its_parameters(server):
    [answer], _ = asked(server, ("generate", SMALL | {"images": 2}))
    assert not answer.is_error
    first, second, text = answer.content
    job = job_of(text)
    for image, seed in ((first, 7), (second, 8)):
        assert signature(opened(image).tobytes()) == (job, seed)
        assert f"Seed: {seed}, Size: 64x64" in text.text
    assert "a fox\nSteps: 2, Sampler: Euler a" in text.text
    kept = server.ask(f"jobs/{job}")
    assert (kept["state"], kept["owner"], len(kept["pictures"])) == ("done", "mcp", 3)


def test_a_picture_is_made_anew_from_a_job_or_from_a_file(server):
    [made], _ = asked(server, ("generate", SMALL))
    job = job_of(made.content[-1])
    image = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(image, "PNG")
    sent = base64.b64encode(image.getvalue()).decode()
    anew = {"prompt": "a blue fox", "steps": 2, "strength": 0.5}
    answers, _ = asked(
        server,
        ("img2img", anew | {"job": job}),
        ("img2img", anew | {"picture": f"data:image/png;base64,{sent}", "mask": sent}),
    )
    for answer in answers:
        assert not answer.is_error, answer.content
        picture, text = answer.content
        assert opened(picture).size == (64, 64)
        asked_for = server.ask(f"jobs/{job_of(text)}")["request"]
        assert (asked_for["prompt"], asked_for["init"]["strength"]) == ("a blue fox", 0.5)
        assert "Denoising strength: 0.5" in text.text
    assert asked_for["init"]["mask"]["picture"] is not None


def test_models_and_samplers_are_listed(server):
    [answer], _ = asked(server, ("list_models", {}))
    found = answer.structured_content
    assert (
        found["models"]
        == [
            {
                "name": "toy",
                "family": "Stable Diffusion 1",
                "width": 256,
                "height": 256,
                "default": True,
            }
        ]
        or found["models"][0]["name"] == "toy"
    )
    assert "Euler a" in [each["name"] for each in found["samplers"]]


@pytest.mark.parametrize(
    ("tool", "values", "text"),
    [
        ("generate", SMALL | {"width": 65}, "width: must be"),
        ("generate", SMALL | {"sampler": "Nobody"}, "sampler: must be one of"),
        ("generate", SMALL | {"model": "../../etc/passwd"}, "model: must be one of: toy"),
        ("generate", SMALL | {"steps": 0}, "steps"),
        ("generate", {}, "prompt"),
        ("generate", SMALL | {"prompt": "error@1:NotFinite"}, "made no picture"),
        ("img2img", {"prompt": "x"}, "picture: send either"),
        ("img2img", {"prompt": "x", "job": "nobody-at-all"}, "nobody-at-all"),
        ("img2img", {"prompt": "x", "picture": "!!!"}, "picture: must be"),
        ("img2img", {"prompt": "x", "picture": "AAAA"}, "picture: "),
        ("nobody", {}, "nobody"),
    ],
)
def test_what_cannot_be_is_said(server, tool, values, text):
    try:
        [answer], _ = asked(server, (tool, values))
    except Exception as error:  # the protocol's own, for a tool that is not there
        assert tool == "nobody" and text in str(error)
    else:
        assert answer.is_error and text in answer.content[0].text
    assert server.ask("health")["version"] == "0.1.0"


def test_it_is_behind_the_login_and_the_guard(server):
    address, sent = f"{server.address}/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    good = {"auth": ("ann", "sesame")}
    for keywords, status in (
        ({}, 401),
        ({"auth": ("ann", "wrong")}, 401),
        (good | {"headers": {"origin": "http://evil.com"}}, 403),
        (good | {"headers": {"host": "evil.com"}}, 421),
    ):
        assert httpx2.post(address, json=sent, **keywords).status_code == status, keywords
    [listed], _ = asked(server, ("list_models", {}), auth=("robot", "beep"))  # programs too
    assert listed.structured_content["models"][0]["name"] == "toy"
    for size, refused in ((3 * 2**20, False), (65 * 2**20, True)):  # pictures are in it
        answer = httpx2.post(address, json=sent | {"id": "x" * size}, **good)
        assert (answer.status_code == 413) is refused, (size, answer.status_code)


def test_without_the_flag_there_is_none_and_without_the_package_it_says_what_to_install(
    services, client, monkeypatch
):
    assert client.post("/mcp", json={}).status_code == 404
    monkeypatch.setitem(sys.modules, "webui.api.tools", None)
    asked = replace(services, settings=replace(services.settings, mcp=True))
    with pytest.raises(StartError, match="pip install 'mcp>=2.3,<3'"):
        api.create(asked)
