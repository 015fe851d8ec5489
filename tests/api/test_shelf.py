"""What lies under models/, by the API: whole rows, wrong files by name, previews by name alone."""

import io
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests import checkpoints, embedding_files, headers
from tests.jobs.fakes import eventually
from tests.test_loras import FILES
from webui.api import server
from webui.backend import EngineState
from webui.errors import EngineDied

SAID = {"notes": [], "description": "", "negative_text": "", "weight": None, "remarks": ""}


@pytest.fixture
def models(services):
    folder = services.settings.models_dir
    headers.write(folder / "Lora" / "a" / "ink.safetensors", FILES["sd1"][0])
    headers.write(folder / "Lora" / "wide.safetensors", FILES["sdxl"][0])
    headers.write(folder / "checkpoints" / "wrong.safetensors", FILES["sd1"][0])
    headers.write(folder / "VAE" / "also wrong.safetensors", FILES["sd1"][0])
    headers.write(folder / "Lora" / "whole.safetensors", headers.published()["sd1"])
    embedding_files.write(
        folder / "embeddings" / "hands.safetensors",
        {"emb_params": embedding_files.vectors(3, 768)},
    )
    headers.write(folder / "embeddings" / "lora.safetensors", FILES["sd1"][0])
    headers.write(folder / "ESRGAN" / "lora.safetensors", FILES["sd1"][0])
    services.library.refresh()
    return folder


def rows(client, kind, **query):
    """Once all are read: a list waits only so long for that."""
    found = {}

    def read():
        answer = client.get(f"/api/v1/shelf/{kind}", params=query)
        assert answer.status_code == 200
        found.update({each["name"]: each for each in answer.json()["items"]})
        return not any(each.get("unread") for each in found.values())

    eventually(read)
    return found


def without_time(row):
    assert row.pop("modified") > 1e9
    return row


def test_a_row_says_all_that_is_known_of_a_lora(client, models):
    path = models / "Lora" / "a" / "ink.safetensors"
    Image.new("RGB", (8, 8)).save(path.with_suffix(".png"))
    path.with_suffix(".json").write_text(json.dumps({"activation text": "inked", "notes": "n"}))
    row = without_time(rows(client, "loras", model="toy")["ink"])
    version = row.pop("preview").removeprefix("api/v1/shelf/loras/preview?name=ink&v=")
    assert "/" not in version and version
    assert row == SAID | {
        "name": "ink", "file": "Lora/a/ink.safetensors", "folder": "a", "base": "SD 1.5",
        "size_bytes": path.stat().st_size, "family": "sd1", "precision": "fp16", "title": "",
        "kinds": ["LoRA"], "rank": 8, "networks": ["unet", "text_encoder"], "hash": "",
        "problem": None, "misfit": None, "trigger_words": ["inked"], "remarks": "n",
        "unread": False,
    }  # fmt: skip


def test_a_row_says_all_that_is_known_of_a_checkpoint(client, models, services):
    row = without_time(rows(client, "checkpoints")["toy"])
    made = services.library.hash("toy")
    size = row.pop("size_bytes")
    assert size == services.library.find("toy").size_bytes
    assert row == SAID | {
        "name": "toy", "file": "checkpoints/toy", "folder": "", "base": "SD 1.5", "family": "sd1",
        "precision": row["precision"], "prediction": "epsilon", "zero_terminal_snr": False,
        "settings": {},
        "layout": "folder", "kind": "checkpoint", "parts": ["unet", "vae", "text_encoder"],
        "vae": "", "native_size": [256, 256], "hash": "", "memory_bytes": None, "fits": None,
        "plan": None,
        "default": True, "unread": False, "problem": None, "misfit": None, "preview": None,
        "trigger_words": [], "notes": row["notes"],
    }  # fmt: skip
    assert rows(client, "checkpoints")["toy"]["hash"] == made  # shown once it is known


def test_what_lies_in_the_wrong_place_is_named_with_where_it_belongs(client, models):
    place = "a LoRA, not {}; it belongs into Lora/"
    found = {
        kind: {name: each["problem"] for name, each in rows(client, kind).items()}
        for kind in ("checkpoints", "vaes", "loras", "embeddings", "upscalers")
    }
    assert found["checkpoints"]["wrong"] == place.format("a checkpoint")
    assert found["vaes"] == {"also wrong": place.format("a VAE")}
    assert found["loras"]["whole"] == "a checkpoint, not a LoRA; it belongs into checkpoints/"
    assert found["embeddings"] == {"hands": None, "lora": place.format("an embedding")}
    assert found["upscalers"] == {"lora": place.format("an upscaler")}


def test_what_a_model_cannot_use_is_a_misfit_of_that_model(client, models):
    found = rows(client, "loras", model="toy")
    assert {name: each["misfit"] for name, each in found.items()} == {
        "ink": None, "wide": "An SDXL LoRA on an SD 1.5 model", "whole": None,
    }  # fmt: skip
    hands = rows(client, "embeddings", model="toy")["hands"]
    assert (hands["base"], hands["vectors"], hands["problem"]) == ("SD 1.5", 3, None)
    assert hands["misfit"].startswith("its vectors are 768 wide; this model's are ")
    assert client.get("/api/v1/shelf/loras", params={"model": "nix"}).status_code == 404
    assert client.get("/api/v1/shelf/cats").status_code == 404


def test_a_job_with_a_vae_that_cannot_be_used_is_refused_at_once(client, models):
    keys = headers.published()["sd1"]
    vae = {key: each for key, each in keys.items() if key.startswith("first_stage_model.")}
    headers.write(models / "VAE" / "colours.safetensors", vae)
    wide = vae | {"first_stage_model.decoder.conv_in.weight": [512, 16, 3, 3]}
    headers.write(models / "VAE" / "wide.safetensors", wide)
    (models / "VAE" / "cut.safetensors").write_bytes(bytes(7))

    def post(**values):
        body = {"request": {"prompt": "a cat", "model": "toy", "seed": 7, **values}}
        answer = client.post("/api/v1/jobs", json=body)
        error = answer.json().get("error") or {}
        return answer.status_code, error.get("field"), error.get("text")

    assert post(vae="colours")[0] == 201
    for name, why in (
        ("also wrong", "also wrong cannot be used: a LoRA, not a VAE; it belongs into Lora/"),
        ("cut", "cut cannot be used: it is empty, so it is no safetensors file"),
        ("wide", "wide cannot be used: its latents have 16 channels, and those of toy 4"),
        ("nix", "must be one of: Automatic, None, colours, wide; got 'nix'"),
    ):
        status, field, text = post(vae=name)
        assert (status, field) == (422, "vae")
        assert why in text, text
    assert rows(client, "vaes", model="toy")["wide"]["misfit"] == (
        "its latents have 16 channels, and those of toy 4"
    )


def test_a_job_with_a_model_that_has_no_vae_to_use_is_refused_at_once(client, models):
    keys = headers.published()["sd1"]
    vae = {key: each for key, each in keys.items() if key.startswith("first_stage_model.")}
    wide = vae | {"first_stage_model.decoder.conv_in.weight": [512, 16, 3, 3]}
    bare = {key: each for key, each in keys.items() if key not in vae}
    headers.write(models / "checkpoints" / "bare.safetensors", bare)
    headers.write(models / "checkpoints" / "whole.safetensors", keys)
    headers.write(models / "checkpoints" / "whole.vae.safetensors", wide)
    headers.write(models / "VAE" / "colours.safetensors", vae)

    def post(**values):
        body = {"request": {"prompt": "a cat", "seed": 7, **values}}
        answer = client.post("/api/v1/jobs", json=body)
        error = answer.json().get("error") or {}
        return answer.status_code, error.get("field"), error.get("text")

    none = "bare holds no VAE: choose one, or put one beside it, called bare.vae.safetensors"
    assert post(model="bare") == post(model="bare", vae="none") == (422, "vae", none)
    status, field, text = post(model="whole")
    assert (status, field) == (422, "vae")
    assert "whole.vae, which goes with whole by its name, cannot be used: its latents have" in text
    assert "; choose None for the model's own, or another" in text
    fine = ({"model": "bare", "vae": "colours"}, {"model": "whole", "vae": "None"})
    assert [post(**values)[0] for values in fine] == [201, 201]
    headers.write(models / "checkpoints" / "bare.vae.safetensors", vae)
    assert post(model="bare")[0] == 201


def test_a_real_vae_says_its_precision(client, models):
    vae = checkpoints.vae_keys(checkpoints.pipeline("sd1").vae)
    path = checkpoints.write(models / "VAE" / "colours.safetensors", vae)
    row = rows(client, "vaes")["colours"]
    assert (row["problem"], row["precision"]) == (None, "fp32")
    assert row["size_bytes"] == path.stat().st_size


def test_whether_it_fits_the_device_is_told(client, models, services):
    path = models / "checkpoints" / "whole.safetensors"
    headers.write(path, headers.published()["sd1"])
    services.library.refresh()
    for memory, fits in ((2**30, False), (2**34, True)):
        hello = {"weight_bytes": 2, "memory": memory}
        services.backend.state = lambda hello=hello: EngineState("ready", "CPU", "", 1, hello)
        row = rows(client, "checkpoints")["whole"]
        assert (row["fits"], row["memory_bytes"] > 2 * 2**30) == (fits, True)
    assert row["plan"]["text"].startswith("Fits: 3.3 GB of 16.0 GB ")
    card = {"weight_bytes": 2, "memory": 3 * 2**30, "offload": "auto", "main_memory": 2**34}
    services.backend.state = lambda: EngineState("ready", "card", "", 1, card)
    made = rows(client, "checkpoints")["whole"]["plan"]
    assert (made["offload"], made["fits"]) == ("model", True)
    assert made["text"].startswith("Fits part by part, ")


def test_a_preview_is_served_by_name_and_made_anew(client, models):
    path = models / "Lora" / "a" / "ink.safetensors"
    Image.new("RGB", (1000, 500), "red").save(path.with_suffix(".png"))
    answer = client.get("/" + rows(client, "loras")["ink"]["preview"])
    assert answer.headers["content-type"] == "image/jpeg"
    assert "immutable" in answer.headers["cache-control"]
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (448, 224)


@pytest.mark.parametrize(
    "name", ["../Lora/a/ink", "a/ink", "ink.png", "/etc/passwd", "", "wide", "..", "ink\0"]
)
def test_no_name_is_a_path(client, models, name):
    path = models / "Lora" / "a" / "ink.safetensors"
    Image.new("RGB", (8, 8)).save(path.with_suffix(".png"))
    answer = client.get("/api/v1/shelf/loras/preview", params={"name": name})
    assert answer.status_code == 404
    assert client.get("/api/v1/shelf/..%2Fx/preview?name=ink").status_code in (400, 404)


def test_a_broken_preview_is_none(client, models):
    path = models / "Lora" / "a" / "ink.png"
    path.write_bytes(b"<script>alert(1)</script>")
    answer = client.get("/api/v1/shelf/loras/preview", params={"name": "ink"})
    assert answer.status_code == 404
    assert b"script" not in answer.content


class Told:
    """A backend that says what it is asked."""

    def __init__(self):
        self.calls = []
        self.answer = {"models": ["toy"], "model": "toy"}

    def state(self):
        return EngineState("ready", "CPU", "ready on CPU", 1, {"memory": 5})

    def call(self, name, args, timeout=30):
        self.calls.append((name, args))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def told(services):
    backend = Told()
    app = server.create(replace(services, backend=backend))
    return SimpleNamespace(
        client=TestClient(app, "http://localhost:7860", raise_server_exceptions=False),
        backend=backend,
    )


def test_what_is_in_memory_is_told(told):
    answer = told.client.get("/api/v1/models/memory").json()
    engine = {"state": "ready", "device": "CPU", "text": "ready on CPU"}
    assert answer == {"engine": engine, "models": ["toy"], "memory_bytes": 5}
    told.backend.answer = EngineDied("no time")
    assert told.client.get("/api/v1/models/memory").json()["models"] is None


def test_a_model_is_loaded_ahead_by_its_name(told):
    answer = told.client.post("/api/v1/models/load", json={"model": "TOY"})
    assert (answer.status_code, answer.json()) == (200, {"loaded": "toy"})
    assert told.backend.calls == [("load", {"model": "toy"})]
    for body, status, text in (
        ({"model": "nix"}, 404, "there is no model 'nix'"),
        ({}, 404, "there is no model ''"),
        ({"model": "broken"}, 422, "broken cannot be used: model_index.json says None"),
        ({"model": "toy", "vae": "x"}, 422, "is not a field; known are ['model']"),
    ):
        answer = told.client.post("/api/v1/models/load", json=body)
        assert (answer.status_code, text in answer.json()["error"]["text"]) == (status, True)
    assert len(told.backend.calls) == 1


def test_a_model_whose_file_went_away_can_still_be_unloaded(told):
    told.backend.answer = {"unloaded": ["gone"]}
    answer = told.client.post("/api/v1/models/unload", json={"model": "gone"})
    assert (answer.status_code, answer.json()) == (200, {"unloaded": ["gone"]})
    assert told.backend.calls == [("unload", {"model": "gone"})]
    told.backend.answer = {"unloaded": []}
    answer = told.client.post("/api/v1/models/unload", json={"model": "nix"})
    assert answer.status_code == 404
    assert "there is no model 'nix'" in answer.json()["error"]["text"]


def test_nothing_is_loaded_while_a_job_runs(told, client, puppet):
    client.post("/api/v1/jobs", json={"request": {"prompt": "a cat"}})
    eventually(lambda: puppet.runs)
    answer = told.client.post("/api/v1/models/load", json={"model": "toy"})
    assert (answer.status_code, answer.json()["error"]["kind"]) == (503, "EngineBusy")
    assert told.backend.calls == []
    puppet.order("finish")
