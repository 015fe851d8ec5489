"""A hundred clients at once on a real server with the stub for an engine."""

import base64
import io
import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from tests.serving import Server
from tests.stub_engine import signature

CLIENTS, CALLS = 100, 2  # each


def post(server, path, body):
    asked = urllib.request.Request(f"{server.address}/sdapi/v1/{path}", json.dumps(body).encode())
    asked.add_header("content-type", "application/json")
    with urllib.request.urlopen(asked, timeout=100) as answer:
        return json.loads(answer.read())


def test_a_hundred_clients_at_once_each_get_their_own_picture(tmp_path):
    server = Server(tmp_path)
    try:

        def client(number):
            found = []
            for call in range(CALLS):
                seed = number * CALLS + call
                body = {"prompt": "", "seed": seed, "steps": 1, "width": 64, "height": 64}
                answer = post(server, "txt2img", body | {"sampler_name": "Euler a"})
                with Image.open(io.BytesIO(base64.b64decode(answer["images"][0]))) as image:
                    found.append((answer["job"], seed) == signature(image.tobytes()))
            return found

        with ThreadPoolExecutor(CLIENTS) as clients:
            found = list(clients.map(client, range(CLIENTS)))
        assert found == [[True] * CALLS] * CLIENTS
        assert server.ask("health")["waiting"] == 0
    finally:
        server.end()
    assert list((tmp_path / "out").rglob("*.png")) == []
