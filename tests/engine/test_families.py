"""Model folders that are wrong: refused with the part named, and the next picture bit-identical."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.engine.conftest import make_engine, play, request
from webui.errors import ModelRefused

UNET = "unet/diffusion_pytorch_model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"


@pytest.fixture
def broken(models_dir, tmp_path):
    """A copy of the tiny model, beside the good one, to be broken."""
    folder = tmp_path / "models" / "checkpoints"
    for name in ("tiny", "broken"):
        shutil.copytree(models_dir / "checkpoints" / "tiny", folder / name)
    return folder / "broken"


def refusal(broken):
    """What is said of the broken model; the good one has to give the same bits before and after."""
    engine = make_engine(broken.parents[1])
    before = play(engine, request(steps=2)).pictures
    with pytest.raises(ModelRefused) as caught:
        play(engine, request(model="broken", steps=2))
    assert play(engine, request(steps=2)).pictures == before
    return str(caught.value)


def rewrite(file, change):
    tensors = load_file(file)
    save_file(change(tensors), file, {"format": "pt"})


def configure(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize("file", [UNET, VAE, TEXT])
def test_missing_weights_are_never_filled_with_random_ones(broken, file):
    rewrite(broken / file, lambda tensors: dict(sorted(tensors.items())[::2]))
    part = file.split("/")[0]
    text = refusal(broken)
    assert text.startswith(f"broken/{part}: ")
    assert "of its weights are missing" in text


def test_a_vae_in_the_place_of_the_unet_is_refused(broken):
    shutil.copy(broken / VAE, broken / UNET)
    assert refusal(broken).startswith("broken/unet: ")


@pytest.mark.parametrize("file", [UNET, VAE, TEXT])
def test_a_file_cut_in_half_is_refused(broken, file):
    data = (broken / file).read_bytes()
    (broken / file).write_bytes(data[: len(data) // 2])
    assert "broken" in refusal(broken)


def test_a_vae_of_nans_is_refused_when_it_is_loaded(broken):
    rewrite(broken / VAE, lambda tensors: {k: v * float("nan") for k, v in tensors.items()})
    assert refusal(broken) == "broken/vae: its encoder makes NaN or Inf of a picture"


def test_a_prediction_type_that_is_not_known_is_refused_with_those_that_are(broken):
    configure(broken / "scheduler" / "scheduler_config.json", prediction_type="sample")
    assert refusal(broken) == (
        "broken/scheduler: prediction type 'sample' is not known; known are epsilon, v_prediction"
    )


def test_a_unet_of_other_channels_is_refused_with_those_that_can_be(broken):
    configure(broken / "unet" / "config.json", in_channels=5)
    rewrite(
        broken / UNET,
        lambda tensors: tensors | {"conv_in.weight": torch.zeros(32, 5, 3, 3)},
    )
    assert refusal(broken).startswith("broken/unet: takes 5 channels and the VAE's latents have 4")


def test_an_attention_named_by_the_text_encoders_config_is_not_looked_for(broken):
    configure(broken / "text_encoder" / "config.json", _attn_implementation="somebody/kernels")
    engine = make_engine(broken.parents[1])
    good = play(engine, request(steps=2)).pictures
    assert play(engine, request(model="broken", steps=2)).pictures == good


def test_a_vae_replaced_on_disk_is_loaded_anew(broken):
    engine = make_engine(broken.parents[1])
    asked = request(model="broken", steps=2)
    before = play(engine, asked).pictures
    rewrite(broken / VAE, lambda tensors: {k: v * 1.5 for k, v in tensors.items()})
    assert play(engine, asked).pictures != before
