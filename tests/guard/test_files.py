import json
import os

import pytest

from tests.guard.calls import JSON, App, status
from webui.guard import Guard


@pytest.fixture
def place(tmp_path, rules):
    """Names -> paths: what may be named, and what may not."""
    secret = tmp_path / "secret.png"
    for path in (secret, tmp_path / "temp/up.txt", tmp_path / "out/day/x.png",
                 tmp_path / "out/day/x.html", tmp_path / "out/.darkroom/x.png",
                 tmp_path / "temp/.hidden"):  # fmt: skip
        path.write_bytes(b"x")
    (tmp_path / "temp/link.png").symlink_to(secret)
    (tmp_path / "out/day/link.png").symlink_to(secret)
    (tmp_path / "out/day/circle.png").symlink_to("circle.png")
    os.mkfifo(tmp_path / "out/day/fifo.png")
    os.mkfifo(tmp_path / "temp/fifo")
    (tmp_path / "out/day/folder.png").mkdir()
    (tmp_path / "temp/folder").mkdir()
    return tmp_path


ALLOWED = ["temp/up.txt", "temp/new/name.bin", "out/day/x.png", "out/day/../day/x.png"]
FORBIDDEN = [
    "secret.png", "temp/../secret.png", "temp/link.png", "out/day/link.png", "out/day/x.html",
    "out/.darkroom/x.png", "out/day/circle.png", "temp/.hidden", "temp", "out", "tempest/x.png",
    "temp/up.txt/../../secret.png", "out/day/x.png/../../../secret.png", "temp/\0", "x" * 5000,
    "out/day/fifo.png", "temp/fifo", "out/day/folder.png", "temp/folder",
]  # fmt: skip
ELSEWHERE = [
    "/etc/passwd", "/proc/self/environ", "/dev/zero", "", ".", "..", "~", "~/x.png", "secret.png",
    "http://127.0.0.1:1/x.png", "https://x/x.png", "file:///etc/passwd", "C:\\x.png",
    "//host/share/x.png", "\\\\host\\share", "data:image/png;base64,AAAA", "/etc/../etc/passwd",
    "\uff0fetc\uff0fpasswd", "/etc/passwd\n", "%2e%2e/secret.png",
]  # fmt: skip
SHAPES = {
    "with meta": lambda path: {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]},
    "without meta": lambda path: {"data": [{"path": path}]},
    "gallery": lambda path: {"data": [[{"image": {"path": path}, "caption": None}]]},
    "editor": lambda path: {"data": [{"background": {"path": path}, "layers": [], "composite": 1}]},
    "deep": lambda path: {"data": [{"a": [{"b": {"c": [{"path": path, "url": "x"}]}}]}]},
    "beside a good one": lambda path: [{"path": path}, {"path": None}, {"path": ["x"]}],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/gradio_api/run/x", "/elsewhere"])
def test_a_body_names_only_uploads_and_saved_pictures(rules, place, path, shape):
    app = App()

    def answer(name):
        body = json.dumps(SHAPES[shape](name)).encode()
        return status(Guard(app, rules), path=path, headers=JSON, chunks=(body[:900], body[900:]))

    allowed = {name: answer(str(place / name)) for name in ALLOWED}
    assert allowed == dict.fromkeys(ALLOWED, 200)
    refused = [str(place / name) for name in FORBIDDEN if len(name) < 500] + ELSEWHERE
    assert {name: answer(name) for name in refused} == dict.fromkeys(refused, 403)
    assert len(app.bodies) == len(ALLOWED)


@pytest.mark.parametrize("route", ["/gradio_api/file=", "/gradio_api/file/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_gradio_serves_only_uploads_and_saved_pictures(rules, place, route, method):
    guard = Guard(App(), rules)
    for name in ALLOWED:
        assert status(guard, method, route + str(place / name)) == 200
    for name in [str(place / name) for name in FORBIDDEN] + ELSEWHERE:
        odd = {"\0": 400, "\n": 400, "x" * 5000: 414}
        expected = next((code for part, code in odd.items() if part in name), 403)
        assert status(guard, method, route + name) == expected, name
