"""The published checkpoints' keys, at full size: every weight of every network finds its tensor."""

import pytest
import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from tests import headers
from webui.engine import original_keys
from webui.library import Library

PUBLISHED = headers.published()
WEIGHTS = {  # of the networks, as their makers count them
    "sd1": {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480},
    "sd2": {"unet": 865_910_724, "vae": 83_653_863, "text_encoder": 340_387_840},
    "sdxl": {"unet": 2_567_463_684, "vae": 83_653_863, "text_encoder": 123_060_480,
             "text_encoder_2": 694_659_840},
    "refiner": {"unet": 2_259_526_660, "vae": 83_653_863, "text_encoder_2": 694_659_840},
}  # fmt: skip
HEADS = {  # as diffusers' own configs of these models have them
    "sd1": 8, "sd2": [5, 10, 20, 20], "sdxl": [5, 10, 20], "refiner": [6, 12, 24, 24],
}  # fmt: skip
# what is in the files, and in no network: constants, and a layer that nobody was trained with
LEFT = {"embeddings.position_ids", "logit_scale"}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    for family, keys in PUBLISHED.items():
        headers.write(models / "checkpoints" / f"{family}.safetensors", keys)
    return Library(models)


def network(part, config):
    with init_empty_weights():
        if part == "unet":
            return UNet2DConditionModel.from_config(config)
        if part == "vae":
            return AutoencoderKL.from_config(config)
        kind = CLIPTextModelWithProjection if part == "text_encoder_2" else CLIPTextModel
        return kind(CLIPTextConfig(**config))


def converted(entry, part, keys):
    prefix = original_keys.prefix(entry.family, part)
    tensors = {
        key: torch.empty(shape, device="meta") for key, shape in keys.items()
        if key.startswith(prefix)
    }  # fmt: skip
    if part in ("unet", "vae"):
        return getattr(original_keys, part)(tensors, entry.configs[part])
    made = original_keys.text(tensors, prefix)
    strip = "" if part == "text_encoder_2" else "text_model."
    return {key.removeprefix(strip): each for key, each in made.items()}


@pytest.mark.parametrize("family", PUBLISHED)
def test_no_key_is_missing_and_none_is_unexpected(library, family):
    entry = library.find(family)
    assert (entry.problem, entry.family, entry.report.precision) == (None, family, "fp16")
    assert entry.configs["unet"]["attention_head_dim"] == HEADS[family]
    for part, count in WEIGHTS[family].items():
        built = network(part, entry.configs[part]).state_dict()
        given = converted(entry, part, PUBLISHED[family])
        unexpected = {key for key in given if key not in built and key not in LEFT}
        assert {key for key in built if key not in given} == set()
        assert all("layers.23." in key or "position_ids" in key for key in unexpected), unexpected
        assert all(given[key].shape == each.shape for key, each in built.items())
        assert sum(each.numel() for each in built.values()) == count


def test_sizes_are_told_from_the_keys_alone(library):
    told = {
        name: (entry.native_width, entry.scale_factor, entry.token_widths)
        for name in PUBLISHED
        for entry in [library.find(name)]
    }
    assert told == {
        "sd1": (512, 8, {"clip_l": 768}),
        "sd2": (768, 8, {"clip_h": 1024}),
        "sdxl": (1024, 8, {"clip_l": 768, "clip_g": 1280}),
        "refiner": (1024, 8, {"clip_g": 1280}),
    }
