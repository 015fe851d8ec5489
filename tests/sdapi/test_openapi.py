"""The OpenAPI document of both APIs, whole in itself; api/test_schemathesis.py holds it against a
server."""

import dataclasses
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from webui.api.server import create
from webui.fields import BATCH_COUNT, FIELDS, ChoiceField, IntegerField, NumberField, TextField
from webui.request import GenerationRequest, from_dict, to_dict
from webui.settings import Settings, read

DOCUMENT = "/api/v1/openapi.json"


@pytest.fixture
def document(client):
    return client.get(DOCUMENT).json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def every(value, key):
    """All values under `key`, however deep."""
    if isinstance(value, list):
        for each in value:
            yield from every(each, key)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name == key and isinstance(each, str):
                yield each
            yield from every(each, key)


def test_every_reference_leads_to_something_and_everything_is_referred_to(document):
    named = set(every(document, "$ref"))
    known = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "responses")
        for name in document["components"][kind]
    }
    assert named <= known
    unused = {each for each in known - named if "/schemas/" in each}
    assert unused == {"#/components/schemas/Body", "#/components/schemas/UpscaleBody",
                      "#/components/schemas/Lenient"} & unused  # fmt: skip


def test_every_address_says_what_it_takes_and_answers(document):
    found = dict(operations(document))
    assert len(found) >= 80
    for name, operation in found.items():
        good = [status for status in operation["responses"] if status < "400"]
        assert good and {"400", "401", "403", "421", "500"} <= operation["responses"].keys(), name
        for status in good:
            if status != "204":
                for shape in operation["responses"][status]["content"].values():
                    assert shape["schema"] not in ({}, {"type": "object"}), name
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (name, parameter)
        if name.startswith(("POST", "PUT", "PATCH")) and "requestBody" in operation:
            assert {"408", "413", "415", "422"} <= operation["responses"].keys(), name
    assert not any("ValidationError" in each for each in every(document, "$ref"))


def test_errors_have_one_shape_and_at_a1111s_addresses_theirs(client, document):
    answers = document["components"]["responses"]
    for name, form in (("Error422", "Error"), ("A1111Error422", "A1111Error")):
        content = answers[name]["content"]["application/json"]
        assert content["schema"]["$ref"].endswith(f"/{form}")
    assert document["components"]["schemas"]["Error"]["properties"].keys() == {"error"}
    detail = document["components"]["schemas"]["ErrorDetail"]["properties"]
    assert detail.keys() == {"kind", "text", "field"}
    for name, operation in operations(document):
        foreign = "/sdapi/" in name or "/internal/" in name
        for answer in operation["responses"].values():
            if "$ref" in answer:
                assert (
                    answer["$ref"].split("/")[-1].startswith("A1111Error" if foreign else "Error")
                )
    headers = {"content-type": "text/plain"}
    native = client.post("/api/v1/jobs", content=b"x", headers=headers)
    text = "the body must be application/json"
    assert (native.status_code, native.json()) == (
        415, {"error": {"kind": "Refused", "text": text, "field": None}},
    )  # fmt: skip
    evil = client.post("/sdapi/v1/txt2img", json={}, headers={"origin": "http://evil.com"})
    text = "another site may not do that"
    assert (evil.status_code, evil.json()) == (
        403, {"error": "Refused", "detail": text, "body": "", "errors": text},
    )  # fmt: skip


def test_a_request_is_declared_as_the_page_declares_it(document):
    schemas = document["components"]["schemas"]
    parts = {"": "NewRequest", "init": "InitImage", "init.mask": "Mask", "hires": "Hires",
             "init.outpaint": "Outpaint", "init.tiles": "Tiles", "init.loopback": "Loopback",
             "upscale": "Upscale", "variation": "Variation", "sampling": "SamplingOptions",
             "schedule_options": "ScheduleOptions"}  # fmt: skip
    seen = 0
    for name, declared in {**FIELDS, BATCH_COUNT.name: BATCH_COUNT}.items():
        part, _, last = name.rpartition(".")
        if part == "seed_resize" or name == "schedule_options.sigmas":
            continue
        shape = schemas[parts[part]]["properties"][last]
        shape = {**shape, **shape.get("anyOf", [{}])[0]}
        assert shape["description"].startswith(declared.help), name
        match declared:
            case IntegerField() | NumberField():
                least = -1 if name == "seed" else declared.minimum
                assert (shape["minimum"], shape["maximum"]) == (least, declared.maximum), name
                if isinstance(declared, IntegerField):
                    assert shape.get("multipleOf", 1) == declared.step, name
            case ChoiceField():
                assert shape.get("enum", []) == list(declared.choices), name
            case TextField():
                assert shape["maxLength"] == declared.max_length, name
        seen += 1
    assert seen >= 40
    assert schemas["NewRequest"]["additionalProperties"] is False
    assert schemas["NewRequest"]["required"] == []
    whole = to_dict(from_dict({"model": "toy", "prompt": "", "seed": 0}))
    assert schemas["Request"]["required"] == list(whole)
    assert set(GenerationRequest.__dataclass_fields__) == set(schemas["Request"]["properties"])


def test_what_takes_another_method_says_which(client):
    for method, path, allowed in (
        ("PUT", "/api/v1/jobs", "GET, POST"),
        ("DELETE", "/api/v1/jobs/abcdefgh", "GET, PATCH"),
        ("GET", "/sdapi/v1/txt2img", "POST"),
        ("GET", "/internal/progress", "POST"),
        ("POST", "/api/v1/pictures/a/b.png", "GET"),
    ):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed), path
    assert client.post("/api/v1/nothing").status_code == 404


def test_settings_are_told_without_what_is_secret(whole):
    asked = ["--auth", "ann:sesame", "--api-auth", "robot:beep", "--port", "7865", "--mcp"]
    read_back = replace(whole, settings=read([*asked, "--host-name", "a.example,b.example"], {}))
    with TestClient(create(read_back), "http://localhost:7860") as client:
        told = client.get("/api/v1/settings")
        same = client.get("/sdapi/v1/cmd-flags").json()
    found = told.json()["settings"]
    assert (found["port"], found["mcp"], found["image_format"]) == (7865, True, "png")
    assert found["host_names"] == ["a.example", "b.example"]
    assert found["outputs"] == str(read_back.settings.outputs)
    names = {each.name for each in dataclasses.fields(Settings)}
    assert names - found.keys() == {"auth", "auth_file", "api_auth"}
    assert found.keys() <= names and same == found
    assert not any(secret in told.text for secret in ("sesame", "beep", "robot", "ann"))
