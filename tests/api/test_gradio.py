"""Gradio's own doors, behind the guard: what it lets through mounted in a FastAPI application.

Each attack is also made without the guard, where it must succeed: else it would prove nothing.
"""

import gc
import json
import warnings
from contextlib import contextmanager

import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from webui.guard import Guard, Rules


@contextmanager
def gradios_own_loops():
    """Gradio makes event loops that it never closes, at import and for each page."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def attackable(folder):
    """A real Gradio page with slots for files; as mounted by default, without its own check."""
    import gradio as gr

    gr.set_static_paths([folder / "out"])
    with gr.Blocks(analytics_enabled=False) as blocks:
        image, file, gallery, text = gr.Image(type="pil"), gr.File(), gr.Gallery(), gr.Textbox()
        gr.Button().click(lambda each: str(each.size), image, text, api_name="image")
        gr.Button().click(lambda each: each, file, file, api_name="file")
        gr.Button().click(lambda each: str(len(each)), gallery, text, api_name="gallery")
    app = FastAPI(docs_url=None)
    gr.mount_gradio_app(app, blocks, path="/", show_error=False, ssr_mode=False)
    return app


@pytest.fixture(scope="module")
def mounted(tmp_path_factory):
    """(the page, its folder)"""
    folder = tmp_path_factory.mktemp("gradio")
    (folder / "temp").mkdir()
    (folder / "out" / ".darkroom").mkdir(parents=True)
    for path in ("secret.png", "out/saved.png", "out/.darkroom/hidden.png"):
        Image.new("RGB", (3, 2)).save(folder / path)
    (folder / "secret.txt").write_text("the secret")
    (folder / "out" / "script.html").write_text("<script>alert(1)</script>")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "temp"))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        with gradios_own_loops():
            app = attackable(folder)
        yield app, folder
    with gradios_own_loops():
        del app


@pytest.fixture(scope="module")
def open_client(mounted):
    with TestClient(mounted[0], "http://localhost:7860", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def client(mounted, open_client):
    app, folder = mounted
    guard = Guard(app, Rules(uploads=folder / "temp", outputs=folder / "out", max_upload=100_000))
    return TestClient(guard, "http://localhost:7860", raise_server_exceptions=False)


def run(client, name, value, **headers):
    answer = client.post(f"/gradio_api/run/{name}", json={"data": [value]}, headers=headers)
    return answer.status_code


def with_meta(path):
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def test_any_file_could_be_read_through_a_file_slot_and_no_longer_can(mounted, open_client, client):
    secret = with_meta(mounted[1] / "secret.txt")
    stolen = open_client.post("/gradio_api/run/file", json={"data": [secret]}).json()["data"][0]
    assert open_client.get(f"/gradio_api/file={stolen['path']}").text == "the secret"
    assert run(client, "file", secret) == 403


def queued(client, number, value):
    """What an event of the page gives by the queue; the status if it is not even taken."""
    body = {"data": [value], "fn_index": number, "session_hash": "thief"}
    joined = client.post("/gradio_api/queue/join", json=body)
    if joined.status_code != 200:
        return joined.status_code
    told = client.get("/gradio_api/queue/data", params={"session_hash": "thief"}).text
    messages = [json.loads(line.removeprefix("data: ")) for line in told.split("\n") if line]
    return next(each["output"] for each in messages if each["msg"] == "process_completed")


def test_nor_by_the_queue(mounted, open_client, client):
    secret = with_meta(mounted[1] / "secret.txt")
    [stolen] = queued(open_client, 1, secret)["data"]
    assert open_client.get(f"/gradio_api/file={stolen['path']}").text == "the secret"
    assert queued(client, 1, secret) == 403
    for picture in (secret, {"path": str(mounted[1] / "secret.png")}):
        picture["path"] = str(mounted[1] / "secret.png")
        assert queued(open_client, 0, picture)["data"] == ["(3, 2)"]
        assert queued(client, 0, picture) == 403


@pytest.mark.parametrize("meta", [True, False])
def test_any_picture_could_be_opened_and_no_longer_can(mounted, open_client, client, meta):
    path = mounted[1] / "secret.png"
    value = with_meta(path) if meta else {"path": str(path)}
    assert run(open_client, "image", value) == 200
    assert run(client, "image", value) == 403
    assert run(open_client, "gallery", [{"image": value}]) == 200
    assert run(client, "gallery", [{"image": value}]) == 403


@pytest.mark.parametrize("route", ["queue/join", "call/image", "api/image"])
def test_no_other_route_takes_a_foreign_file_either(mounted, client, route):
    value = {"path": str(mounted[1] / "secret.png")}
    bodies = [
        {"data": [value], "fn_index": 0, "session_hash": "x"},
        {"image": value, "each": value},
    ]
    for body in bodies:
        assert client.post(f"/gradio_api/{route}", json=body).status_code == 403


def test_a_saved_picture_and_a_real_upload_still_work(mounted, client):
    saved = mounted[1] / "out" / "saved.png"
    assert run(client, "image", with_meta(saved)) == 200
    uploaded = client.post("/gradio_api/upload", files={"files": ("x.png", saved.read_bytes())})
    assert uploaded.status_code == 200
    [path] = uploaded.json()
    assert run(client, "image", with_meta(path)) == 200
    assert client.get(f"/gradio_api/file={path}").content == saved.read_bytes()
    assert client.get(f"/gradio_api/file={saved}").content == saved.read_bytes()


def test_an_upload_that_is_too_large_is_cut_off(client):
    def pieces():
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        for _ in range(200):
            yield b"0" * 1000
        yield b"\r\n--x--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = client.post("/gradio_api/upload", content=pieces(), headers=headers)
    assert answer.status_code == 413
    assert answer.json()["error"]["text"] == "at most 100000 bytes fit in one upload"


def test_hidden_files_and_pages_among_the_outputs_are_not_served(mounted, open_client, client):
    out = mounted[1] / "out"
    for path in (out / ".darkroom" / "hidden.png", out / "script.html"):
        assert open_client.get(f"/gradio_api/file={path}").status_code == 200
        assert client.get(f"/gradio_api/file={path}").status_code == 403


@pytest.mark.parametrize("suffix", ["html", "svg", "xml", "xhtml", "htm"])
def test_an_uploaded_page_is_only_ever_saved(client, suffix):
    page = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    answer = client.post("/gradio_api/upload", files={"files": (f"x.{suffix}", page)})
    [path] = answer.json()
    served = client.get(f"/gradio_api/file={path}")
    if served.status_code == 200:
        assert served.headers["content-disposition"].startswith("attachment")
        assert served.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.com", "192.168.1.5", "[::1]", "localhost"])
def test_no_foreign_page_can_act_or_read(open_client, client, mounted, host):
    saved = with_meta(mounted[1] / "out" / "saved.png")
    headers = {"host": host, "origin": "http://evil.com"}
    assert run(open_client, "image", saved, **headers) == 200
    assert run(client, "image", saved, **headers) == (
        403 if host in ("localhost", "[::1]") else 421
    )
    looked = client.get("/config", headers=headers)
    assert not any(name.startswith("access-control") for name in looked.headers)


@pytest.mark.parametrize(
    "body",
    [b'{"data": [NaN]}', b'{"data": [1e999]}', b'{"data": ["\\ud800"]}', b"{", b"[" * 5000,
     '{"data": []}'.encode("utf-16"), b'{"data": [], "data": []}'],
)  # fmt: skip
@pytest.mark.parametrize("route", ["run/image", "queue/join", "call/image", "reset", "cancel"])
def test_unsound_json_never_reaches_gradio(client, route, body):
    headers = {"content-type": "application/json"}
    answer = client.post(f"/gradio_api/{route}", content=body, headers=headers)
    assert answer.status_code == 400
    assert json.loads(answer.content)["error"]["kind"] == "Refused"


def test_the_page_itself_is_served(client):
    answer = client.get("/")
    assert answer.status_code == 200 and "gradio" in answer.text
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
