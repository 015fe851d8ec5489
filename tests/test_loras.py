"""The list of LoRA files: what their headers tell, names, and what is wrong with wrong ones."""

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from tests import headers
from tests.wrong_files import WRONG
from webui.errors import InvalidRequest
from webui.library import ModelEntry
from webui.loras import Loras, check

ATTENTION = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
SGM = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"


def pair(place, inputs, outputs, rank=8, ends=("lora_down.weight", "lora_up.weight")):
    down, up = ends
    return {f"{place}.{down}": [rank, inputs], f"{place}.{up}": [outputs, rank],
            f"{place}.alpha": []}  # fmt: skip


def text(number=""):
    return f"lora_te{number}_text_model_encoder_layers_0_self_attn_q_proj"


FILES = {  # name -> (tensors, metadata, family)
    "sd1": (pair(ATTENTION, 768, 320) | pair(text(), 768, 768), {}, "sd1"),
    "sd2": (pair(ATTENTION, 1024, 320), {}, "sd2"),
    "sdxl": (pair(SGM, 2048, 640) | pair(text("1"), 768, 768), {}, "sdxl"),
    "refiner": (pair(SGM, 1280, 768), {}, "refiner"),
    "text of sd1": (pair(text(), 768, 768), {}, "sd1"),
    "text of sdxl": (pair(text("1"), 768, 768) | pair(text("2"), 1280, 1280), {}, "sdxl"),
    "said": (
        pair("lora_unet_mid_block_attentions_0_proj_in", 1280, 1280),
        {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"},
        "sdxl",
    ),
    "said by kohya": (
        pair("lora_unet_mid_block_attentions_0_proj_in", 1280, 1280),
        {"ss_base_model_version": "sd_v1"},
        "sd1",
    ),
    "not said": (pair("lora_unet_mid_block_attentions_0_proj_in", 1280, 1280), {}, ""),
}


def model(family):
    return ModelEntry(name="m", path=Path("m"), family=family)


@pytest.mark.parametrize("name", FILES)
def test_the_family_is_told_by_shapes(tmp_path, name):
    tensors, metadata, family = FILES[name]
    headers.write(tmp_path / "Lora" / f"{name}.safetensors", tensors, metadata)
    (entry,) = Loras(tmp_path).entries()
    assert (entry.name, entry.family, entry.problem) == (name, family, None)


def test_a_lora_of_another_family_is_refused_with_that_sentence(tmp_path):
    headers.write(tmp_path / "Lora" / "wide.safetensors", FILES["sdxl"][0])
    headers.write(tmp_path / "Lora" / "narrow.safetensors", FILES["sd2"][0])
    loras = Loras(tmp_path)
    with pytest.raises(InvalidRequest) as refused:
        check(loras, "a cat <lora:wide:1>", 20, model("sd1"))
    assert refused.value.field == "prompt"
    told = "the LoRA 'wide' cannot be used: An SDXL LoRA on an SD 1.5 model"
    assert refused.value.problem == told
    check(loras, "a cat <lora:wide:1>", 20, model("sdxl"))
    assert loras.misfit("narrow", model("refiner")) == (
        "the LoRA 'narrow' cannot be used: An SD 2 LoRA on an SDXL refiner model"
    )
    with pytest.raises(InvalidRequest, match="there is no LoRA 'cat'; there are narrow, wide"):
        check(loras, "[<lora:cat>::3]", 20, model("sdxl"))


def test_what_a_header_says(tmp_path):
    tags = {"10_cat": {"a cat": 3, "ink style": 10, "": 5}, "2_dog": {"ink style": 1, "dog": 11}}
    tensors = pair(SGM, 2048, 640, rank=16) | pair(text("2"), 1280, 1280, rank=4)
    value, shapes = SGM.replace("to_k", "to_v"), {"a": [640, 4], "b": [4, 2048]}
    loha = {f"{value}.hada_w{n}_{side}": shapes[side] for n in "12" for side in "ab"}
    metadata = {
        "ss_tag_frequency": json.dumps(tags),
        "ss_output_name": "ink-v3",
        "modelspec.title": "Ink <b>",
        "sshs_model_hash": "AB" * 32,
    }
    path = tmp_path / "loras" / "styles" / "ink.safetensors"
    headers.write(path, tensors | loha, metadata)
    (entry,) = Loras(tmp_path).entries()
    assert entry.kinds == ("LoHa", "LoRA")
    assert (entry.rank, entry.changed, entry.precision) == (4, 3, "fp16")
    assert entry.networks == ("unet", "text_encoder_2")
    assert entry.trigger_words == ("ink style", "dog", "a cat")
    assert (entry.title, entry.alias, entry.hash) == ("Ink <b>", "ink-v3", "ab" * 32)
    assert entry.size_bytes == path.stat().st_size
    headers.write(path, tensors, {"modelspec.trigger_phrase": "inkstyle, thick lines"})
    (entry,) = Loras(tmp_path).entries()  # read again: it changed
    assert entry.trigger_words == ("inkstyle", "thick lines")


def test_the_hash_is_that_of_the_tensors_whatever_the_header_says(tmp_path):
    path = tmp_path / "loras" / "a.safetensors"
    headers.write(path, FILES["sd1"][0], {"sshs_model_hash": "00" * 32})
    data = path.read_bytes()
    with path.open("r+b") as file:  # tensors that are not zero
        file.seek(len(data) - 10)
        file.write(b"0123456789")
    loras = Loras(tmp_path)
    made = loras.hash(loras.find("a"))
    start = 8 + int.from_bytes(data[:8], "little")
    assert made == hashlib.sha256(path.read_bytes()[start:]).hexdigest()


def test_a_name_is_found_as_people_write_it(tmp_path):
    lora = FILES["sd1"][0]
    for place in ("Lora/Ink.safetensors", "LyCORIS/a/twin.safetensors", "loras/b/twin.safetensors"):
        headers.write(tmp_path / place, lora, {"ss_output_name": f"called {place[:4]}"})
    loras = Loras(tmp_path)
    assert loras.names() == ["a/twin", "b/twin", "Ink"]

    def found(name):
        entry = loras.find(name)
        return entry and entry.name

    asked = ["Ink", "ink", "Ink.safetensors", "twin", "b/twin", "A\\Twin", "called Lora", "../Ink"]
    names = ["Ink", "Ink", "Ink", None, "b/twin", "a/twin", "Ink", None]
    assert [found(name) for name in asked] == names


def test_a_name_that_is_none_or_two_says_what_to_write(tmp_path):
    for place in ("Lora/a/twin", "Lora/b/twin"):
        headers.write(tmp_path / f"{place}.safetensors", FILES["sd1"][0])
    (tmp_path / "Lora" / "old.pt").write_bytes(b"\x80\x04")
    loras, model = Loras(tmp_path), ModelEntry(name="m", path=tmp_path, family="sd1")
    assert (
        loras.misfit("Twin", model) == "there are 2 LoRAs 'Twin': <lora:a/twin:1>, <lora:b/twin:1>"
    )
    assert str(loras.misfit("old", model)).startswith(
        "the LoRA 'old' cannot be used: .pt files are pickles, which can run code"
    )
    assert loras.misfit("nix", model) == "there is no LoRA 'nix'; there are a/twin, b/twin"


@pytest.mark.parametrize("name", [name for name in WRONG if "lora" not in name])
def test_a_wrong_file_is_listed_with_its_problem_and_breaks_nothing(tmp_path, name):
    make, _ = WRONG[name]
    place = tmp_path / "loras"
    headers.write(place / "good.safetensors", FILES["sd1"][0])
    make(place / "wrong.safetensors")
    good, wrong = Loras(tmp_path).entries()
    assert good.problem is None and wrong.problem
    assert len(wrong.problem) < 400


STRANGE = {
    "a pickle": ("old.pt", b"\x80\x04", ".pt files are pickles, which can run code"),
    "a colon": ("a:b.safetensors", b"", "its name cannot be written in a prompt"),
    "no text": ("a\nb.safetensors", b"", "its name cannot be written in a prompt"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_not_even_opened_is_listed_with_the_reason(tmp_path, name):
    file, data, reason = STRANGE[name]
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras" / file).write_bytes(data)
    (entry,) = Loras(tmp_path).entries()
    assert reason in entry.problem
    assert Loras(tmp_path).names() == []
    assert entry.name.isprintable()


def test_a_pipe_is_not_read(tmp_path):
    (tmp_path / "loras").mkdir()
    os.mkfifo(tmp_path / "loras" / "pipe.safetensors")
    (entry,) = Loras(tmp_path).entries()
    assert entry.problem == "it is not a file"


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("<lora:good:x>", "'x' is no number"),
        ("<lora:good:nan>", "a weight must be from -100 to 100, got nan"),
        ("<lora:good:1e9>", "a weight must be from -100 to 100"),
        ("<lora:good:1:1:8>", "more than two numbers"),
        ("<lora:good:dyn=8>", "'dyn' is not known; known are te and unet"),
        ("<lora:good:1>" * 65, "names 65 LoRAs; 64 is the most"),
    ],
)
def test_a_tag_that_means_nothing_is_refused(tmp_path, prompt, reason):
    headers.write(tmp_path / "loras" / "good.safetensors", FILES["sd1"][0])
    with pytest.raises(InvalidRequest) as refused:
        check(Loras(tmp_path), prompt, 20, model("sd1"))
    assert refused.value.field == "prompt"
    assert reason in refused.value.problem


def test_a_list_that_takes_long_is_given_before_all_is_read(tmp_path):
    for name in ("a", "b"):
        headers.write(tmp_path / "Lora" / f"{name}.safetensors", FILES["sd1"][0])
    loras = Loras(tmp_path)
    first = loras.within(0)
    assert [(each.name, each.unread, each.family) for each in first] == [
        ("a", True, ""), ("b", True, ""),
    ]  # fmt: skip
    assert all(each.size_bytes == each.path.stat().st_size for each in first)
    while any(each.unread for each in loras.within(0)):  # a thread goes on
        time.sleep(0.01)
    assert loras.within(0) == loras.entries()
    assert loras.within(10)[0].family == "sd1"
