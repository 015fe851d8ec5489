"""Models from elsewhere, from a server of this computer that speaks the hub's protocol."""

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpcore
import pytest

from tests import headers
from tests.hub import COMMIT
from webui.downloads import Access, Downloads, Wish
from webui.downloads.sockets import WebError
from webui.downloads.web import Web, next_hop
from webui.errors import (
    DownloadFailed,
    DownloadNotFound,
    InvalidRequest,
    NotAllowed,
    WrongState,
)

LORA = {"lora_unet_a.lora_down.weight": [4, 8], "lora_unet_a.lora_up.weight": [8, 4]}
VAE = {"encoder.conv_in.weight": [1], "decoder.conv_in.weight": [1]}


def weights(tmp, keys=LORA, padding=0, metadata=None):
    """The bytes of a safetensors file."""
    padded = {**keys, "padding": ("U8", [padding])} if padding else keys
    body = bytearray(headers.write(Path(tmp) / "made", padded, metadata).read_bytes())
    start = len(body) - padding
    body[start:] = bytes(n * 7 % 251 for n in range(padding))  # no two parts of it are alike
    return bytes(body)


def sha256(body):
    return hashlib.sha256(body).hexdigest()


@pytest.fixture
def opened(tmp_path, hub):
    """Makes downloads, and closes them in the end."""
    made = []

    def over(**more):
        access = Access(
            hub=hub.address, token=more.pop("token", ""), private=more.pop("private", True)
        )
        given = {"pauses": (0, 0, 0), **more}
        made.append(Downloads(tmp_path / "models", tmp_path / "records", access, **given))
        return made[-1]

    yield over
    for each in made:
        each.close()


@pytest.fixture
def downloads(opened):
    return opened()


def settled(downloads, id, seconds=30):
    """As it is when it does not go on by itself any more."""
    return until(
        lambda: (now := downloads.get(id)).state not in ("waiting", "running") and now, seconds
    )


def until(check, seconds=30):
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)
    return found


def fetch(downloads, source, **wish):
    return settled(downloads, downloads.add(Wish(source=source, **wish)).id)


def held(hub, downloads, source):
    """A download that has begun, and of which nothing has come; paused."""
    name = source.rpartition("/")[2]
    hub.faults.stall[name if "." in name else f"{name}.safetensors"] = 0
    made = downloads.add(Wish(source=source))
    downloads.pause(made.id)
    until(lambda: downloads._worker._running == "")
    hub.faults.stall.clear()
    return made


def tree(folder):
    """All files under it -> their bytes; some may be going away."""
    files = {}
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            with suppress(FileNotFoundError):
                files[str(path.relative_to(folder))] = path.read_bytes()
    return dict(sorted(files.items()))


# --- what is looked at, before anything is fetched ----------------------------------------------


def test_a_look_says_what_it_is_how_large_under_which_licence_and_where_it_would_go(
    hub, downloads, tmp_path
):
    body = weights(tmp_path, metadata={"ss_base_model_version": "sdxl_base_v1-0"})
    hub.add("ann/style", {"style.safetensors": body, "README.md": b"x", "style.ckpt": b"p"})
    seen = downloads.look(Wish(source="ann/style"))
    assert (seen.kind, seen.guess) == ("lora", "a LoRA for SDXL, fp16")
    assert (seen.folder, seen.target) == (tmp_path / "models" / "loras", "style.safetensors")
    assert (seen.size_bytes, seen.commit) == (len(body), COMMIT)
    assert (seen.licence.name, seen.licence.link) == (
        "CreativeML Open RAIL++-M", f"{hub.address}/ann/style",
    )  # fmt: skip
    assert [(each.name, each.reason[:14]) for each in seen.refused] == [
        ("style.ckpt", "it is a pickle")
    ]
    assert (seen.problems, seen.warnings, seen.gated) == ((), (), False)
    assert seen.items[0].sha256 == sha256(body)
    assert tree(tmp_path / "models") == {}  # a look writes nothing
    assert hub.file_bytes("style.safetensors") == len(body)  # small: its beginning is all of it


def test_a_look_at_a_large_file_asks_for_its_header_alone(hub, downloads, tmp_path):
    body = weights(tmp_path, padding=3 * 2**20)
    hub.add("ann/large", {"large.safetensors": body})
    assert downloads.look(Wish(source="ann/large")).size_bytes == len(body)
    asked = [each for each in hub.asked if each.host == "cdn"]
    assert [each.headers["range"] for each in asked] == ["bytes=0-524287"]
    assert asked[0].sent == 2**19


def test_a_header_longer_than_the_first_question_is_asked_for_again(hub, downloads, tmp_path):
    keys = {f"lora_unet_{n:05}.lora_down.weight": [1, 1] for n in range(7000)}
    hub.add("ann/wide", {"wide.safetensors": weights(tmp_path, keys)})
    assert downloads.look(Wish(source="ann/wide")).kind == "lora"


@pytest.mark.parametrize(
    ("keys", "kind", "folder"),
    [
        (LORA, "lora", "loras"),
        (VAE, "vae", "vae"),
        ({"emb_params": [2, 768]}, "embedding", "embeddings"),
        ({"conv_first.weight": [64, 3, 3, 3]}, "upscaler", "upscale_models"),
        (headers.published()["sd1"], "checkpoint", "checkpoints"),
    ],
)
def test_the_kind_is_read_from_the_header(hub, downloads, tmp_path, keys, kind, folder):
    # of the checkpoint the header alone: a look needs no more of its 2 GB
    path = headers.write(tmp_path / "made", keys)
    with path.open("rb") as file:
        begun = file.read(2**20)
    address, size = f"{hub.cdn}/a/file.safetensors", path.stat().st_size
    span = f"bytes 0-{len(begun) - 1}/{size}"
    hub.extra["/a/file.safetensors"] = (206, {"Content-Range": span}, begun)
    seen = downloads.look(Wish(source=address))
    assert (seen.kind, seen.folder.name, seen.size_bytes) == (kind, folder, size)


def test_folders_of_an_a1111_tree_are_used(hub, downloads, tmp_path):
    (tmp_path / "models" / "Lora").mkdir(parents=True)
    hub.add("ann/style", {"style.safetensors": weights(tmp_path)})
    assert downloads.look(Wish(source="ann/style")).folder == tmp_path / "models" / "Lora"
    assert fetch(downloads, "ann/style").state == "done"
    assert list(tree(tmp_path / "models")) == ["Lora/style.safetensors"]


@pytest.mark.parametrize(
    ("source", "revision", "choice"),
    [
        ("ann/style", "main", ""),
        ("  ann/style/ ", "main", ""),
        (f"ann/style@{COMMIT}", COMMIT, ""),
        ("{hub}/ann/style", "main", ""),
        ("{hub}/ann/style/tree/main", "main", ""),
        ("{hub}/ann/style/blob/main/deep/a.safetensors", "main", "deep/a.safetensors"),
        ("{hub}/ann/style/resolve/main/deep/a.safetensors?download=true", "main",
         "deep/a.safetensors"),
    ],
)  # fmt: skip
def test_what_people_paste_is_understood(hub, downloads, tmp_path, source, revision, choice):
    hub.add("ann/style", {"deep/a.safetensors": weights(tmp_path)})
    seen = downloads.look(Wish(source=source.format(hub=hub.address)))
    assert (seen.id, seen.revision, seen.choice) == (
        "ann/style", revision, choice or "deep/a.safetensors",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "source: must be owner/name"),
        ("gpt2", "source: must be like stabilityai/sdxl-vae"),
        ("../../etc", "source: must be like"),
        ("ann/..", "source: must be like"),
        ("a" * 5000, "source: must be owner/name"),
        ("file:///etc/passwd", "source: must begin with https://"),
        ("ftp://example.org/a.safetensors", "source: must begin with https://"),
        ("https://ann:secret@example.org/a.safetensors", "must not have a name and a password"),
        ("https:///a.safetensors", "source: is no address"),
        ("https://example.org/a b.safetensors", "source: is no address"),
        ("https://example.org/a.ckpt", "source: it is a pickle, which can run any code"),
        ("https://example.org/a.gguf?x=1", "source: it is of a format that is not read here"),
        ("https://huggingface.co/datasets/a/b", "is one of the hub's datasets"),
        ("https://huggingface.co/docs", "is a page of the hub, but of no model"),
        ("ann/style@../..", "revision: must be a branch"),
    ],
)
def test_what_cannot_be_understood_is_refused_and_nobody_is_asked(hub, downloads, source, said):
    with pytest.raises(InvalidRequest) as raised:
        downloads.look(Wish(source=source))
    assert said in str(raised.value)
    assert hub.asked == []


def test_with_several_files_one_has_to_be_chosen(hub, downloads, tmp_path):
    body = weights(tmp_path)
    hub.add("ann/two", {"b.safetensors": body, "a.safetensors": body})
    seen = downloads.look(Wish(source="ann/two"))
    assert [each.id for each in seen.choices] == ["a.safetensors", "b.safetensors"]
    assert seen.problems == (("choice", "must be chosen: there is more than one"),)
    with pytest.raises(InvalidRequest, match="choice: must be chosen"):
        downloads.add(Wish(source="ann/two"))
    with pytest.raises(InvalidRequest, match="choice: is not there; ann/two has a.safetensors, b"):
        downloads.add(Wish(source="ann/two", choice="c.safetensors"))
    assert fetch(downloads, "ann/two", choice="b.safetensors").target == "b.safetensors"


def test_a_file_that_says_nothing_by_its_name_is_called_as_its_repository(hub, downloads, tmp_path):
    hub.add("ann/sd-vae", {"diffusion_pytorch_model.safetensors": weights(tmp_path, VAE)})
    assert fetch(downloads, "ann/sd-vae").state == "done"
    assert list(tree(tmp_path / "models")) == ["vae/sd-vae.safetensors"]


def test_what_has_no_use_here_needs_a_kind(hub, downloads, tmp_path):
    hub.add("ann/cn", {"cn.safetensors": weights(tmp_path, {"control_model.a.weight": [4]})})
    seen = downloads.look(Wish(source="ann/cn"))
    assert seen.problems[0][0] == "kind" and "it is a ControlNet" in seen.problems[0][1]
    seen = downloads.look(Wish(source="ann/cn", kind="checkpoint"))
    assert (seen.problems, seen.warnings[-1]) == (
        (), "its header says a ControlNet, fp16; you chose Checkpoint",
    )  # fmt: skip
    with pytest.raises(InvalidRequest, match="kind: must be one of checkpoint, lora, vae"):
        downloads.look(Wish(source="ann/cn", kind="../.."))


# --- folders in diffusers layout ----------------------------------------------------------------

PIPELINE = {"_class_name": "StableDiffusionPipeline"}


def folder(tmp, **more):
    """Files of a model in diffusers layout, as hubs have them, with what nobody needs."""
    files = {
        "model_index.json": json.dumps(PIPELINE).encode(),
        "unet/config.json": b'{"sample_size": 64}',
        "unet/diffusion_pytorch_model.safetensors": weights(tmp, {"u": [64]}),
        "unet/diffusion_pytorch_model.fp16.safetensors": weights(tmp, {"u": [8]}),
        "unet/diffusion_pytorch_model.bin": b"pickle",
        "vae/config.json": b"{}",
        "vae/diffusion_pytorch_model.safetensors": weights(tmp, {"v": [32]}),
        "text_encoder/config.json": b"{}",
        "text_encoder/model.safetensors": weights(tmp, {"t": [32]}),
        "text_encoder/model.fp16.safetensors": weights(tmp, {"t": [4]}),
        "tokenizer/vocab.json": b"{}",
        "tokenizer/merges.txt": b"#version",
        "scheduler/scheduler_config.json": b"{}",
        "safety_checker/model.safetensors": weights(tmp, {"s": [99]}),
        "feature_extractor/preprocessor_config.json": b"{}",
        "README.md": b"read",
        "unet/run.py": b"import os",
    }
    return files | more


PLAIN = (
    *("model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json"),
    *("text_encoder/model.safetensors", "tokenizer/merges.txt", "tokenizer/vocab.json"),
    *("unet/config.json", "unet/diffusion_pytorch_model.safetensors", "vae/config.json"),
    "vae/diffusion_pytorch_model.safetensors",
)


def test_a_folder_comes_with_weights_and_configs_and_nothing_else(hub, downloads, tmp_path):
    files = folder(tmp_path)
    hub.add("ann/whole", files)
    done = fetch(downloads, "ann/whole", choice="./")
    place = tmp_path / "models" / "checkpoints" / "whole"
    assert (done.state, done.error) == ("done", "")
    assert tree(place) == {name: files[name] for name in PLAIN}
    assert list((tmp_path / "models" / "checkpoints").iterdir()) == [place]  # nothing is left over


def test_a_variant_is_smaller_and_goes_by_the_plain_names(hub, downloads, tmp_path):
    files = folder(tmp_path)
    hub.add("ann/whole", files)
    seen = downloads.look(Wish(source="ann/whole"))
    assert [each.id for each in seen.choices] == ["./", "./(fp16)"]
    assert fetch(downloads, "ann/whole", choice="./(fp16)").state == "done"
    got = tree(tmp_path / "models" / "checkpoints" / "whole-fp16")
    halves = {
        "unet/diffusion_pytorch_model.safetensors": "unet/diffusion_pytorch_model.fp16.safetensors",
        "text_encoder/model.safetensors": "text_encoder/model.fp16.safetensors",
    }
    assert got == {name: files[halves.get(name, name)] for name in PLAIN}


def test_one_part_of_a_folder_can_be_had_alone(hub, downloads, tmp_path):
    files = folder(tmp_path) | {"vae/diffusion_pytorch_model.safetensors": weights(tmp_path, VAE)}
    hub.add("ann/whole", files)
    done = fetch(downloads, "ann/whole", choice="vae/diffusion_pytorch_model.safetensors")
    assert (done.kind, done.target, done.state) == ("vae", "whole-vae.safetensors", "done")


def test_a_folder_of_a_repository_can_be_had(hub, downloads, tmp_path):
    deep = {f"models/sd/{name}": body for name, body in folder(tmp_path).items()}
    hub.add("ann/many", deep | {"other.safetensors": weights(tmp_path)})
    assert fetch(downloads, f"{hub.address}/ann/many/tree/main/models/sd").state == "done"
    assert len(tree(tmp_path / "models" / "checkpoints" / "sd")) == len(PLAIN)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vae/diffusion_pytorch_model.safetensors": None, "vae/d.bin": b"p"},
         "its vae is there as a pickle only"),
        ({"vae/diffusion_pytorch_model.safetensors": None,
          "vae/diffusion_pytorch_model-00001-of-00002.safetensors": b"x"},
         "the weights of its vae are in several files"),
        ({"unet/config.json": None, "unet/diffusion_pytorch_model.safetensors": None,
          "unet/diffusion_pytorch_model.fp16.safetensors": None,
          "unet/diffusion_pytorch_model.bin": None, "unet/run.py": None}, "it has no unet"),
    ],
)  # fmt: skip
def test_a_folder_that_lacks_something_is_refused(hub, downloads, tmp_path, change, said):
    files = {name: body for name, body in folder(tmp_path, **change).items() if body is not None}
    hub.add("ann/whole", files)
    seen = downloads.look(Wish(source="ann/whole", choice="./"))
    assert said in dict(seen.problems)["choice"]


def test_a_folder_of_another_kind_of_model_is_told(hub, downloads, tmp_path):
    hub.add("ann/whole", folder(tmp_path, **{"model_index.json": b'{"_class_name": "Flux"}'}))
    seen = downloads.look(Wish(source="ann/whole", choice="./"))
    assert seen.warnings == ("model_index.json says 'Flux'; such models cannot be used yet",)


# --- fetching -----------------------------------------------------------------------------------


def test_a_file_is_fetched_once_and_told_when_it_is_there(hub, opened, tmp_path):
    told = []
    downloads = opened(arrived=lambda: told.append(tree(tmp_path / "models")))
    body = weights(tmp_path, padding=300_000)
    hub.add("ann/style", {"style.safetensors": body})
    done = fetch(downloads, "ann/style")
    assert (done.state, done.done_bytes, done.error) == ("done", len(body), "")
    until(lambda: told)
    assert told == [{"loras/style.safetensors": body}]
    fetched = [each for each in hub.asked if each.host == "cdn" and "range" not in each.headers]
    assert [each.sent for each in fetched] == [len(body)]
    # not of the branch, which may have moved on since the look
    assert {each.path.split("/")[4] for each in hub.asked if "/resolve/" in each.path} == {COMMIT}


def test_a_broken_connection_goes_on_where_it_broke(hub, downloads, tmp_path):
    body = weights(tmp_path, padding=900_000)
    hub.add("ann/style", {"style.safetensors": body})
    hub.faults.cut["style.safetensors"] = [300_000, 200_000, 0, 0]
    done = fetch(downloads, "ann/style")
    assert (done.state, tree(tmp_path / "models")) == ("done", {"loras/style.safetensors": body})
    asked = [each for each in hub.asked if each.host == "cdn"][1:]  # after the look
    assert [each.headers.get("range") for each in asked[:3]] == [
        None, "bytes=300000-", "bytes=500000-",
    ]  # fmt: skip
    assert sum(each.sent for each in asked) == len(body)  # not one byte twice
    assert all(each.headers["if-range"].startswith('"') for each in asked[1:])


def test_tries_end_where_nothing_comes_any_more_and_can_be_taken_up(hub, downloads, tmp_path):
    body = weights(tmp_path, padding=900_000)
    hub.add("ann/style", {"style.safetensors": body})
    hub.faults.cut["style.safetensors"] = [300_000, 0, 0, 0, 0]
    failed = fetch(downloads, "ann/style")
    assert (failed.state, failed.done_bytes) == ("failed", 300_000)
    assert failed.error == "the connection to 127.0.0.1 broke off"
    assert "loras/style.safetensors" not in tree(tmp_path / "models")
    hub.faults.cut.clear()
    before = hub.file_bytes()
    downloads.resume(failed.id)
    assert settled(downloads, failed.id).state == "done"
    assert hub.file_bytes() - before == len(body) - 300_000


@pytest.mark.parametrize("fault", ["another etag", "no ranges", "no etag"])
def test_what_cannot_go_on_begins_anew(hub, downloads, tmp_path, fault):
    body = weights(tmp_path, padding=900_000)
    address = f"{hub.cdn}/a.safetensors"
    hub.extra["/a.safetensors"] = (200, {}, body)
    hub.faults.cut["a.safetensors"] = [300_000]
    if fault == "no ranges":
        hub.faults.no_ranges.add("a.safetensors")
    if fault == "no etag":
        hub.faults.etag["a.safetensors"] = ""
    if fault == "another etag":

        class Changing(dict):
            def get(self, key, default=None):
                return f'"{len(hub.asked)}"'

        hub.faults.etag = Changing({"a.safetensors": ""})
    done = fetch(downloads, address)
    assert (done.state, tree(tmp_path / "models")) == ("done", {"loras/a.safetensors": body})
    assert [each.sent for each in hub.asked[1:]] == [300_000, len(body)]


def test_what_begins_anew_is_counted_anew_for_its_hash(hub, downloads, tmp_path):
    body = weights(tmp_path, padding=900_000)
    hub.add("ann/style", {"style.safetensors": body})
    hub.faults.cut["style.safetensors"] = [300_000]
    hub.faults.no_ranges.add("style.safetensors")
    done = fetch(downloads, "ann/style")
    assert (done.state, tree(tmp_path / "models")) == ("done", {"loras/style.safetensors": body})


def test_a_file_with_a_hash_needs_no_etag_to_go_on(hub, downloads, tmp_path):
    body = weights(tmp_path, padding=900_000)
    hub.add("ann/style", {"style.safetensors": body})
    hub.faults.etag["style.safetensors"] = 'W/"weak"'
    hub.faults.cut["style.safetensors"] = [300_000]
    assert fetch(downloads, "ann/style").state == "done"
    asked = [each for each in hub.asked if each.host == "cdn"][-1]
    assert (asked.headers["range"], "if-range" in asked.headers) == ("bytes=300000-", False)


def test_one_after_the_other_in_the_order_they_came(hub, downloads, tmp_path):
    for name in "abc":
        hub.add(f"ann/{name}", {f"{name}.safetensors": weights(tmp_path, padding=300_000)})
    gate = hub.faults.stall_until = threading.Event()
    made = [downloads.add(Wish(source=f"ann/{name}")) for name in "abc"]
    until(lambda: downloads.get(made[0].id).state == "running")
    assert [downloads.get(each.id).state for each in made[1:]] == ["waiting", "waiting"]
    gate.set()
    ended = [settled(downloads, each.id) for each in made]
    assert [each.state for each in ended] == ["done"] * 3
    assert ended[0].finished <= ended[1].finished <= ended[2].finished
    assert [each.target[0] for each in downloads.all()] == ["a", "b", "c"]


def test_one_can_be_paused_taken_up_and_cancelled_while_nothing_comes(hub, downloads, tmp_path):
    body = weights(tmp_path, padding=900_000)
    hub.add("ann/style", {"style.safetensors": body})
    hub.faults.stall["style.safetensors"] = 400_000
    made = downloads.add(Wish(source="ann/style"))
    part = tmp_path / "models" / "loras" / ".downloads" / made.id / "0.part"
    until(lambda: part.exists() and part.stat().st_size >= 393_216)
    paused = downloads.pause(made.id)
    assert paused.state == "paused"
    until(lambda: downloads._worker._running == "", 10)  # within a quarter of a second
    assert downloads.get(made.id).state == "paused" and part.stat().st_size >= 393_216
    downloads.resume(made.id)
    until(lambda: downloads.get(made.id).state == "running")
    began = time.monotonic()
    downloads.remove(made.id)
    until(lambda: tree(tmp_path / "models" / "loras") == {})
    assert time.monotonic() - began < 5
    with pytest.raises(DownloadNotFound):
        downloads.get(made.id)
    assert tree(tmp_path / "records") == {}


def test_what_is_over_cannot_be_paused_but_forgotten(hub, downloads, tmp_path):
    hub.add("ann/style", {"style.safetensors": weights(tmp_path)})
    done = fetch(downloads, "ann/style")
    for verb in (downloads.pause, downloads.resume):
        with pytest.raises(WrongState, match="the download is done"):
            verb(done.id)
    downloads.remove(done.id)
    assert downloads.all() == []
    assert list(tree(tmp_path / "models")) == ["loras/style.safetensors"]  # the file stays


def test_a_restarted_server_goes_on_with_what_was_under_way(hub, opened, tmp_path):
    body = weights(tmp_path, padding=900_000)
    hub.add("ann/style", {"style.safetensors": body})
    hub.faults.stall["style.safetensors"] = 400_000
    first = opened()
    made = first.add(Wish(source="ann/style"))
    part = tmp_path / "models" / "loras" / ".downloads" / made.id / "0.part"
    until(lambda: part.exists() and part.stat().st_size >= 393_216)
    first.close()
    there, before = part.stat().st_size, hub.file_bytes()
    hub.faults.stall.clear()
    second = opened()
    assert second.get(made.id).done_bytes >= there
    done = settled(second, made.id)
    assert (done.state, tree(tmp_path / "models")) == ("done", {"loras/style.safetensors": body})
    assert hub.file_bytes() - before == len(body) - there
    assert opened().get(made.id) == done  # and is remembered


def test_records_of_elsewhere_are_put_aside(hub, opened, tmp_path):
    hub.add("ann/style", {"style.safetensors": weights(tmp_path)})
    done = fetch(opened(), "ann/style")
    record = tmp_path / "records" / f"{done.id}.json"
    assert record.stat().st_mode & 0o077 == 0 or os.name != "posix"
    said = json.loads(record.read_text())
    bad = {"a" * 16: {"target": "../x.safetensors"}, "b" * 16: {"kind": "none"}}
    for id, change in bad.items():
        (tmp_path / "records" / f"{id}.json").write_text(json.dumps({**said, "id": id, **change}))
    (tmp_path / "records" / f"{'c' * 16}.json").write_text("{")
    assert [each.id for each in opened().all()] == [done.id]
    assert len(list((tmp_path / "records").glob("*.bad"))) == 3


# --- what is wrong with what comes --------------------------------------------------------------


def test_wrong_bytes_are_thrown_away(hub, downloads, tmp_path):
    body = weights(tmp_path, padding=9000)
    hub.add("ann/style", {"style.safetensors": body})
    changed = body[:-1] + bytes([body[-1] ^ 1])
    hub.faults.body["style.safetensors"] = changed
    failed = fetch(downloads, "ann/style")
    assert failed.state == "failed"
    assert failed.error == (
        f"style.safetensors is not what it should be: its sha256 is {sha256(changed)[:16]}…, it "
        f"should be {sha256(body)[:16]}…; it has been thrown away"
    )
    assert (failed.done_bytes, tree(tmp_path / "models" / "loras" / ".downloads" / failed.id)) == (
        0, {},
    )  # fmt: skip


def test_a_small_file_is_held_against_gits_hash(hub, downloads, tmp_path, monkeypatch):
    files = folder(tmp_path)
    hub.add("ann/whole", files)
    from tests import hub as module

    right = module.git_hash
    monkeypatch.setattr(
        module, "git_hash", lambda body: "0" * 40 if body == b"#version" else right(body)
    )
    failed = fetch(downloads, "ann/whole", choice="./")
    assert (failed.state, "its git hash is " + git_hash_of(b"#version")[:16] in failed.error) == (
        "failed", True,
    )  # fmt: skip
    assert not (tmp_path / "models" / "checkpoints" / "whole").exists()


def git_hash_of(body):
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


@pytest.mark.parametrize("right", [True, False])
def test_a_hash_that_a_person_gave_counts(hub, downloads, tmp_path, right):
    body = weights(tmp_path)
    hub.extra["/a.safetensors"] = (200, {}, body)
    given = sha256(body).upper() if right else "0" * 64
    done = fetch(downloads, f"{hub.cdn}/a.safetensors", sha256=given)
    assert done.state == ("done" if right else "failed")
    assert list(tree(tmp_path / "models")) == (["loras/a.safetensors"] if right else [])
    with pytest.raises(InvalidRequest, match="sha256: must be 64 digits"):
        downloads.look(Wish(source=f"{hub.cdn}/a.safetensors", sha256="abc"))


@pytest.mark.parametrize("change", [-50, 50])
def test_another_length_than_was_looked_at_is_refused(hub, downloads, tmp_path, change):
    body = weights(tmp_path, padding=600_000)
    hub.extra["/a.safetensors"] = (200, {}, body)
    made = held(hub, downloads, f"{hub.cdn}/a.safetensors")
    hub.extra["/a.safetensors"] = (200, {}, (body + bytes(50))[: len(body) + change])
    downloads.resume(made.id)
    failed = settled(downloads, made.id)
    assert (failed.state, failed.error) == (
        "failed",
        f"a.safetensors has {len(body) + change} bytes by now; {len(body)} were to come",
    )
    assert tree(failed.folder / ".downloads" / failed.id) == {}


@pytest.mark.parametrize("change", [-50, 50])
def test_a_length_in_the_head_that_is_a_lie_does_no_harm(hub, downloads, tmp_path, change):
    """Too short a claim is another file, too long a one a connection that breaks off."""
    body = weights(tmp_path, padding=600_000)
    hub.add("ann/style", {"style.safetensors": body})
    made = held(hub, downloads, "ann/style")
    hub.faults.length["style.safetensors"] = len(body) + change
    downloads.resume(made.id)
    failed = settled(downloads, made.id)
    assert failed.state == "failed" and "style.safetensors has" in failed.error
    assert tree(failed.folder) == {}


def test_where_the_hub_and_the_file_disagree_nothing_is_fetched(hub, downloads, tmp_path):
    body = weights(tmp_path, padding=600_000)
    hub.add("ann/style", {"style.safetensors": body}, sizes={"style.safetensors": len(body) + 9})
    with pytest.raises(DownloadFailed, match=f"has {len(body)} bytes, where the hub says"):
        downloads.look(Wish(source="ann/style"))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<!doctype html><html>log in</html>", "it is a web page or a text, not a model"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
        (b"PK\x03\x04" + bytes(90), "it is a pickle under another name"),
        (pickle.dumps({"a": 1}), "it is a pickle under another name"),
        (b"", "it is empty"),
        ((2**40).to_bytes(8, "little") + bytes(90), "its header does not fit into it"),
        ((2).to_bytes(8, "little") + b"[]", "its header is no JSON object"),
    ],
)
def test_what_is_no_safetensors_file_is_refused_before_it_is_fetched(
    hub, downloads, tmp_path, body, said
):
    hub.add("ann/style", {"style.safetensors": body})
    seen = downloads.look(Wish(source="ann/style"))
    assert said in dict(seen.problems)["choice"]
    with pytest.raises(InvalidRequest) as raised:
        downloads.add(Wish(source="ann/style"))
    assert said in str(raised.value)
    assert tree(tmp_path / "models") == {}


def test_a_file_that_changes_into_something_else_is_thrown_away(hub, downloads, tmp_path):
    body = weights(tmp_path, padding=5000)
    hub.extra["/a.safetensors"] = (200, {}, body)
    made = held(hub, downloads, f"{hub.cdn}/a.safetensors")
    hub.extra["/a.safetensors"] = (200, {}, b"PK\x03\x04" * (len(body) // 4) + bytes(len(body) % 4))
    downloads.resume(made.id)
    failed = settled(downloads, made.id)
    assert "a.safetensors: it is a pickle under another name" in failed.error


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "asks who you are (401)"),
        (403, "does not allow it (403)"),
        (404, "has no such file (404)"),
        (429, "asks to wait"),
        (500, "answered 500"),
    ],
)
def test_what_servers_refuse_is_told(hub, downloads, status, said):
    hub.faults.status["a.safetensors"] = [status] * 9
    with pytest.raises(DownloadFailed) as raised:
        downloads.look(Wish(source=f"{hub.cdn}/a.safetensors"))
    assert said in str(raised.value)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(hub, downloads, tmp_path, status):
    body = weights(tmp_path)
    hub.add("ann/style", {"style.safetensors": body})
    made = held(hub, downloads, "ann/style")
    hub.faults.status["style.safetensors"] = [status, status]
    downloads.resume(made.id)
    assert settled(downloads, made.id).state == "done"
    assert tree(tmp_path / "models") == {"loras/style.safetensors": body}


def test_a_file_that_has_gone_is_not_asked_for_again(hub, downloads, tmp_path):
    hub.add("ann/style", {"style.safetensors": weights(tmp_path)})
    made = held(hub, downloads, "ann/style")
    del hub.repositories["ann/style"].files["style.safetensors"]
    asked = len(hub.asked)
    downloads.resume(made.id)
    failed = settled(downloads, made.id)
    host = hub.address.removeprefix("http://")
    assert (failed.state, failed.error) == ("failed", f"{host} has no such file (404)")
    assert len(hub.asked) == asked + 1


def test_what_the_hub_does_not_have_is_told(hub, downloads, tmp_path):
    hub.add("ann/style", {"style.safetensors": weights(tmp_path)})
    with pytest.raises(DownloadFailed, match="there is no model ann/other on the hub, or it is pr"):
        downloads.look(Wish(source="ann/other"))
    with pytest.raises(DownloadFailed, match="ann/style has no revision 'v9'; main is what most"):
        downloads.look(Wish(source="ann/style", revision="v9"))
    with pytest.raises(InvalidRequest, match="commit: ann/style has changed since"):
        downloads.look(Wish(source="ann/style", commit="0" * 40))


# --- who is asked, and what they are told -------------------------------------------------------


def test_gated_models_need_the_token_which_the_second_server_never_sees(hub, opened, tmp_path):
    hub.add("ann/gated", {"g.safetensors": weights(tmp_path)}, gated=True)
    hub.token = "hf_secret"
    with pytest.raises(DownloadFailed) as raised:
        opened().look(Wish(source="ann/gated"))
    assert str(raised.value) == (
        f"ann/gated is only for those who accepted its terms: do so on {hub.address}/ann/gated, "
        "and start the server with a token of your account in DARKROOM_HUB_TOKEN"
    )
    with pytest.raises(DownloadFailed, match="with the account whose token this server has"):
        opened(token="hf_other").look(Wish(source="ann/gated"))
    hub.asked.clear()
    with_token = opened(token="hf_secret")
    assert with_token.look(Wish(source="ann/gated")).gated
    assert fetch(with_token, "ann/gated").state == "done"
    assert {each.headers.get("authorization") for each in hub.asked if each.host == "hub"} == {
        "Bearer hf_secret"
    }
    assert {"authorization" in each.headers for each in hub.asked if each.host == "cdn"} == {False}
    records = "".join(each.read_text() for each in (tmp_path / "records").iterdir())
    assert "hf_secret" not in records + repr(with_token.access)


def test_an_address_elsewhere_gets_no_token(hub, opened, tmp_path):
    hub.extra["/a.safetensors"] = (200, {}, weights(tmp_path))
    assert fetch(opened(token="hf_secret"), f"{hub.cdn}/a.safetensors").state == "done"
    assert {"authorization" in each.headers for each in hub.asked} == {False}


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        ("https://a.org/x", "http://a.org/y", "which must begin with https://"),
        ("https://a.org/x", "ftp://a.org/y", "which must begin with https://"),
        ("https://a.org/x", "file:///etc/passwd", "which must begin with https://"),
        ("https://a.org/x", "https://me:pw@b.org/", "which must not have a name and a password"),
        ("https://a.org/x", "https://b.org/\\\\c", "which is no address"),
    ],
)
def test_redirects_stay_safe(here, there, said):
    with pytest.raises(WebError) as raised:
        next_hop(here, there, Access())
    assert said in str(raised.value)


def test_redirects_never_leave_https_even_where_http_is_allowed():
    with pytest.raises(WebError, match="leads from https to http, which is not safe"):
        next_hop("https://a.org/x", "http://a.org/y", Access(private=True))
    assert next_hop("https://a.org/x/y", "../z?q=1#f", Access()) == "https://a.org/z?q=1"
    assert next_hop("http://a/x", "https://b/y", Access(private=True)) == "https://b/y"


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://a.org/b", "//me:pw@b.org/c"])
def test_redirects_are_looked_at_on_the_way(hub, downloads, place):
    hub.extra["/a.safetensors"] = (302, {"Location": place}, b"")
    with pytest.raises(DownloadFailed, match="127.0.0.1 leads to another address, which must"):
        downloads.look(Wish(source=f"{hub.cdn}/a.safetensors"))
    assert len(hub.asked) == 1


def test_a_circle_of_redirects_ends(hub, downloads):
    hub.extra["/a.safetensors"] = (302, {"Location": "/a.safetensors"}, b"")
    with pytest.raises(DownloadFailed, match="leads from one address to the next without an end"):
        downloads.look(Wish(source=f"{hub.cdn}/a.safetensors"))
    assert len(hub.asked) == 8


class Elsewhere(httpcore.NetworkBackend):
    """Public addresses, which are this computer's ports in truth; what was connected to."""

    def __init__(self, ports):
        self.ports, self.connected, self._real = ports, [], httpcore.SyncBackend()

    def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        self.connected.append(host)
        return self._real.connect_tcp("127.0.0.1", self.ports[host], timeout)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "192.168.1.5", "172.16.3.4", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "::1", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::", "224.0.0.1", "255.255.255.255", "ff02::1", "::",
    ],
)  # fmt: skip
def test_addresses_of_this_network_are_not_connected_to(address):
    sockets = Elsewhere({})
    with (
        Web(
            Access(), sockets=sockets, resolve=lambda host, port: ["93.184.216.34", address]
        ) as web,
        pytest.raises(WebError, match="evil.example is an address of this computer or its network"),
        web.get("https://evil.example/a.safetensors"),
    ):
        pass
    assert sockets.connected == []


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_public_addresses_are(address):
    sockets = Elsewhere({address: 1})  # where nobody listens
    with (
        Web(Access(), sockets=sockets, resolve=lambda host, port: [address]) as web,
        pytest.raises(WebError, match="good.example cannot be reached; is this computer connect"),
        web.get("https://good.example/"),
    ):
        pass
    assert sockets.connected == [address]


def test_a_redirect_into_this_network_is_not_followed(hub, opened, tmp_path, monkeypatch):
    """By a public server of plain http, as if that were allowed: only the address is at issue."""
    public, canary = "93.184.216.34", hub.cdn
    hub.extra["/a.safetensors"] = (302, {"Location": f"{canary}/secret.safetensors"}, b"")
    hub.extra["/secret.safetensors"] = (200, {}, weights(tmp_path))
    sockets = Elsewhere({public: int(hub.cdn.rpartition(":")[2]), "127.0.0.1": 1})
    names = {"hub.example": [public], "127.0.0.1": ["127.0.0.1"]}
    web = Web(Access(private=True), sockets=sockets, resolve=lambda host, port: names[host])
    web._pool._network_backend._private = False  # http stays allowed, for want of a certificate
    with (
        web,
        pytest.raises(WebError, match="127.0.0.1 is an address of this computer"),
        web.get("http://hub.example/a.safetensors"),
    ):
        pass
    assert sockets.connected == [public]
    assert [each.path for each in hub.asked] == ["/a.safetensors"]


def test_without_the_flag_this_computer_is_not_asked_and_http_not_spoken(hub, opened, tmp_path):
    downloads = opened(private=False)
    with pytest.raises(InvalidRequest, match="source: must begin with https://"):
        downloads.look(Wish(source=f"{hub.cdn}/a.safetensors"))
    for host in ("localhost", "127.0.0.1", "[::1]", "2130706433", "0x7f.1"):
        with pytest.raises(DownloadFailed):
            downloads.look(Wish(source=f"https://{host}:1/a.safetensors"))
    assert hub.asked == []


def test_without_a_network_a_sentence_says_so(tmp_path, opened):
    def nobody(host, port):
        raise OSError("Name or service not known")

    downloads = opened(open_web=lambda access, check: Web(access, check, resolve=nobody))
    with pytest.raises(DownloadFailed) as raised:
        downloads.look(Wish(source="ann/style"))
    assert str(raised.value) == (
        "127.0.0.1 cannot be reached; is this computer connected to the network?"
    )


def test_where_it_is_forbidden_nothing_is_asked_nor_taken_up(hub, opened, tmp_path):
    hub.add("ann/style", {"style.safetensors": weights(tmp_path, padding=900_000)})
    hub.faults.stall["style.safetensors"] = 100_000
    first = opened()
    made = first.add(Wish(source="ann/style"))
    first.close()
    hub.asked.clear()
    closed = opened(forbidden="it is not allowed here")
    for verb in (
        lambda: closed.look(Wish(source="ann/style")),
        lambda: closed.add(Wish(source="ann/style")),
        lambda: closed.resume(made.id),
    ):
        with pytest.raises(NotAllowed, match="it is not allowed here"):
            verb()
    assert (closed.get(made.id).state, hub.asked) == ("waiting", [])
    assert closed._worker._thread is None
    closed.remove(made.id)  # to throw away is allowed
    assert tree(tmp_path / "models") == {}


# --- names ---------------------------------------------------------------------------------------

HOSTILE = (
    "../out.safetensors", "a/../../out.safetensors", "/tmp/out.safetensors", "..\\out.safetensors",
    "C:\\out.safetensors", "a\\b.safetensors", "C:out.safetensors", "a\0b.safetensors",
    "a\nb.safetensors",
    "con.safetensors", "sub/NUL.safetensors", "COM1.safetensors", "lpt9 .safetensors",
    ".hidden.safetensors", ".ssh/a.safetensors", "a./b.safetensors", "a /b.safetensors",
    " a.safetensors", "a\u202egnp.safetensors", "a\u200bb.safetensors", "a\u2028b.safetensors",
    "//host/share/a.safetensors", "a//b.safetensors", "./a.safetensors", "x" * 300 + ".safetensors",
    "a/b/c/d/e/f/g/h.safetensors", "a:b.safetensors", "a*.safetensors", "a|b.safetensors",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_with_a_reason_and_nothing_is_written(
    hub, downloads, tmp_path, name
):
    hub.add("ann/evil", {name: weights(tmp_path), "good.safetensors": weights(tmp_path, VAE)})
    seen = downloads.look(Wish(source="ann/evil"))
    assert [each.id for each in seen.choices] == ["good.safetensors"]
    assert seen.refused == () if name.startswith(".git") else seen.refused[0].name == name
    assert (
        "its name" in seen.refused[0].reason
        or "it lies" in seen.refused[0].reason
        or ("is a device on Windows" in seen.refused[0].reason)
    )
    with pytest.raises(InvalidRequest, match="choice"):
        downloads.add(Wish(source="ann/evil", choice=name))
    assert tree(tmp_path / "models") == {}


@pytest.mark.parametrize("name", HOSTILE)
def test_nor_are_they_taken_from_a_person_or_from_a_server(hub, downloads, tmp_path, name):
    hub.extra["/a.safetensors"] = (200, {}, weights(tmp_path))
    wish = Wish(source=f"{hub.cdn}/a.safetensors", name=name)
    clean = name.strip() == name
    if clean:
        assert "name" in dict(downloads.look(wish).problems)
        with pytest.raises(InvalidRequest, match="name"):
            downloads.add(wish)
    if clean and name.isprintable() and name.isascii() and "/" not in name:
        said = {"Content-Disposition": f'attachment; filename="{name}"'}
        hub.extra["/a.safetensors"] = (200, said, weights(tmp_path))
        assert "name" in dict(downloads.look(Wish(source=wish.source)).problems)
    assert tree(tmp_path / "models") == {}


def test_names_that_differ_by_capitals_alone_are_refused(hub, downloads, tmp_path):
    body = weights(tmp_path)
    hub.add("ann/twins", {"A.safetensors": body, "a.safetensors": body, "b.safetensors": body})
    seen = downloads.look(Wish(source="ann/twins"))
    assert [each.id for each in seen.choices] == ["b.safetensors"]
    assert {each.name for each in seen.refused} == {"A.safetensors", "a.safetensors"}


def test_a_folders_parts_are_checked_too(hub, downloads, tmp_path):
    evil = {"unet/../../../out.json": b"{}", "vae/con.json": b"{}", "tokenizer/.x.json": b"{}"}
    hub.add("ann/whole", folder(tmp_path) | evil)
    assert fetch(downloads, "ann/whole", choice="./").state == "done"
    assert sorted(tree(tmp_path / "models")) == [f"checkpoints/whole/{name}" for name in PLAIN]


def test_what_is_there_is_never_written_over(hub, downloads, tmp_path):
    place = tmp_path / "models" / "loras"
    place.mkdir(parents=True)
    (place / "Style.safetensors").write_bytes(b"mine")
    hub.add("ann/style", {"style.safetensors": weights(tmp_path, padding=900_000)})
    with pytest.raises(InvalidRequest, match="name: style.safetensors is in loras/ already"):
        downloads.add(Wish(source="ann/style"))
    hub.faults.stall["style.safetensors"] = 100_000
    made = downloads.add(Wish(source="ann/style", name="other"))
    with pytest.raises(InvalidRequest, match="name: Other.safetensors is being downloaded alread"):
        downloads.add(Wish(source="ann/style", name="Other"))
    (place / "other.safetensors").write_bytes(b"meanwhile")
    downloads.pause(made.id)
    hub.faults.stall.clear()
    until(lambda: downloads._worker._running == "")
    downloads.resume(made.id)
    failed = settled(downloads, made.id)
    assert (failed.state, failed.error) == ("failed", "other.safetensors is in loras/ by now")
    assert (place / "other.safetensors").read_bytes() == b"meanwhile"


def test_a_full_disk_is_told_before_and_while(hub, downloads, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    hub.add("ann/style", {"style.safetensors": weights(tmp_path)})
    made = downloads.look(Wish(source="ann/style"))
    assert made.free_bytes > 0
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**20))
    with pytest.raises(InvalidRequest, match="source: the disk of .*loras has .* bytes too few"):
        downloads.add(Wish(source="ann/style"))
    monkeypatch.undo()
    id = held(hub, downloads, "ann/style").id
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**20))
    downloads.resume(id)
    assert "is full: 1048576 bytes are free" in settled(downloads, id).error


# --- the protocol is the hub's -------------------------------------------------------------------

_CLIENT = """
import sys
from huggingface_hub import HfApi, hf_hub_download
hub, folder = sys.argv[1:]
info = HfApi(endpoint=hub, token=False).model_info("ann/style", files_metadata=True)
found = [(each.rfilename, each.size, each.lfs and each.lfs.sha256) for each in info.siblings]
print(info.sha, found)
for name in ("style.safetensors", "config.json"):
    path = hf_hub_download("ann/style", name, endpoint=hub, cache_dir=folder, token=False)
    print(len(open(path, "rb").read()))
"""


def test_the_hubs_own_client_understands_the_server_of_these_tests(hub, tmp_path):
    body = weights(tmp_path, padding=5000)
    hub.add("ann/style", {"style.safetensors": body, "config.json": b"{}"})
    said = subprocess.run(
        [sys.executable, "-c", _CLIENT, hub.address, str(tmp_path / "cache")],
        env={**os.environ, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
             "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"},
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    files = [("style.safetensors", len(body), sha256(body)), ("config.json", 2, None)]
    assert said.stdout.splitlines() == [f"{COMMIT} {files}", str(len(body)), "2"], said.stderr
