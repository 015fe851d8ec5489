"""LoRAs for Stable Diffusion 3: as merged weights, in its authors' names and in diffusers'."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests import checkpoints, headers, lora_files
from tests.engine.conftest import make_engine, play, request
from tests.engine.pictures import results
from webui.errors import InvalidRequest
from webui.library import Library
from webui.loras import Loras

NETWORK = "model.diffusion_model."
PROMPT = "a red apple"
STARTS = {  # what a checkpoint's keys begin with -> sd-scripts' word for it
    NETWORK: "lora_unet_",
    "text_encoders.clip_l.transformer.": "lora_te1_",
    "text_encoders.clip_g.transformer.": "lora_te2_",
}
KINDS = {"lora": "", "loha": "hada_", "lokr": "lokr_", "full": ""}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder and a file with the same weights, and of each kind of LoRA a file as sd-scripts and
    LyCORIS write it, and the file merged with half of it."""
    place = tmp_path_factory.mktemp("models")
    pipe = checkpoints.stable_diffusion_3(t5=False)
    with torch.no_grad():
        pipe.text_encoder.text_projection.weight.copy_(torch.eye(64))
    pipe.save_pretrained(place / "checkpoints" / "folder")
    tensors = checkpoints.joint(pipe)
    checkpoints.write(place / "checkpoints" / "file.safetensors", tensors)
    for kind in KINDS:
        torch.manual_seed(3)
        keys, merged = kohya(tensors, kind)
        lora_files.save(place / "Lora" / f"{kind}.safetensors", keys)
        checkpoints.write(place / "checkpoints" / f"with {kind}.safetensors", merged)
    return place


def kohya(tensors, kind):
    """(a LoRA's tensors, the checkpoint with half of it)."""
    keys, merged = {}, dict(tensors)
    for key, weight in tensors.items():
        start = next((start for start in STARTS if key.startswith(start)), "")
        name = key.removeprefix(start).removesuffix(".weight")
        if not (start and key.endswith(".weight") and weight.ndim > 1) or "embedding" in name:
            continue
        roles, change = lora_files.KINDS[kind](weight)
        size = 0.6 * float(weight.std() / change.std())
        first = next(role for role in ("up", "w1_a", "w1", "diff") if role in roles)
        roles |= {first: roles[first] * size}
        merged[key] = weight + 0.5 * size * change
        place = STARTS[start] + name.replace(".", "_")
        for role, tensor in roles.items():
            keys[f"{place}.{_ROLES.get(role, KINDS[kind] + role)}"] = tensor
    return keys, merged


_ROLES = {"down": "lora_down.weight", "up": "lora_up.weight", "alpha": "alpha", "diff": "diff"}


@pytest.fixture(scope="module")
def engine(models):
    return make_engine(models)


def asked(**values):
    given = {"model": "file", "prompt": PROMPT, "sampler": "Euler", "steps": 3}
    return request(**(given | {"width": 64, "height": 64} | values))


@pytest.fixture(scope="module")
def plain(engine):
    return results(play(engine, asked()))[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_in_the_authors_names_changes_the_picture_as_merged_weights_do(
    models, engine, plain, kind
):
    entry = Loras(models).find(kind)
    assert (entry.problem, entry.family) == (None, "sd3")
    assert entry.networks == ("transformer", "text_encoder", "text_encoder_2")
    for model in ("file", "folder"):
        worn = results(play(engine, asked(model=model, prompt=f"{PROMPT}<lora:{kind}:0.5>")))[0]
        merged = results(play(engine, asked(model=f"with {kind}")))[0]
        assert np.abs(worn - merged).max() <= 1
        assert np.abs(worn - plain).mean() > 4
    assert np.array_equal(results(play(engine, asked()))[0], plain)


@pytest.mark.parametrize("start", ["", "base_model.model."])
def test_a_file_of_peft_changes_the_picture_as_merged_weights_do(models, engine, plain, start):
    pipe = checkpoints.stable_diffusion_3(t5=False)
    made = lora_files.made(pipe, "lora")
    keys, metadata = lora_files.peft(pipe, made)
    keys = {start + key: each for key, each in keys.items()}
    lora_files.save(models / "Lora" / "peft.safetensors", keys, metadata)
    worn = results(play(engine, asked(prompt=f"{PROMPT}<lora:peft:0.5>")))[0]
    other = make_engine(models)
    networks = other._models.load("file").model.networks
    with torch.no_grad():
        for (network, name), change in made.weights.items():
            networks[network].get_submodule(name).weight.add_(change * 0.5)
    merged = results(play(other, asked()))[0]
    assert np.abs(worn - merged).max() <= 1
    assert np.abs(worn - plain).mean() > 4
    assert np.array_equal(results(play(engine, asked()))[0], plain)


def test_strengths_of_text_and_transformer_and_its_steps_are_apart(models, engine, plain):
    def made(tag, **values):
        return results(play(engine, asked(prompt=PROMPT + tag, **values)))[0]

    both, text, network = made("<lora:lora:1>"), made("<lora:lora:1:0>"), made("<lora:lora:0:1>")
    assert len({each.tobytes() for each in (both, text, network, plain)}) == 4
    assert np.array_equal(made("<lora:lora:0>"), plain)
    whole, later = "<lora:lora:0:1>", "[<lora:lora:0:1>:1.0]"
    assert np.array_equal(made(later), plain) and not np.array_equal(made(whole), plain)


WIDTHS = {"medium": (1536, "sd3"), "large": (2432, "sd3"), "unknown": (64, "")}


def test_what_a_file_is_for_is_told_by_names_or_widths(models, engine, tmp_path):
    def lora(name, place, width, **metadata):
        shapes = {f"{place}.lora_A.weight": [4, width], f"{place}.lora_B.weight": [width, 4]}
        headers.write(tmp_path / "Lora" / f"{name}.safetensors", shapes, metadata)
        return Loras(tmp_path).find(name)

    query = "transformer.transformer_blocks.0.attn.to_q"
    for name, (width, family) in WIDTHS.items():
        found = lora(name, query, width)
        assert (found.problem, found.family, found.networks) == (None, family, ("transformer",))
    said = {"modelspec.architecture": "stable-diffusion-3-medium/lora"}
    assert lora("said", query, 64, **said).family == "sd3"
    comfy = lora("comfy", "diffusion_model.joint_blocks.0.x_block.attn.proj", 64)
    assert (comfy.problem, comfy.family) == (None, "sd3")
    refused = {
        "qwen": (query, 3072, "a LoRA for Flux or Qwen-Image"),
        "flux": ("transformer.single_transformer_blocks.0.attn.to_q", 64, "a LoRA for Flux"),
        "wan": ("transformer.blocks.0.attn.to_q", 64, "a LoRA for Wan"),
        "t5": ("text_encoder_3.encoder.block.0.layer.0.SelfAttention.q", 64, "that changes T5"),
    }
    for name, (place, width, reason) in refused.items():
        assert reason in str(lora(name, place, width).problem)
    sd1 = replace(Library(models).find("file"), family="sd1")
    assert Loras(tmp_path).find("medium").misfit(sd1) == "An SD 3 LoRA on an SD 1.5 model"


def test_one_with_places_or_shapes_of_another_transformer_is_refused(models, engine, plain):
    keys, _ = kohya(checkpoints.joint(checkpoints.stable_diffusion_3(t5=False)), "lora")
    place = "lora_unet_joint_blocks_0_x_block_attn_qkv"
    more = {key.replace("blocks_0_", "blocks_9_"): each for key, each in keys.items()
            if key.startswith(place)}  # fmt: skip
    lora_files.save(models / "Lora" / "deep.safetensors", keys | more)
    narrow = {f"{place}.lora_up.weight": keys[f"{place}.lora_up.weight"][:64]}
    lora_files.save(models / "Lora" / "narrow.safetensors", keys | narrow)
    wrong = {
        "deep": "1 of the .* weights .* are none of the model file: 'lora_unet_joint_blocks_9_",
        "narrow": r"of the shape \[64, 4\] and \[192, 4, 1, 1\] is needed",
    }
    for name, reason in wrong.items():
        with pytest.raises(InvalidRequest, match=reason):
            play(engine, asked(prompt=f"{PROMPT}<lora:{name}:1>"))
        assert np.array_equal(results(play(engine, asked()))[0], plain)
