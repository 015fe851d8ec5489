"""A guarded application that remembers what came through, and a way to call it."""

import asyncio

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


def ask(guard, method="POST", path="/api/v1/jobs", headers=(), chunks=(b"",), kind="http"):
    """(status, headers, body); None for what never answers."""
    given = {"host": "localhost:7860"} | dict(headers)
    fields = [
        (name.encode(), each.encode("latin-1"))
        for name, value in given.items()
        for each in ([value] if isinstance(value, str) else value)
    ]
    scope = {"type": kind, "method": method, "path": path, "headers": fields, "scheme": "http"}
    left, sent = list(chunks), []

    async def receive():
        if not left:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    asyncio.run(guard(scope, receive, send))
    if kind == "websocket" or not sent:
        return sent
    return sent[0]["status"], sent[0]["headers"], b"".join(each["body"] for each in sent[1:])


def status(*args, **kwargs):
    return ask(*args, **kwargs)[0]
