"""Single files and model trees in the library: found by name, told apart by their headers."""

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from tests import headers
from tests.test_library import make_model
from tests.wrong_files import SD1, UNET, VAE, WRONG
from webui.errors import ModelNotFound
from webui.library import Library, fits, needed

PUBLISHED = headers.published()
SMALL = {"a": [2]}


def checkpoint(models: Path, place: str, keys=SD1, metadata=None) -> Path:
    return headers.write(models / place, keys, metadata)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_listed_with_the_reason_quickly_and_breaks_no_other(tmp_path, name):
    make, reason = WRONG[name]
    checkpoint(tmp_path, "checkpoints/good.safetensors")
    make(tmp_path / "checkpoints" / f"{name}.safetensors")
    began = time.thread_time()
    entries = {entry.name: entry for entry in Library(tmp_path).entries()}
    assert time.thread_time() - began < 2
    assert reason in str(entries[name].problem)
    assert (entries["good"].problem, entries["good"].family) == (None, "sd1")


def test_pickles_are_listed_with_the_reason_and_never_opened(tmp_path):
    for suffix in ("ckpt", "pt", "bin"):
        path = tmp_path / "Stable-diffusion" / f"{suffix}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
        path.chmod(0)
    problems = {entry.name: entry.problem for entry in Library(tmp_path).entries()}
    assert problems == {
        suffix: f".{suffix} files are pickles, which can run code, so they are not read; "
        "docs/models.md shows how to convert it to safetensors"
        for suffix in ("ckpt", "pt", "bin")
    }


def test_the_trees_of_other_programs_are_used_where_they_lie(tmp_path):
    ours, a1111, comfy = tmp_path / "ours", tmp_path / "webui" / "models", tmp_path / "comfy"
    checkpoint(ours, "checkpoints/one.safetensors")
    checkpoint(a1111, "Stable-diffusion/sub/two.safetensors")
    checkpoint(a1111, "VAE/sharp.safetensors", SMALL)
    checkpoint(comfy, "checkpoints/three.safetensors")
    checkpoint(comfy, "checkpoints/one.safetensors")
    checkpoint(comfy, "vae/soft.safetensors", SMALL)
    checkpoint(comfy, "loras/four.safetensors")
    library = Library(ours, a1111, comfy)
    assert [entry.name for entry in library.entries()] == [
        "one", "one.safetensors", "sub/two", "three",
    ]  # fmt: skip
    assert library.find("one").path == ours / "checkpoints" / "one.safetensors"
    assert [vae.name for vae in library.vaes()] == ["sharp", "soft"]
    for name in ("sub/two", "two", "TWO", "two.safetensors", "sub/two.safetensors"):
        assert library.find(name).path == a1111 / "Stable-diffusion" / "sub" / "two.safetensors"


def test_names_are_never_joined_to_a_path(tmp_path):
    checkpoint(tmp_path, "checkpoints/sub/a.safetensors")
    checkpoint(tmp_path, "b.safetensors")
    library = Library(tmp_path)
    for name in ("../b", "checkpoints/sub/a", "sub/../sub/a", "/etc/passwd", "", "a\0"):
        with pytest.raises(ModelNotFound, match="there are sub/a"):
            library.find(name)
        with pytest.raises(ModelNotFound):
            library.find_vae(name)


def test_links_are_followed_and_a_circle_of_them_ends(tmp_path):
    elsewhere = checkpoint(tmp_path, "disk/a.safetensors")
    place = tmp_path / "checkpoints"
    place.mkdir()
    (place / "more").symlink_to(elsewhere.parent)
    (place / "circle").symlink_to(place)
    (place / "gone.safetensors").symlink_to(tmp_path / "nothing")
    os.mkfifo(place / "pipe.safetensors")
    found = {entry.name: entry.problem for entry in Library(tmp_path).entries()}
    assert found["more/a"] is None
    assert found["gone"] == "it is a link to nothing"
    assert found["pipe"] == "it is not a file"


def test_a_vae_goes_with_the_checkpoint_of_its_name(tmp_path):
    checkpoint(tmp_path, "checkpoints/a.safetensors")
    checkpoint(tmp_path, "checkpoints/b.safetensors")
    checkpoint(tmp_path, "checkpoints/c.safetensors")
    beside = checkpoint(tmp_path, "checkpoints/a.vae.safetensors", SMALL)
    named = checkpoint(tmp_path, "VAE/b.safetensors", SMALL)
    library = Library(tmp_path)
    assert {entry.name: entry.vae for entry in library.entries()} == {
        "a": beside, "b": named, "c": None,
    }  # fmt: skip
    assert library.find("a").report.vae == "a.vae"
    assert library.find_vae("a.vae.safetensors").path == beside


def test_a_pickle_is_not_listed_beside_what_it_was_converted_to(tmp_path):
    checkpoint(tmp_path, "checkpoints/a.safetensors")
    (tmp_path / "checkpoints" / "a.ckpt").write_bytes(b"x")
    assert [entry.name for entry in Library(tmp_path).entries()] == ["a"]


def test_a_file_that_changes_is_looked_at_again(tmp_path):
    path = checkpoint(tmp_path, "checkpoints/a.safetensors")
    library = Library(tmp_path)
    assert library.find("a").problem is None
    headers.write(path, {"emb_params": [2, 768]})
    assert "an embedding" in str(library.find("a").problem)
    path.with_suffix(".yaml").write_text("model: {params: {parameterization: v}}")
    checkpoint(tmp_path, "checkpoints/a.safetensors")
    assert library.find("a").report.prediction == "v_prediction"


# --- reports -------------------------------------------------------------------------------------


def test_a_report_says_what_a_checkpoint_is_and_what_it_lacks(tmp_path):
    keys = {key: shape for key, shape in SD1.items() if not key.startswith(VAE)}
    keys |= {f"model_ema.{key.replace('.', '')}": ["F32", shape] for key, shape in keys.items()}
    checkpoint(tmp_path, "checkpoints/a.safetensors", keys)
    report = Library(tmp_path).find("a").report
    assert (report.kind, report.family, report.precision) == ("checkpoint", "sd1", "fp16")
    assert report.parts == ("unet", "text_encoder")
    assert report.weights == 859_520_964 + 123_060_557
    assert report.notes == (
        "it also holds averaged (EMA) weights, which are not loaded",
        "it holds no VAE: one with its name, or one that is chosen, is used",
    )


@pytest.mark.parametrize(
    ("family", "extra", "metadata", "prediction", "zero"),
    [
        ("sd1", {}, {}, "epsilon", False),
        ("sd2", {}, {}, "", False),
        ("sd2", {}, {"modelspec.prediction_type": "v"}, "v_prediction", False),
        ("sdxl", {"v_pred": []}, {}, "v_prediction", False),
        ("sdxl", {"v_pred": [], "ztsnr": []}, {}, "v_prediction", True),
        ("sdxl", {}, {"config": '{"scheduler": {"prediction_type": "v_prediction"}}'},
         "v_prediction", False),
        ("sd1", {}, {"config": "[" * 10_000}, "epsilon", False),
    ],
)  # fmt: skip
def test_the_prediction_type_is_read_from_what_the_file_says(
    tmp_path, family, extra, metadata, prediction, zero
):
    checkpoint(tmp_path, "checkpoints/a.safetensors", PUBLISHED[family] | extra, metadata)
    report = Library(tmp_path).find("a").report
    assert (report.prediction, report.zero_terminal_snr) == (prediction, zero)


def test_a_config_beside_the_file_goes_before_what_is_in_it_and_before_ours(tmp_path):
    metadata = {"modelspec.prediction_type": "v", "modelspec.resolution": "768x768"}
    path = checkpoint(tmp_path, "checkpoints/a.safetensors", SD1, metadata)
    library = Library(tmp_path)
    assert library.find("a").report.prediction == "v_prediction"
    assert library.find("a").native_width == 768
    path.with_suffix(".yaml").write_text(
        "model:\n  params:\n    parameterization: eps\n    scale_factor: 0.5\n"
        "    unet_config:\n      params:\n        num_heads: 4\n"
    )
    entry = library.find("a")
    assert entry.report.prediction == "epsilon"
    assert entry.configs["vae"]["scaling_factor"] == 0.5
    assert entry.configs["unet"]["attention_head_dim"] == 4
    path.with_suffix(".json").write_text(json.dumps({"unet": {"sample_size": 32}, "notes": "x"}))
    assert library.find("a").native_width == 256


@pytest.mark.parametrize(
    ("suffix", "text", "said"),
    [
        (".yaml", "model: [", "a.yaml, which stands beside it, is not valid YAML"),
        (".yaml", "x: !!python/object/apply:os.system ['true']", "is not valid YAML"),
        (".yaml", "x" * (2**18 + 1), "a.yaml, which stands beside it, is larger than 262144 bytes"),
        (".json", "{", "a.json, which stands beside it, is not valid JSON"),
        (".json", '{"unet": {"layers_per_block": 900}}', "unet: 'layers_per_block' is 900"),
        (".json", '{"unet": {"sample_size": "x"}}', "sample_size is 'x'"),
    ],
)
def test_a_broken_config_beside_a_file_is_its_problem(tmp_path, suffix, text, said):
    path = checkpoint(tmp_path, "checkpoints/a.safetensors")
    path.with_suffix(suffix).write_text(text)
    assert said in str(Library(tmp_path).find("a").problem)


def test_odd_widths_need_a_config_that_says_how_many_heads_there_are(tmp_path):
    keys = {
        key: [96 if each == 768 else each for each in shape] for key, shape in SD1.items()
        if key.startswith(("cond", UNET))
    }  # fmt: skip
    path = checkpoint(tmp_path, "checkpoints/a.safetensors", keys)
    assert "text_encoder: 96 is no multiple of 64" in str(Library(tmp_path).find("a").problem)
    path.with_suffix(".json").write_text('{"text_encoder": {"num_attention_heads": 3}}')
    entry = Library(tmp_path).find("a")
    assert (entry.problem, entry.token_widths) == (None, {"clip_l": 96})


def test_whether_it_fits_is_told_from_the_weights_and_what_each_takes(tmp_path):
    checkpoint(tmp_path, "checkpoints/a.safetensors", PUBLISHED["sdxl"])
    report = Library(tmp_path).find("a").report
    half, whole = needed(report, 2), needed(report, 4)
    assert 7.9e9 < half < 9.2e9 and 16e9 < whole < 18e9
    assert (fits(report, 2, half), fits(report, 2, half - 1), fits(report, 2, 0)) == (
        True, False, None,
    )  # fmt: skip


# --- many ---------------------------------------------------------------------------------------


@pytest.mark.timeout(240)
def test_a_thousand_files_are_listed_within_a_second_and_then_read_one_by_one(tmp_path):
    first = checkpoint(tmp_path, "checkpoints/0000.safetensors", PUBLISHED["sd1"])
    for number in range(1, 1000):
        os.link(first, first.with_name(f"{number:04}.safetensors"))
    library = Library(tmp_path)
    began = time.thread_time()
    entries = library.entries()
    assert time.thread_time() - began < 1
    assert [entry.name for entry in entries] == [f"{number:04}" for number in range(1000)]
    assert library.find("0999").family == "sd1"  # one that is asked for is read at once
    until = time.monotonic() + 200
    while any(entry.unread for entry in library.entries()) and time.monotonic() < until:
        time.sleep(0.1)
    assert all(entry.family == "sd1" for entry in library.entries())
    began = time.thread_time()
    library.refresh()
    assert len([entry for entry in library.entries() if entry.family == "sd1"]) == 1000
    assert time.thread_time() - began < 1


def test_hashes_are_made_ahead_and_kept_over_a_restart_until_a_file_changes(tmp_path):
    path = checkpoint(tmp_path, "checkpoints/a.safetensors", {**SD1})
    small = checkpoint(tmp_path, "checkpoints/b.safetensors", SMALL)  # no checkpoint: not hashed
    os.truncate(path, path.stat().st_size)
    kept = tmp_path / "hashes.json"
    library = Library(tmp_path, hashes=kept)
    assert library.hash("a", at_once=True) == ""
    # the file is large: its hash is put there, as the thread would
    status = path.stat()
    made = {f"{path}\n{status.st_size}\n{status.st_mtime_ns}": "f" * 64}
    kept.write_text(json.dumps(made))
    again = Library(tmp_path, hashes=kept)
    assert again.hash("a", at_once=True) == "f" * 64
    os.utime(path, ns=(0, 1))
    assert again.hash("a", at_once=True) == ""
    assert again.find("b").problem is not None
    assert again.hash("b") == hashlib.sha256(small.read_bytes()).hexdigest()
    assert json.loads(kept.read_text()).keys() > made.keys()


def test_a_thread_makes_the_hashes_that_are_missing(tmp_path):
    folder = tmp_path / "checkpoints"
    for name in ("a", "b"):
        make_model(tmp_path, name)
    library = Library(tmp_path, hashes=tmp_path / "kept.json")
    library.hash_ahead()
    until = time.monotonic() + 30
    while time.monotonic() < until and not all(library.hash(n, at_once=True) for n in "ab"):
        time.sleep(0.05)
    for name in "ab":
        weights = folder / name / "unet" / "diffusion_pytorch_model.safetensors"
        expected = hashlib.sha256(weights.read_bytes()).hexdigest()
        assert Library(tmp_path, hashes=tmp_path / "kept.json").hash(name, at_once=True) == expected


@pytest.mark.parametrize("content", ["", "[]", '{"a": 5}', "[" * 100_000])
def test_a_damaged_file_of_hashes_is_begun_anew(tmp_path, content):
    kept = tmp_path / "hashes.json"
    kept.write_text(content)
    path = checkpoint(tmp_path, "checkpoints/a.safetensors", SMALL)
    library = Library(tmp_path, hashes=kept)
    assert library.hash("a") == hashlib.sha256(path.read_bytes()).hexdigest()
