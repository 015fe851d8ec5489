import hashlib
import json
import math
import os
import shutil
import time
from pathlib import Path

import pytest

from tests import headers
from webui.errors import ModelNotFound
from webui.library import Library, ModelEntry, Report
from webui.library.folder import PIPELINES

SHIPPED = Path(__file__).parents[1] / "models"
KNOWN = ", ".join(PIPELINES)
PIPELINE = {"_class_name": "StableDiffusionPipeline"}


def make_model(models: Path, name: str = "toy", *, index=PIPELINE, sample_size=64) -> Path:
    """As little as makes a model that can be used: 512 px, factor 8."""
    folder = models / "checkpoints" / name
    for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"):
        (folder / part).mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "unet" / "config.json").write_text(json.dumps({"sample_size": sample_size}))
    (folder / "vae" / "config.json").write_text(json.dumps({"block_out_channels": [1, 2, 3, 4]}))
    for part in ("unet", "vae"):
        headers.write(folder / part / "diffusion_pytorch_model.safetensors", {name: [1]})
    headers.write(folder / "text_encoder" / "model.safetensors", {"text": [1]})
    return folder


def problem(models: Path, name: str = "toy") -> str | None:
    return {entry.name: entry.problem for entry in Library(models).entries()}[name]


def test_the_model_that_ships_can_be_used():
    library = Library(SHIPPED)
    folder = SHIPPED / "checkpoints" / "fluent-emoji"
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    parts = [weights, folder / "vae" / weights.name, folder / "text_encoder" / "model.safetensors"]
    assert library.find("fluent-emoji") == ModelEntry(
        name="fluent-emoji",
        path=folder,
        family="sd1",
        native_width=128,
        native_height=128,
        scale_factor=8,
        weights=weights,
        size_bytes=sum(part.stat().st_size for part in parts),
        configs=library.find("fluent-emoji").configs,
        tokenizer=folder / "tokenizer",
        report=Report(
            kind="checkpoint",
            family="sd1",
            precision="fp16",
            prediction="v_prediction",
            parts=("unet", "vae", "text_encoder"),
            weights=22203131,
            sizes={"unet": 12906644, "vae": 3406663, "text_encoder": 5889824},
        ),
    )
    assert library.find("fluent-emoji").token_widths == {"clip_l": 96}
    decoder = SHIPPED / "vae_approx" / "fluent-emoji.safetensors"
    assert [each.path for each in library.tiny_decoders()] == [decoder]
    assert library.default() == "fluent-emoji"
    assert library.hash("fluent-emoji") == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_without_a_folder_there_is_no_model(tmp_path):
    library = Library(tmp_path)
    assert (library.entries(), library.default()) == ([], None)
    with pytest.raises(ModelNotFound, match="there is none that can be used"):
        library.find("x")


def test_the_default_is_what_ships_else_the_first_that_works(tmp_path):
    make_model(tmp_path, "b")
    make_model(tmp_path, "a", index={})
    assert Library(tmp_path).default() == "b"
    refiner = headers.published()["refiner"]
    headers.write(tmp_path / "checkpoints" / "0.safetensors", refiner)
    assert Library(tmp_path).default() == "b"
    headers.write(tmp_path / "alone" / "checkpoints" / "0.safetensors", refiner)
    assert Library(tmp_path / "alone").default() == "0"
    make_model(tmp_path, "fluent-emoji")
    assert Library(tmp_path).default() == "fluent-emoji"


def test_names_are_found_in_the_list_and_never_joined_to_a_path(tmp_path):
    make_model(tmp_path, "Toy")
    library = Library(tmp_path)
    assert library.find("Toy") == library.find("toy")
    for name in ("../checkpoints/Toy", "./Toy", "Toy/", "", "..", "/etc", "Toy\0"):
        with pytest.raises(ModelNotFound, match="there are Toy"):
            library.find(name)


def test_new_models_are_found_and_a_refresh_lists_them(tmp_path):
    make_model(tmp_path, "a")
    library = Library(tmp_path)
    assert [entry.name for entry in library.entries()] == ["a"]
    time.sleep(0.01)  # the folder's mtime must differ
    make_model(tmp_path, "b")
    assert [entry.name for entry in library.entries()] == ["a"]
    assert library.find("b").name == "b"
    shutil.rmtree(tmp_path / "checkpoints" / "a")
    library.refresh()
    assert [entry.name for entry in library.entries()] == ["b"]


def test_a_model_that_was_removed_is_not_found_any_more(tmp_path):
    make_model(tmp_path, "a")
    make_model(tmp_path, "b")
    library = Library(tmp_path)
    assert library.find("a").problem is None
    time.sleep(0.01)  # the folder's mtime must differ
    shutil.rmtree(tmp_path / "checkpoints" / "a")
    with pytest.raises(ModelNotFound, match="there are b"):
        library.find("a")


def test_a_repaired_model_is_found_without_its_problem(tmp_path):
    folder = make_model(tmp_path)
    (folder / "model_index.json").rename(folder / "aside")
    library = Library(tmp_path)
    assert library.find("toy").problem == "model_index.json is missing"
    (folder / "aside").rename(folder / "model_index.json")
    assert library.find("toy").problem is None


def test_the_hash_is_kept_until_the_file_changes(tmp_path):
    folder = make_model(tmp_path)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    library = Library(tmp_path)
    first, status = library.hash("toy"), weights.stat()
    weights.write_bytes(weights.read_bytes()[:-3] + b"TOY")
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert library.hash("toy") == first  # same size and time: not read again
    weights.write_bytes(b"other")
    assert library.hash("toy") == hashlib.sha256(b"other").hexdigest()


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("model_index.json", b"", "model_index.json is not valid JSON"),
        ("model_index.json", b"\xff\xfe{}", "model_index.json is not valid JSON"),
        ("model_index.json", b"[" * 100_000, "model_index.json is not valid JSON"),
        ("model_index.json", b"[]", "model_index.json is not a JSON object"),
        ("model_index.json", b" " * 2**20 + b"{}", "model_index.json is larger than 1048576 bytes"),
        (
            "model_index.json",
            b'{"_class_name": "FluxPipeline"}',
            f"model_index.json says 'FluxPipeline'; only {KNOWN} can be used now",
        ),
        (
            "model_index.json",
            b'{"_class_name": ["evil", "x.py"]}',
            f"model_index.json says ['evil', 'x.py']; only {KNOWN} can be used now",
        ),
        ("unet/config.json", b"{}", "unet/config.json: sample_size is None"),
        ("unet/config.json", b'{"sample_size": "64"}', "unet/config.json: sample_size is '64'"),
        ("unet/config.json", b'{"sample_size": 1e9}',
         "unet/config.json: sample_size is 1000000000.0"),
        ("unet/config.json", b'{"sample_size": true}', "unet/config.json: sample_size is True"),
        ("unet/config.json", b'{"sample_size": -64}', "unet/config.json: sample_size is -64"),
        ("vae/config.json", b'{"block_out_channels": 4}',
         "vae/config.json: block_out_channels is 4"),
        ("vae/config.json", None, "vae/config.json is missing"),
        ("vae/diffusion_pytorch_model.safetensors", None,
         "vae/diffusion_pytorch_model.safetensors is missing"),
        ("unet/diffusion_pytorch_model.safetensors", b"\x80\x02" + bytes(6) + b"{",
         "unet/diffusion_pytorch_model.safetensors: it is no safetensors file, or it is cut: its "
         "header does not fit into it"),
    ],
)  # fmt: skip
def test_a_broken_model_is_listed_with_its_problem_and_breaks_no_other(
    tmp_path, path, content, said
):
    make_model(tmp_path, "good")
    broken = make_model(tmp_path) / path
    broken.unlink() if content is None else broken.write_bytes(content)
    assert problem(tmp_path) == said
    assert problem(tmp_path, "good") is None


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
@pytest.mark.parametrize(
    "name", ["diffusion_pytorch_model.safetensors.index.json", "X.Index.JSON", "a.bin.index.json"]
)
def test_an_index_which_may_name_any_file_is_not_looked_at(tmp_path, part, name):
    (make_model(tmp_path) / part / name).write_text('{"weight_map": {"a": "/etc/passwd"}}')
    assert problem(tmp_path) is None


@pytest.mark.parametrize(
    ("pieces", "says"),
    [
        ((1, 2), None),
        ((2,), "piece 1 of 2 of model.safetensors is missing"),
        ((1,), "piece 2 of 2 of model.safetensors is missing"),
        ((1, 2, 3), None),
    ],
)
def test_weights_in_pieces_are_found_by_their_names(tmp_path, pieces, says):
    place = make_model(tmp_path) / "text_encoder"
    whole = (place / "model.safetensors").rename(place / "aside")
    for number in pieces:
        name = f"model-{number:05}-of-00002.safetensors"
        (place / name).write_bytes(whole.read_bytes())
    assert problem(tmp_path) == says
    (place / "model-00001-of-00007.safetensors").write_bytes(b"")
    assert problem(tmp_path) == (
        "model.safetensors lies there in pieces of several kinds, or in too many"
    )
    whole.rename(place / "model.safetensors")
    assert problem(tmp_path) is None


def test_a_part_with_more_files_than_are_looked_at_is_refused(tmp_path):
    folder = make_model(tmp_path) / "tokenizer"
    for number in range(100):
        (folder / f"{number}").write_text("")
    assert problem(tmp_path) is None
    (folder / "one more").write_text("")
    assert problem(tmp_path) == "tokenizer/ holds more than 100 files"


UNET, VAE, TEXT = "unet/config.json", "vae/config.json", "text_encoder/config.json"
SCHEDULER = "scheduler/scheduler_config.json"


@pytest.mark.parametrize(
    ("path", "values", "said"),
    [
        (TEXT, {"num_hidden_layers": 201}, "'num_hidden_layers' is 201"),
        (TEXT, {"text_config": {"num_hidden_layers": 10**6}}, "'num_hidden_layers' is 1000000"),
        (TEXT, {"hidden_size": 2**18 + 1}, "'hidden_size' is 262145"),
        (TEXT, {"hidden_size": -1}, "'hidden_size' is -1"),
        (TEXT, {"max_position_embeddings": 4097}, "'max_position_embeddings' is 4097"),
        (TEXT, {"vocab_size": 10**30}, "'vocab_size' is a number of more than 20 digits"),
        (TEXT, {"anything": 10**4000}, "'anything' is a number of more than 20 digits"),
        (TEXT, {"configuration_files": ["config.9.json"]},
         "configuration_files names other configs; they are not read"),
        (UNET, {"layers_per_block": 201}, "'layers_per_block' is 201"),
        (UNET, {"layers_per_block": [2, 10**9]}, "'layers_per_block' is 1000000000"),
        (UNET, {"transformer_layers_per_block": [[1], [2, [300]]]},
         "'transformer_layers_per_block' is 300"),
        (UNET, {"block_out_channels": [4] * 17}, "'block_out_channels' has 17 entries"),
        (UNET, {"block_out_channels": [4, 10**7]}, "'block_out_channels' is 10000000"),
        (UNET, {"down_block_types": ["DownBlock2D"] * 17}, "'down_block_types' has 17 entries"),
        (UNET, {"cross_attention_dim": float("inf")}, "'cross_attention_dim' is inf"),
        (UNET, {"in_channels": float("nan")}, "'in_channels' is nan"),
        (VAE, {"latent_channels": 2**19}, "'latent_channels' is 524288"),
        (VAE, {"layers_per_block": -2}, "'layers_per_block' is -2"),
        (SCHEDULER, {"num_train_timesteps": 10_001}, "'num_train_timesteps' is 10001"),
        (SCHEDULER, {"trained_betas": [0.1] * 10_001}, "'trained_betas' has 10001 entries"),
    ],
)  # fmt: skip
def test_a_config_that_asks_for_something_of_absurd_size_is_refused(tmp_path, path, values, said):
    config = make_model(tmp_path) / path
    whole = json.loads(config.read_text()) if config.exists() else {}
    config.write_text(json.dumps(whole | values))
    assert problem(tmp_path) == f"{path}: {said}"


def test_configs_as_they_are_found_are_within_the_bounds(tmp_path):
    folder = make_model(tmp_path)
    scheduler = {"num_train_timesteps": 1000, "lambda_min_clipped": -math.inf, "steps_offset": 1,
                 "trained_betas": [0.1] * 1000, "clip_sample": False}  # fmt: skip
    text = {"num_hidden_layers": 23, "max_position_embeddings": 77, "vocab_size": 49408,
            "pad_token_id": -1, "eos_token_id": 2, "layer_norm_eps": 1e-5}  # fmt: skip
    (folder / SCHEDULER).write_text(json.dumps(scheduler))
    (folder / TEXT).write_text(json.dumps(text))
    assert problem(tmp_path) is None


def test_pickled_weights_are_refused_with_the_reason(tmp_path):
    folder = make_model(tmp_path) / "unet"
    weights = folder / "diffusion_pytorch_model.safetensors"
    weights.rename(folder / "diffusion_pytorch_model.bin")
    assert "pickles, which can run code" in str(problem(tmp_path))


@pytest.mark.parametrize(
    "path",
    ["unet", "unet/config.json", "unet/diffusion_pytorch_model.safetensors", "model_index.json",
     "tokenizer/vocab.json"],
)  # fmt: skip
def test_links_that_lead_out_of_a_model_are_refused(tmp_path, path):
    folder = make_model(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    place = folder / path
    if place.exists():
        place.rename(outside / "it")
    else:
        (outside / "it").write_text("{}")
    place.symlink_to(outside / "it")
    assert problem(tmp_path) == f"{path} is a link that leads out of the model's folder"


def test_links_inside_a_model_and_to_a_whole_model_work(tmp_path):
    folder = make_model(tmp_path)
    config = folder / "unet" / "config.json"
    config.rename(folder / "config")
    config.symlink_to("../config")
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    assert problem(tmp_path) is None


def test_a_circle_of_links_is_a_problem_and_no_crash(tmp_path):
    folder = make_model(tmp_path)
    config = folder / "unet" / "config.json"
    config.unlink()
    config.symlink_to("config.json")
    assert problem(tmp_path) is not None


def test_odd_names_are_shown_escaped_and_found(tmp_path):
    names = {
        b"a\nb": "a\\nb",
        b"\xff": "\\udcff",
        b"<b>": "<b>",
        "\u732b, x: y".encode(): "\u732b, x: y",
        b"a\\nb": "a\\\\nb",
        "\u202egnp".encode(): "\\u202egnp",
    }
    for name in names:
        make_model(tmp_path, os.fsdecode(name))
    library = Library(tmp_path)
    assert {entry.name for entry in library.entries()} == set(names.values())
    for name, shown in names.items():
        assert os.fsencode(library.find(shown).path.name) == name
        whole = library.find(shown).weights.read_bytes()
        assert library.hash(shown) == hashlib.sha256(whole).hexdigest()


def test_a_folder_whose_name_is_no_text_is_listed_escaped_with_its_problem(tmp_path):
    make_model(tmp_path, os.fsdecode(b"toy\xff"))
    said = "the folder's name is not valid UTF-8; rename it"
    assert problem(tmp_path, "toy\\udcff") == said


def test_a_thousand_folders_are_listed_quickly(tmp_path):
    for number in range(1000):
        make_model(tmp_path, f"model {number:04}")
    began = time.thread_time()
    assert len(Library(tmp_path).entries()) == 1000
    assert time.thread_time() - began < 5
