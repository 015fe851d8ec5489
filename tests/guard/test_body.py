import asyncio
import json
import time
from dataclasses import replace

import pytest

from tests.guard.calls import JSON, App, ask, asked, status
from webui.guard import Guard
from webui.guard.strict_json import NotStrictError, parse


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", 200),
        (b'{"a": [1, 2.5, "x", null, true]}', 200),
        ('{"a": "\U0001f431 \\ud83d\\udc31"}'.encode(), 200),
        (b"[" * 64 + b"]" * 64, 200),
        (b'{"a": "' + b"[" * 500 + b'"}', 200),
        (b"[" * 65 + b"]" * 65, 400),
        (b"[" * 900, 400),
        (b'{"a":' * 100 + b"1" + b"}" * 100, 400),
        (b"NaN", 400),
        (b'{"a": NaN}', 400),
        (b"[Infinity]", 400),
        (b"[-Infinity]", 400),
        (b"[1e999]", 400),
        (b"[-1e999]", 400),
        (b"[" + b"9" * 900 + b"]", 200),
        (b'"\\ud800"', 400),
        (b'{"\\udc00": 1}', 400),
        (b'{"a": 1, "a": 2}', 400),
        (b"\xef\xbb\xbf{}", 400),
        ("{}".encode("utf-16"), 400),
        (b'"\xff"', 400),
        (b'"\xed\xa0\x80"', 400),
        (b"{", 400),
        (b'{"a": 1} x', 400),
        (b"\0", 400),
        (b"{'a': 1}", 400),
        (b"x" * 1001, 413),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/jobs", "/gradio_api/queue/join"])
def test_a_body_is_sound_json_of_bounded_size(rules, path, body, expected):
    app = App()
    half = len(body) // 2
    chunks = (body[:half], body[half:])
    assert status(Guard(app, rules), path=path, headers=JSON, chunks=chunks) == expected
    assert app.bodies == ([body] if expected == 200 else [])


def test_a_number_of_thousands_of_digits_is_refused():
    with pytest.raises(NotStrictError):
        parse(b"[" + b"9" * 5000 + b"]")


@pytest.mark.parametrize("unit", [b'"\\', b'"', b"\\", b"[]", b'"[', b"{", b"[,", b'\\"'])
def test_hostile_json_takes_time_that_grows_with_its_size_only(unit):
    data = unit * (500_000 // len(unit))
    began = time.thread_time()
    with pytest.raises(NotStrictError):
        parse(data)
    assert time.thread_time() - began < 2


def test_a_declared_length_is_believed_when_it_is_too_large(rules):
    headers = JSON | {"content-length": "1001"}
    assert status(Guard(App(), rules), headers=headers, chunks=(b"{}",)) == 413


def test_a_body_that_drips_is_given_up(rules):
    guard = Guard(App(), rules)

    async def slow():
        sent = []

        async def receive():
            await asyncio.sleep(0.05)
            return {"type": "http.request", "body": b"[", "more_body": True}

        async def send(message):
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/x", "headers": headers}
        await guard(scope, receive, send)
        return sent[0]["status"]

    assert asyncio.run(slow()) == 408


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "",
     "text/plain; application/json", ["application/json", "text/plain"]],
)  # fmt: skip
def test_only_json_is_taken_where_a_form_of_another_site_could_send_else(rules, kind):
    app = App()
    assert status(Guard(app, rules), headers={"content-type": kind}, chunks=(b"{}",)) == 415
    assert app.bodies == []


UPLOAD = "/gradio_api/upload"
FORM = {"content-type": "multipart/form-data; boundary=x"}


def test_an_upload_passes_up_to_its_own_limit(rules):
    app = App()
    assert status(Guard(app, rules), path=UPLOAD, headers=FORM, chunks=[b"x" * 500] * 4) == 200
    assert app.bodies == [b"x" * 2000]
    answer = ask(Guard(app, rules), path=UPLOAD, headers=FORM, chunks=[b"x" * 500] * 5)
    assert answer[0] == 413 and json.loads(answer[2])["error"]["kind"] == "Refused"
    too_long = FORM | {"content-length": "2001"}
    assert status(Guard(app, rules), path=UPLOAD, headers=too_long) == 413
    assert status(Guard(app, rules), path=UPLOAD, headers=JSON, chunks=(b"{}",)) == 415


def dripping(guard, pause, pieces, size):
    """An upload of `pieces` pieces with a pause (seconds) before each; the status."""
    sent, left = [], [b"x" * size] * pieces

    async def receive():
        await asyncio.sleep(pause)
        body = left.pop() if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", FORM["content-type"].encode())]
    scope = {"type": "http", "method": "POST", "path": UPLOAD, "headers": headers}
    asyncio.run(guard(scope, receive, send))
    return sent[0]["status"]


def test_an_upload_that_drips_is_given_up_and_a_slow_one_is_not(rules):
    # 0.2 s at the start, and one more second for every 1000 bytes
    guard = Guard(App(), replace(rules, upload_rate=1000.0))
    assert dripping(guard, 0.02, pieces=100, size=1) == 408
    assert dripping(guard, 0.05, pieces=15, size=100) == 200


def test_room_is_made_for_all_uploads_that_are_on_their_way_and_few_are_at_once(rules):
    wanted, inside = [], asyncio.Event()

    async def slow(scope, receive, send):
        await inside.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    guard = Guard(slow, replace(rules, make_room=wanted.append, max_uploads=3))

    async def at_once():
        calls = [
            asyncio.create_task(asked(guard, path=UPLOAD, headers=FORM, chunks=(b"x",)))
            for _ in range(5)
        ]
        for _ in range(5000):
            if len(wanted) == 3:
                break
            await asyncio.sleep(0.001)
        inside.set()
        return sorted([(await each)[0] for each in calls])

    assert asyncio.run(at_once()) == [200, 200, 200, 503, 503]
    assert max(wanted) == 3 * 2000
    assert status(guard, path=UPLOAD, headers=FORM, chunks=(b"x",)) == 200
    assert wanted[-1] == 2000


PICTURE = {"content-type": "image/png"}
RECIPES = "/api/v1/recipes"


def test_a_bare_picture_passes_where_it_is_listed_up_to_the_upload_limit(rules):
    app = App()
    chunks = [b"x" * 500] * 4
    assert status(Guard(app, rules), path=RECIPES, headers=PICTURE, chunks=chunks) == 200
    assert app.bodies == [b"x" * 2000]
    answer = ask(Guard(app, rules), path=RECIPES, headers=PICTURE, chunks=[b"x" * 500] * 5)
    assert answer[0] == 413 and json.loads(answer[2])["error"]["kind"] == "Refused"
    too_long = PICTURE | {"content-length": "2001"}
    assert status(Guard(app, rules), path=RECIPES, headers=too_long) == 413
    assert len(app.bodies) == 1


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/v1/jobs", PICTURE),
        (RECIPES + "/x", PICTURE),
        (RECIPES, {"content-type": "text/plain"}),
        (RECIPES, {"content-type": "ximage/png"}),
        (RECIPES, {"content-type": ["image/png", "text/plain"]}),
        (RECIPES, FORM),
    ],
)
def test_a_bare_picture_passes_nowhere_else_and_nothing_passes_as_one(rules, path, headers):
    app = App()
    assert status(Guard(app, rules), path=path, headers=headers, chunks=(b"x",)) == 415
    assert app.bodies == []


def test_where_pictures_pass_json_is_still_checked(rules):
    app = App()
    assert status(Guard(app, rules), path=RECIPES, headers=JSON, chunks=(b"{}",)) == 200
    assert status(Guard(app, rules), path=RECIPES, headers=JSON, chunks=(b"[NaN]",)) == 400
    other = PICTURE | {"origin": "http://evil.com"}
    assert status(Guard(app, rules), path=RECIPES, headers=other, chunks=(b"x",)) == 403
    assert app.bodies == [b"{}"]
