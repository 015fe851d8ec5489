"""Embeddings by the API: what is listed for a model, and mixes that become files."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from tests.embedding_files import vectors, write
from webui.api import server
from webui.errors import EngineBusy, EngineDied, InvalidRequest


class Engine:
    """Answers "embedding" with a file, or as it is told."""

    def __init__(self, tmp_path):
        self.made = write(tmp_path / "made", {"emb_params": vectors(2, 16)}).read_bytes()
        self.asked, self.error = [], None

    def call(self, name, args, timeout=30):
        self.asked.append((name, args))
        if self.error is not None:
            raise self.error
        return {"bytes": len(self.made), "blob": self.made}


@pytest.fixture
def engine(tmp_path):
    return Engine(tmp_path)


@pytest.fixture
def folder(services):
    config = services.library.find("toy").path / "text_encoder" / "config.json"
    config.write_text(json.dumps({"hidden_size": 16}))
    return services.embeddings.folder


@pytest.fixture
def client(services, engine, folder):
    app = server.create(replace(services, backend=engine))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_what_is_there_is_listed_as_the_model_sees_it(client, folder):
    gold = write(folder / "gold.safetensors", {"emb_params": vectors(2, 16)})
    write(folder / "wide.safetensors", {"emb_params": vectors(1, 768)})
    told = client.get("/api/v1/embeddings").json()
    assert told == {
        "model": "toy",
        "embeddings": [
            {"name": "gold", "vectors": 2, "size_bytes": gold.stat().st_size, "problem": None},
            {
                "name": "wide",
                "vectors": 1,
                "size_bytes": (folder / "wide.safetensors").stat().st_size,
                "problem": "its vectors are 768 wide; this model's are 16",
            },
        ],
    }
    assert client.get("/api/v1/embeddings?model=toy").json() == told
    assert client.get("/api/v1/embeddings?model=none").status_code == 404


def test_a_mix_becomes_a_file_and_is_listed(client, engine, folder):
    body = {"name": "catpan", "text": "<mix:cat,panda:0.4>", "model": "toy"}
    answer = client.post("/api/v1/embeddings", json=body)
    assert answer.status_code == 201
    made = {"name": "catpan", "vectors": 2, "size_bytes": len(engine.made), "problem": None}
    assert answer.json() == {"embedding": made}
    assert engine.asked == [("embedding", {"model": "toy", "text": "<mix:cat,panda:0.4>"})]
    assert (folder / "catpan.safetensors").read_bytes() == engine.made
    assert client.get("/api/v1/embeddings").json()["embeddings"] == [made]
    assert [each.name for each in folder.iterdir() if each.name != ".part"] == [
        "catpan.safetensors"
    ]


def test_nothing_is_overwritten(client, engine, folder):
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "Catpan.pt").write_bytes(b"mine")
    answer = client.post("/api/v1/embeddings", json={"name": "CATPAN", "text": "cat"})
    assert (answer.status_code, answer.json()["error"]) == (
        422,
        {"kind": "InvalidRequest", "text": "is taken by Catpan.pt; try another", "field": "name"},
    )
    assert engine.asked == []


def test_nothing_is_overwritten_that_came_while_the_engine_worked(client, engine, folder):
    def call(name, args, timeout=30):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "catpan.safetensors").write_bytes(b"mine")
        return {"blob": engine.made}

    engine.call = call
    answer = client.post("/api/v1/embeddings", json={"name": "catpan", "text": "cat"})
    assert answer.json()["error"]["text"] == "is taken by catpan.safetensors; try another"
    assert (folder / "catpan.safetensors").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "name",
    ["", "../evil", "a/b", "a\\b", ".hidden", "a.", "a b", "x" * 65, "con", "NUL.txt", "a\nb", "é",
     "cat:1", 5, None],
)  # fmt: skip
def test_a_name_that_could_go_astray_is_refused(client, engine, folder, name):
    answer = client.post("/api/v1/embeddings", json={"name": name, "text": "cat"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "name")
    assert engine.asked == []
    assert not folder.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "a"}, "text"),
        ({"name": "a", "text": 5}, "text"),
        ({"name": "a", "text": "x" * 2001}, "text"),
        ({"name": "a", "text": "cat", "model": "none"}, "model"),
        ({"name": "a", "text": "cat", "model": "broken"}, "model"),
        ({"name": "a", "text": "cat", "overwrite": True}, "overwrite"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(client, engine, body, field):
    answer = client.post("/api/v1/embeddings", json=body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
    assert engine.asked == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidRequest("text", "must have from 1 to 75 tokens"), 422),
        (EngineBusy("busy"), 503),
        (EngineDied("gone"), 503),
    ],
)
def test_what_the_engine_says_comes_through(client, engine, folder, error, status):
    engine.error = error
    answer = client.post("/api/v1/embeddings", json={"name": "a", "text": "cat"})
    assert answer.status_code == status
    assert answer.json()["error"]["kind"] == type(error).__name__
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_to_is_named(client, folder):
    folder.parent.mkdir(exist_ok=True)
    folder.write_bytes(b"")  # a file where the folder should be
    answer = client.post("/api/v1/embeddings", json={"name": "a", "text": "cat"})
    assert (answer.status_code, answer.json()["error"]["kind"]) == (507, "NotSaved")
    assert str(folder) in answer.json()["error"]["text"]


def test_an_engine_that_has_no_time_holds_two_threads_and_not_all(client, engine, monkeypatch):
    """40 that wait for it would leave none for the page."""
    waiting, let_go = threading.Semaphore(0), threading.Event()
    answered = engine.call

    def call(name, args, timeout=30):
        waiting.release()
        assert let_go.wait(30)
        return answered(name, args, timeout)

    monkeypatch.setattr(engine, "call", call)
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(save, client, name) for name in ("one", "two")]
        try:
            assert waiting.acquire(timeout=30) and waiting.acquire(timeout=30)
            refused = save(client, "three")
        finally:
            let_go.set()
        assert [each.result().status_code for each in made] == [201, 201]
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert save(client, "three").status_code == 201


def save(client, name):
    return client.post("/api/v1/embeddings", json={"name": name, "text": "a cat"})
