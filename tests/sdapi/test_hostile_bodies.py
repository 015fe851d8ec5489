"""Bodies that mean harm, to every address of both APIs that writes: a sentence, and nothing else.

What A1111's calls may hold is in test_hostile.py; here are the addresses, all of them.
"""

import base64
import json
import time

import jsonschema_rs
import pytest

from tests.api.conftest import kept  # noqa: F401
from tests.sdapi.conftest import coded
from webui.fields import FIELDS, ChoiceField, IntegerField, NumberField, TextField

JSON = {"content-type": "application/json"}
FOREIGN = ("/sdapi/", "/internal/")
RAW = {
    "NaN": b'{"steps": NaN}',
    "Infinity": b'{"steps": Infinity}',
    "minus Infinity": b'{"steps": -Infinity}',
    "too large": b'{"steps": 1e999}',
    "too small": b'{"steps": -1e999}',
    "half a character": b'{"prompt": "\\ud800"}',
    "its other half": b'{"prompt": "\\udc00"}',
    "half a character for a name": b'{"\\udfff": 1}',
    "no UTF-8": b'{"prompt": "\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"steps": 1}',
    "UTF-16, little": '{"steps": 1}'.encode("utf-16-le"),
    "UTF-16, big": '{"steps": 1}'.encode("utf-16-be"),
    "UTF-32": '{"steps": 1}'.encode("utf-32"),
    "deep lists": b'{"a": ' + b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and closed": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of 4301 digits": b'{"steps": ' + b"1" * 4301 + b"}",
    "a name twice": b'{"id": "a", "id": "b"}',
    "a comma too many": b'{"steps": 1,}',
    "single quotes": b"{'steps': 1}",
    "a comment": b'{"steps": 1} // 2',
    "two values": b"{} {}",
    "no end": b'{"prompt": "abc',
    "no beginning": b"}",
    "a raw line break in a text": b'{"prompt": "a\nb"}',
    "a list": b"[1]",
    "a number": b"5",
    "a text": b'"x"',
}
NO_OBJECT = ("a list", "a number", "a text")  # which is no harm where no body is read
WRONG = (
    [],
    {},
    [[]],
    {"a": 1},
    "",
    "x",
    "a b/c",
    "x" * 500,
    "-1",
    -1,
    0.5,
    1e300,
    2**63,
    True,
    None,
)


@pytest.fixture
def document(client):
    return client.get("/api/v1/openapi.json").json()


def writing(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "get":
                yield method, path, operation


def addressed(path, job="original"):
    return path.replace("{id}", job)


def sentence(answer, path):
    """Of an error in the address's own form; it is short, whatever was sent."""
    assert 400 <= answer.status_code < 500, (path, answer.status_code, answer.text)
    assert len(answer.content) < 4000, path
    error = answer.json()
    if path.startswith(FOREIGN):
        assert set(error) == {"error", "detail", "body", "errors"}, path
        return error["detail"]
    assert set(error) == {"error"} and set(error["error"]) == {"kind", "text", "field"}, path
    return error["error"]["text"]


def test_every_address_refuses_a_body_that_is_no_sound_json(client, whole, running, document):
    tried = 0
    before = [job.id for job in whole.line.jobs()]
    for method, path, operation in writing(document):
        for name, body in RAW.items():
            read = "requestBody" in operation
            if not read and (name in NO_OBJECT or path.startswith(FOREIGN)):
                continue  # there nobody looks at a body
            began = time.monotonic()
            answer = client.request(method, addressed(path), content=body, headers=JSON)
            said = sentence(answer, path)
            assert "nested" in said or not name.startswith("deep") or "picture" in said, path
            known = (400, 404, 409, 415 if path == "/api/v1/inputs" else 422)
            assert answer.status_code in known, (path, name, answer.text)
            assert time.monotonic() - began < 5, (path, name)
            tried += 1
    assert tried >= 1000
    assert [job.id for job in whole.line.jobs()] == before == []
    assert client.get("/api/v1/health").json()["waiting"] == 0


def test_a_body_without_its_type_is_refused(client, running, document):
    for method, path, _ in writing(document):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
            headers = {"content-type": kind} if kind else {}
            answer = client.request(method, addressed(path), content=b'{"a": 1}', headers=headers)
            if "requestBody" in document["paths"][path][method] or not path.startswith("/sdapi/"):
                assert (answer.status_code, bool(sentence(answer, path))) == (415, True), path


def test_what_has_the_wrong_type_is_named(client, running, kept, document):  # noqa: F811
    """Each key of each native body with each value that its schema does not allow."""
    tried, components = 0, document["components"]
    for method, path, operation in writing(document):
        if path.startswith(FOREIGN) or "requestBody" not in operation:
            continue
        content = operation["requestBody"]["content"]
        if "application/json" not in content:
            continue
        shape = content["application/json"]["schema"]
        for name in properties(shape, components):
            for value in WRONG:
                if allowed(name, value, shape, components) or (name, value) == ("emphasis", ""):
                    continue  # "" is none given
                answer = client.request(method, addressed(path), json={name: value})
                assert sentence(answer, path)
                fetches = "/downloads" in path or "/extensions/in" in path
                refused = (403,) if fetches else ()  # nothing is fetched here
                assert answer.status_code in (*refused, 404, 409, 422), (path, name, answer.text)
                if answer.status_code == 422:
                    inner = value if isinstance(value, dict) else ()
                    known = {name, *others(shape, components), *inner}
                    known |= {"request"} if path.endswith("/copies") else set()  # or "job"
                    field = answer.json()["error"]["field"]
                    assert field.split(".")[0] in known, (path, name, value, answer.text)
                tried += 1
    assert tried >= 250


def properties(shape, components):
    if "$ref" in shape:
        return properties(components["schemas"][shape["$ref"].split("/")[-1]], components)
    if "oneOf" in shape:
        return [name for each in shape["oneOf"] for name in properties(each, components)]
    return list(shape["properties"])


def others(shape, components):
    """Those that must be there: a body of one key may lack them."""
    if "$ref" in shape:
        return others(components["schemas"][shape["$ref"].split("/")[-1]], components)
    return shape.get("required", [])


def allowed(name, value, shape, components):
    """Whether that key may hold that value."""
    if "$ref" in shape:
        return allowed(name, value, components["schemas"][shape["$ref"].split("/")[-1]], components)
    if "oneOf" in shape:
        return any(
            allowed(name, value, each, components)
            for each in shape["oneOf"]
            if name in properties(each, components)
        )
    return jsonschema_rs.is_valid({**shape["properties"][name], "components": components}, value)


def values_for(declared):
    """What a field cannot be."""
    common = [[], {}, [1], {"a": 1}]
    match declared:
        case IntegerField():
            numbers = [declared.minimum - 1, declared.maximum + 1, 10**400, -(2**63)]
            return [*common, *numbers, "512", 512.5, True, "NaN"]
        case NumberField():
            return [*common, declared.minimum - 1, declared.maximum + 1, 10**400, "1", True]
        case ChoiceField():
            return [*common, 5, True, "", "no such name at all", "x" * 5000, "../../etc/passwd"]
        case TextField():
            return [*common, 5, True, "x" * (declared.max_length + 1), "a\0b"]


def placed(name, value, picture):
    """A request in which the field, wherever it is, has that value."""
    request = {"prompt": "x", "width": 64, "height": 64, "steps": 1}
    if name.startswith("seed_resize."):
        return request | {"seed_resize": [value, 64] if name.endswith("width") else [64, value]}
    *parts, last = name.split(".")
    inner = request
    for part in parts:
        begun = {"picture": picture} if part in ("init", "mask", "upscale") else {}
        begun |= {"overlap": 0} if part == "tiles" else {}  # it is to be less than the tile's side
        inner[part] = begun | ({"seed": 1, "strength": 0.5} if part == "variation" else {})
        inner = inner[part]
    inner[last] = value
    return request


def test_no_value_that_a_field_cannot_have_gets_into_the_line(client, whole):
    tried, headers = 0, {"content-type": "image/png"}
    sent = client.post("/api/v1/inputs", content=base64.b64decode(coded()), headers=headers)
    for name, declared in FIELDS.items():
        least = 0 if name == "schedule_options.sigmas" else None
        for value in values_for(
            IntegerField(name=name, label="", help="", default=0, minimum=least, maximum=1)
            if least == 0
            else declared
        ):
            if name.endswith("seed") and value == -1:
                continue  # a random one
            body = json.dumps({"request": placed(name, value, sent.json()["sha256"])}).encode()
            answer = client.post("/api/v1/jobs", content=body, headers=JSON)
            assert sentence(answer, "/api/v1/jobs"), (name, value)
            if answer.status_code == 400:
                assert value in (10**400,), (name, value)
                continue
            field = answer.json()["error"]["field"] or "-"
            assert answer.status_code == 422, (name, value, answer.text)
            assert field in (name, name.split(".")[0]), (name, value, answer.text)
            tried += 1
    assert tried >= 400
    assert whole.line.jobs() == []
