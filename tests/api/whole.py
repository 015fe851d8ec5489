"""The whole application in process, as `app.build` puts it together; its engine stands still.

Also: every (method, path) that is mounted in it, and a way to ask for one without a socket.
"""

import asyncio
import gc
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import getclosurevars
from urllib.parse import unquote

import pytest

from webui import app, passwords, settings
from webui.backend import EngineState
from webui.guard import Guard

READS = ("GET", "HEAD", "OPTIONS")
EXTRA = "/an/extension/{name}"


class Idle:
    def state(self):
        return EngineState("ready", "CPU", "ready on CPU", 1, {})

    def call(self, name, args, timeout=30):
        return None

    def run(self, *_):
        yield from ()

    def close(self):
        pass


@contextmanager
def built(folder, *arguments):
    """The application with folders of its own; its password checks are cheap."""
    folders = ["--data-dir", f"{folder}/data", "--outputs", f"{folder}/out"]
    folders += ["--models-dir", f"{folder}/models"]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_OFFLINE", "GRADIO_TEMP_DIR"):
            patch.setenv(name, "")  # put back afterwards
        patch.setattr(passwords, "_COST", 2)
        with warnings.catch_warnings():  # Gradio never closes the event loops it makes
            warnings.simplefilter("ignore", ResourceWarning)
            application = app.build(settings.read([*folders, *arguments], {}), lambda _: Idle())
            gc.collect()
        try:
            yield application
        finally:
            application.close()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                del application
                gc.collect()


def inner(application):
    """What the guard guards."""
    return application.guarded._app


def pairs(routes, prefix="") -> Iterator[tuple[str, str]]:
    """Every method and path, down through mounts and included routers, however deep.

    Raises ValueError for a kind of route that it cannot look into, rather than pass it over.
    """
    for route in routes:
        if hasattr(route, "effective_candidates"):  # FastAPI's included router
            yield from pairs(route.effective_candidates(), prefix)
        elif hasattr(route, "app") and hasattr(route.app, "routes"):
            yield from pairs(route.app.routes, prefix + route.path)
        elif hasattr(route, "app") and (around := getclosurevars(route.app).nonlocals.get("app")):
            yield from pairs(around.routes, prefix + route.path)  # a function around it
        elif getattr(route, "methods", None):
            yield from ((method, prefix + route.path) for method in sorted(route.methods))
        else:
            raise ValueError(f"what is {route!r}?")


def mounted(application):
    return sorted(set(pairs(inner(application).routes)))


def filled(path, value="x"):
    return re.sub(r"\{[^}]*\}", lambda _: value, path)


class Passed:
    """Stands in the application's place behind the same guard: what did the guard let through?"""

    def __init__(self, application):
        self.asked = []
        self.guard = Guard(self._answer, application.guarded._rules)

    async def _answer(self, scope, receive, send):
        self.asked.append((scope["method"], scope["path"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def status(guard, method, raw, headers=(), body=b"", client="127.0.0.1"):
    """(status, headers, body) for a raw, still quoted path; of a stream only what came first."""
    path, _, query = raw.partition("?")
    given = {"host": "localhost:7860"} | dict(headers)
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "root_path": "",
        "path": unquote(path), "raw_path": path.encode(errors="replace"),
        "query_string": query.encode(), "client": (client, 1), "server": ("127.0.0.1", 7860),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
    }  # fmt: skip
    sent, begun, left = [], asyncio.Event(), [body]

    async def receive():
        if not left:
            await asyncio.sleep(3600)
        return {"type": "http.request", "body": left.pop(), "more_body": False}

    async def send(message):
        sent.append(message)
        kinds = [value for name, value in sent[0]["headers"] if name == b"content-type"]
        if any(b"event-stream" in kind for kind in kinds):
            begun.set()

    answering = asyncio.create_task(guard(scope, receive, send))
    streaming = asyncio.create_task(begun.wait())
    await asyncio.wait([answering, streaming], return_when="FIRST_COMPLETED", timeout=20)
    for task in (answering, streaming):
        task.cancel()
    await asyncio.gather(answering, streaming, return_exceptions=True)
    if not sent:
        raise AssertionError(f"{method} {raw} was never answered")
    found = b"".join(each.get("body", b"") for each in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), found
