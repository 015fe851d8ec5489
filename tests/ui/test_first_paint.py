"""What is written into Gradio's document, and that nothing else is touched."""

import asyncio

import pytest

from webui.ui import theme
from webui.ui.first_paint import painted


def answered(path, parts, method="GET"):
    """What comes out of a wrapped application that sends `parts` as its body."""

    async def app(scope, receive, send):
        headers = [(b"Content-Length", b"%d" % len(b"".join(parts))), (b"x-kept", b"yes")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for place, part in enumerate(parts, 1):
            more = place < len(parts)
            await send({"type": "http.response.body", "body": part, "more_body": more})

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path}
    asyncio.run(painted(app)(scope, None, send))
    return sent


def test_the_document_begins_with_the_chosen_colours():
    start, body = answered("/", [b"<html><he", b"ad><title>", b"<head></title>"])
    text = body["body"].decode()
    before, after = text.split("<head>", 1)
    assert (before, after.endswith("<title><head></title>")) == ("<html>", True)
    assert after.index("localStorage") < after.index("<title>")
    for colour in theme._UNLIT.values():  # the same as those that come after it
        assert after.count(colour) == 2
    headers = dict(start["headers"])
    assert headers == {b"x-kept": b"yes", b"content-length": b"%d" % len(body["body"])}


@pytest.mark.parametrize(("path", "method"), [("/config", "GET"), ("/", "POST")])
def test_everything_else_is_as_it_was(path, method):
    start, *bodies = answered(path, [b"<head>", b"</head>"], method)
    assert [each["body"] for each in bodies] == [b"<head>", b"</head>"]
    assert dict(start["headers"])[b"Content-Length"] == b"13"
