"""A server of its own process with the stub for an engine, and clients of it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.serving import Server
from webui.client import Client


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("client"))
    yield server
    server.end()


@pytest.fixture
def darkroom(server: Server) -> Iterator[Client]:
    with Client(server.address, patience=20) as client:
        yield client
        client.resume_queue()
        client.clear_queue()


class Moving(httpx.HTTPTransport):
    """Reaches whichever server there is now: one that starts again has another port."""

    server: Server

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(port=self.server.port)
        request.headers["host"] = f"127.0.0.1:{self.server.port}"
        return super().handle_request(request)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


SMALL = {"steps": 4, "width": 64, "height": 64}
ROOT = Path(__file__).parents[2]
