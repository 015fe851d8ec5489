"""The published checkpoints' keys, at full size: every weight of every network finds its tensor,
and every change of the LoRA files that trainers write for them its weight."""

import pytest
import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, SD3Transformer2DModel, UNet2DConditionModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from tests import headers
from webui.engine import original_keys
from webui.engine.lora.formulas import delta
from webui.engine.lora.places import places
from webui.library import Library
from webui.loras import Loras, changes
from webui.safetensors_header import read

PUBLISHED = headers.published()
LORAS = headers.published_loras()
CHANGED = {  # (network -> how many weights), as sd-scripts says when it trains the first four
    "kohya sd1": {"unet": 192, "text_encoder": 72},
    "kohya sd2": {"unet": 192, "text_encoder": 138},
    "kohya sdxl": {"unet": 722, "text_encoder": 72, "text_encoder_2": 192},
    "lcm sdxl": {"unet": 788},
    "locon sd1": {"unet": 278, "text_encoder": 72},
    "locon sdxl": {"unet": 788, "text_encoder": 72, "text_encoder_2": 192},
    "peft sd1": {"unet": 128, "text_encoder": 48},
    "peft sdxl": {"unet": 560},
    "peft alone sd1": {"unet": 128},
    "processors sd1": {"unet": 128},
}
for way in ("tucker", "loha", "lokr"):
    CHANGED |= {f"{way} {family}": CHANGED[f"locon {family}"] for family in ("sd1", "sdxl")}
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


FLOWS = headers.published_flows()
TEXTS = {
    "text_encoder": 123_650_304,
    "text_encoder_2": 694_659_840,
    "text_encoder_3": 4_762_310_656,
}
TRANSFORMERS = {  # as their authors' configs have them, and as they count them, without the table
    "sd3 medium": (24, 192, None, 0, 2_028_328_000),
    "sd3.5 medium": (24, 384, "rms_norm", 13, 2_243_171_520),
    "sd3.5 large": (38, 192, "rms_norm", 0, 8_056_627_520),
}


def flow_network(part, config):
    with init_empty_weights(include_buffers=True):
        if part == "transformer":
            return SD3Transformer2DModel.from_config(config)
        if part == "text_encoder_3":
            return T5EncoderModel(T5Config(**config))
        if part == "vae":
            return AutoencoderKL.from_config(config)
        return CLIPTextModelWithProjection(CLIPTextConfig(**config))


def flow_tensors(entry, part, keys):
    prefix = original_keys.prefix("sd3", part)
    tensors = {
        key: torch.empty(shape, device="meta") for key, shape in keys.items()
        if key.startswith(prefix)
    }  # fmt: skip
    if part in ("transformer", "vae"):
        return getattr(original_keys, part)(tensors, entry.configs[part])
    if part == "text_encoder_3":
        tensors = {key.removeprefix(prefix): each for key, each in tensors.items()}
        return tensors | {"encoder.embed_tokens.weight": tensors["shared.weight"]}
    return original_keys.text(tensors, prefix)


@pytest.mark.parametrize("name", FLOWS)
def test_no_key_of_a_flow_model_is_missing_and_none_is_unexpected(tmp_path, name):
    headers.write(tmp_path / "checkpoints" / "a.safetensors", FLOWS[name])
    (tmp_path / "checkpoints" / "tokenizer_3").mkdir()
    entry = Library(tmp_path).find("a")
    assert (entry.problem, entry.family, entry.report.precision) == (None, "sd3", "fp16")
    assert (entry.native_width, entry.token_widths) == (1024, {"clip_l": 768, "clip_g": 1280})
    blocks, places, norm, dual, count = TRANSFORMERS[name]
    config = entry.configs["transformer"]
    assert (config["num_layers"], config["pos_embed_max_size"]) == (blocks, places)
    assert (config["num_attention_heads"], config["attention_head_dim"]) == (blocks, 64)
    assert (config["qk_norm"], list(config["dual_attention_layers"])) == (norm, list(range(dual)))
    for part, wanted in ({"transformer": count, "vae": 83_819_683} | TEXTS).items():
        built = flow_network(part, entry.configs[part])
        given = flow_tensors(entry, part, FLOWS[name])
        state = built.state_dict()
        assert {key for key in given if key not in state} <= {"text_model.embeddings.position_ids"}
        assert {key for key in state if key not in given} == set()
        assert all(given[key].shape == each.shape for key, each in state.items())
        assert sum(each.numel() for each in built.parameters()) == wanted, part


# --- LoRA files ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def modules(library):
    """family -> network -> place -> module, of full size and without a weight."""
    made = {}
    for family in ("sd1", "sd2", "sdxl"):
        configs = library.find(family).configs
        parts = [part for part in WEIGHTS[family] if part != "vae"]
        made[family] = {part: places(network(part, configs[part])) for part in parts}
    return made


@pytest.mark.parametrize("name", LORAS)
def test_every_change_of_a_lora_has_its_place_and_its_shape(modules, tmp_path, name):
    family, kind, keys = (LORAS[name][each] for each in ("family", "kind", "keys"))
    path = headers.write(tmp_path / "Lora" / f"{name}.safetensors", keys)
    (entry,) = Loras(tmp_path).entries()
    assert (entry.problem, entry.family, entry.kinds, entry.rank) == (None, family, (kind,), 16)
    found = changes(read(path))
    counts = {}
    for target, change in found.items():
        module = modules[family][target.network][target.place]
        tensors = {role: torch.empty(shape, device="meta") for role, shape in change.shapes.items()}
        delta(change, tensors, module, 1.0, torch.device("meta"))  # raises for another shape
        counts.setdefault(target.network, set()).add(module)
    assert {network: len(each) for network, each in counts.items()} == CHANGED[name]
    assert sum(map(len, counts.values())) == len(found)  # no weight is changed twice
    assert sum(len(change.keys) for change in found.values()) == len(keys)  # no key is left over
