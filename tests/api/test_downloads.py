"""Models from elsewhere over the API: what is said, what is refused, what survives a kill."""

import signal
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from tests.api.whole import built
from tests.hub import COMMIT
from tests.serving import Server
from tests.test_downloads import folder, sha256, tree, until, weights
from webui.api import server
from webui.downloads import Access, Downloads
from webui.guard import Guard, Rules


@pytest.fixture
def open_client(services, hub, tmp_path):
    """A client of a server that may fetch, or may not and says why."""
    made = []

    def opened(forbidden=""):
        access = Access(hub=hub.address, token="hf_secret", private=True)
        given = {"forbidden": forbidden, "arrived": services.library.refresh, "pauses": ()}
        made.append(Downloads(services.settings.models_dir, tmp_path / "records", access, **given))
        app = server.create(replace(services, downloads=made[-1]))
        rules = Rules(uploads=services.settings.temp_dir, outputs=services.settings.outputs)
        return TestClient(Guard(app, rules), "http://localhost:7860")

    yield opened
    for each in made:
        each.close()


@pytest.fixture
def client(open_client):
    return open_client()


def ended(client, id):
    return until(
        lambda: (
            (now := client.get(f"/api/v1/downloads/{id}").json())["state"]
            not in ("waiting", "running")
            and now
        )
    )


def test_a_look_a_download_and_its_end(hub, client, services, tmp_path):
    body = weights(tmp_path, metadata={"ss_base_model_version": "sd_v1"})
    hub.add("ann/style", {"style.safetensors": body, "style.ckpt": b"p"}, licence="mit")
    seen = client.post("/api/v1/downloads/looks", json={"source": "ann/style"})
    assert seen.status_code == 200
    page, free = f"{hub.address}/ann/style", seen.json()["free_bytes"]
    wish = {
        "source": "ann/style", "revision": "main", "commit": COMMIT, "kind": "lora",
        "choice": "style.safetensors", "name": "style", "sha256": "",
    }  # fmt: skip
    assert seen.json() == {
        "source": "ann/style", "hub": True, "revision": "main", "commit": COMMIT, "page": page,
        "licence": {"name": "MIT", "link": page}, "gated": False,
        "choices": [{"choice": "style.safetensors", "label": "style.safetensors", "folder": False,
                     "size_bytes": len(body), "problem": None}],
        "refused": [{"name": "style.ckpt", "reason": seen.json()["refused"][0]["reason"]}],
        "choice": "style.safetensors", "kind": "lora",
        "guess": "a LoRA for Stable Diffusion 1.x, fp16", "folder": "loras", "free_bytes": free,
        "name": "style", "target": "style.safetensors",
        "files": [{"name": "style.safetensors", "target": "style.safetensors",
                   "size_bytes": len(body), "sha256": sha256(body)}],
        "size_bytes": len(body), "warnings": [], "problems": [], "wish": wish,
    }  # fmt: skip
    made = client.post("/api/v1/downloads", json=wish)
    assert made.status_code == 201
    done = ended(client, made.json()["id"])
    assert done == {
        "id": made.json()["id"], "state": "done", "error": None, "source": "ann/style",
        "revision": "main", "page": page, "licence": {"name": "MIT", "link": page},
        "kind": "lora", "folder": "loras", "name": "style.safetensors",
        "files": [{"name": "style.safetensors", "target": "style.safetensors",
                   "size_bytes": len(body)}],
        "size_bytes": len(body), "done_bytes": len(body), "bytes_per_second": 0,
        "seconds_left": None, "created": made.json()["created"], "finished": done["finished"],
    }  # fmt: skip
    assert [each["name"] for each in client.get("/api/v1/loras").json()["loras"]] == ["style"]
    listed = client.get("/api/v1/downloads")
    assert listed.json()["downloads"] == [done]
    assert listed.json()["kinds"][1]["folder"] == "loras"
    assert "hf_secret" not in seen.text + made.text + listed.text
    assert client.delete(f"/api/v1/downloads/{done['id']}").json() == {"removed": done["id"]}
    assert client.get("/api/v1/downloads").json()["downloads"] == []


def test_a_new_model_is_listed_without_a_restart(hub, client, services, tmp_path):
    hub.add("ann/whole", folder(tmp_path))
    names = [each["name"] for each in client.get("/api/v1/models").json()["models"]]
    made = client.post("/api/v1/downloads", json={"source": "ann/whole", "choice": "./"}).json()
    assert ended(client, made["id"])["state"] == "done"
    until(lambda: len(client.get("/api/v1/models").json()["models"]) > len(names))
    found = {each["name"] for each in client.get("/api/v1/models").json()["models"]}
    assert found - set(names) == {"whole"}


def test_what_is_wrong_has_its_status_and_its_field(hub, client, tmp_path):
    hub.add("ann/style", {"style.safetensors": weights(tmp_path)})

    def said(method, path, body=None):
        answer = client.request(method, f"/api/v1/downloads{path}", json=body)
        error = answer.json()["error"]
        return answer.status_code, error["kind"], error["field"], error["text"][:28]

    assert said("POST", "/looks", {}) == (
        422, "InvalidRequest", "source", "must be owner/name of a mode",
    )  # fmt: skip
    assert said("POST", "/looks", {"source": 5})[:3] == (422, "InvalidRequest", "source")
    assert said("POST", "", {"source": "ann/style", "path": "/etc"})[:3] == (
        422, "InvalidRequest", "path",
    )  # fmt: skip
    assert said("POST", "", {"source": "ann/style", "name": "../x"})[:3] == (
        422, "InvalidRequest", "name",
    )  # fmt: skip
    assert said("POST", "/looks", {"source": "ann/none"})[:2] == (502, "DownloadFailed")
    assert said("GET", "/nothing") == (404, "DownloadNotFound", None, "there is no such download")
    assert said("POST", "/nothing/pause")[0] == 404
    assert said("DELETE", "/..%2f..%2fx")[0] in (400, 404)
    done = client.post("/api/v1/downloads", json={"source": "ann/style"}).json()
    ended(client, done["id"])
    assert said("POST", f"/{done['id']}/resume") == (
        409, "WrongState", None, "the download is done, so it "
    )  # fmt: skip


def test_where_it_is_forbidden_it_says_so_and_asks_nobody(hub, open_client, services):
    assert services.settings.no_downloads == ""
    to_all = replace(services.settings, host="0.0.0.0")
    assert to_all.no_downloads == (
        "models are fetched only where strangers cannot ask for them: this server listens to the "
        "network without a login; start it with --auth-file FILE"
    )
    assert replace(to_all, downloads=False).no_downloads.endswith("--no-downloads")
    client = open_client(to_all.no_downloads)
    for path in ("/looks", ""):
        answer = client.post(f"/api/v1/downloads{path}", json={"source": "ann/style"})
        assert (answer.status_code, answer.json()["error"]["text"]) == (403, to_all.no_downloads)
    said = client.get("/api/v1/downloads").json()
    assert (said["allowed"], said["reason"], hub.asked) == (False, to_all.no_downloads, [])


def test_the_settings_reach_the_whole_application(hub, tmp_path):
    hub.add("ann/gated", {"g.safetensors": weights(tmp_path)}, gated=True)
    hub.token = "hf_secret"
    given = ("--hub", hub.address, "--hub-token", "hf_secret", "--private-downloads")
    with built(tmp_path, *given) as application:
        client = TestClient(application.guarded, "http://localhost:7860")
        made = client.post("/api/v1/downloads", json={"source": "ann/gated"}).json()
        assert ended(client, made["id"])["state"] == "done"
    with built(tmp_path, "--no-downloads") as application:
        client = TestClient(application.guarded, "http://localhost:7860")
        said = client.get("/api/v1/downloads").json()
        assert (said["allowed"], [each["state"] for each in said["downloads"]]) == (False, ["done"])
    kept = [each for each in (tmp_path / "data").rglob("*") if each.is_file()]
    assert not any(b"hf_secret" in each.read_bytes() for each in kept)


def test_kills_lose_nothing_of_what_has_come(hub, tmp_path, monkeypatch):
    """Three lives of the server, two of which end by SIGKILL in the middle of a file."""
    body = weights(tmp_path, padding=3_000_000)
    hub.add("ann/style", {"style.safetensors": body})
    monkeypatch.setenv("DARKROOM_HUB", hub.address)
    monkeypatch.setenv("DARKROOM_PRIVATE_DOWNLOADS", "1")
    home = tmp_path / "home"
    loras = home / "models" / "loras"
    parts = []
    life = Server(home)
    try:
        hub.faults.stall["style.safetensors"] = 1_000_000
        id = life.ask("downloads", {"source": "ann/style"})["id"]
        part = loras / ".downloads" / id / "0.part"
        looked = 2**19  # bytes of the look, which are the file's header
        for stall in (1_000_000, 2_000_000):
            until(lambda stall=stall: part.exists() and part.stat().st_size >= stall - 16384)
            assert tree(loras).keys() == {f".downloads/{id}/0.part", f".downloads/{id}/0.part.etag"}
            life.end(signal.SIGKILL)
            parts.append(part.stat().st_size)
            hub.faults.stall["style.safetensors"] = stall + 1_000_000
            life = Server(home)  # goes on by itself
        hub.faults.stall.clear()
        until(lambda: life.ask(f"downloads/{id}")["state"] in ("done", "failed"))
        done = life.ask(f"downloads/{id}")
        assert (done["state"], done["error"], tree(loras)) == (
            "done", None, {"style.safetensors": body},
        )  # fmt: skip
    finally:
        life.end(signal.SIGTERM)
    ranges = [each.headers.get("range") for each in hub.asked if each.host == "cdn"]
    assert ranges == ["bytes=0-524287", None, *(f"bytes={there}-" for there in parts)]
    # what was under way in the sockets when it was killed has to come again, and nothing else
    again = hub.file_bytes() - looked - len(body)
    assert 0 <= again <= 2 * 2 * 16384  # the server's pieces
