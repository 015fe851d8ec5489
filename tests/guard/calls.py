"""A guarded application that remembers what came through, and a way to call it."""

import asyncio
import base64

OK = [(b"content-type", b"text/plain"), (b"access-control-allow-origin", b"http://evil.com")]


class App:
    """Answers everything, remembers what came through."""

    def __init__(self, headers=OK, reads=True):
        self.bodies = []
        self._headers = headers
        self._reads = reads

    async def __call__(self, scope, receive, send):
        body, more = b"", self._reads and scope["type"] == "http"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the client went away")
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": self._headers})
            await send({"type": "http.response.body", "body": b"ok"})


JSON = {"content-type": "application/json"}


def ask(*args, **kwargs):
    """(status, headers, body); what was sent, for a websocket and for what never answers."""
    return asyncio.run(asked(*args, **kwargs))


async def asked(
    guard,
    method="POST",
    path="/api/v1/jobs",
    headers=(),
    chunks=(b"",),
    kind="http",
    query="",
    scheme="http",
    client="127.0.0.1",
    server="127.0.0.1",
):
    given = {"host": "localhost:7860"} | dict(headers)
    fields = [
        (name.encode(), each.encode("latin-1"))
        for name, value in given.items()
        for each in ([value] if isinstance(value, str) else value)
    ]
    scope = {
        "type": kind, "method": method, "path": path, "headers": fields, "scheme": scheme,
        "query_string": query.encode(), "client": (client, 1), "server": (server, 7860),
    }  # fmt: skip
    left, sent = list(chunks), []

    async def receive():
        if not left:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    await guard(scope, receive, send)
    if kind == "websocket" or not sent:
        return sent
    return sent[0]["status"], sent[0]["headers"], b"".join(each["body"] for each in sent[1:])


def status(*args, **kwargs):
    return ask(*args, **kwargs)[0]


def basic(name, password, encoding="utf-8"):
    coded = base64.b64encode(f"{name}:{password}".encode(encoding)).decode()
    return {"authorization": f"Basic {coded}"}
