"""The first network: what of it learns when, and what its loss is made of."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training import autoencoder, networks, prepare
from training.autoencoder import difference, divergence
from training.compose import Composer
from training.emoji import Emoji
from training.presets import PRESETS

pytestmark = pytest.mark.timeout(600)


def test_after_its_share_the_encoder_stays_and_the_decoder_goes_on(
    work: Path, tmp_path: Path
) -> None:
    preset = replace(PRESETS["tiny"], encoder_share=0.0)
    autoencoder.train(preset, *material(work), tmp_path, left=1.0)
    state = torch.load(tmp_path / "vae.pt", weights_only=True)
    assert state["step"] > 0
    torch.manual_seed(0)
    began = networks.autoencoder(preset).state_dict()
    for name, weight in state["parts"]["mean"].items():
        stayed = torch.equal(weight, began[name])
        assert stayed == name.startswith(("encoder.", "quant_conv.")), name


def test_a_training_that_starts_with_a_model_keeps_its_latents(
    work: Path, model: Path, tmp_path: Path
) -> None:
    start = shutil.copytree(model, tmp_path / "start")
    scaled(start, 0.3)
    preset = replace(PRESETS["tiny"], encoder_share=1.0)
    (tmp_path / "made").mkdir()
    assert autoencoder.train(preset, *material(work), tmp_path / "made", left=1.0, start=start)
    made, began = (networks.read(folder, "vae") for folder in (tmp_path / "made", start))
    assert made.config.scaling_factor == 0.3
    weights = began.state_dict()
    for name, weight in made.state_dict().items():
        stayed = torch.equal(weight, weights[name])
        assert stayed == name.startswith(("encoder.", "quant_conv.")), name


def test_latents_keep_their_scale_once_the_encoder_is_settled(work: Path, tmp_path: Path) -> None:
    preset = replace(PRESETS["tiny"], encoder_share=0.5)
    assert autoencoder.train(preset, *material(work), tmp_path, left=1.0)
    found = networks.read(tmp_path, "vae").config.scaling_factor
    scaled(tmp_path, 0.3)
    longer = replace(preset, vae_minutes=preset.vae_minutes * 1.5)
    assert autoencoder.train(longer, *material(work), tmp_path, left=1.0)
    assert networks.read(tmp_path, "vae").config.scaling_factor == 0.3 != found


def scaled(model: Path, factor: float) -> None:
    config = model / "vae" / "config.json"
    said = json.loads(config.read_text("utf-8")) | {"scaling_factor": factor}
    config.write_text(json.dumps(said), "utf-8")


def material(work: Path) -> tuple[list[Emoji], Composer]:
    known = prepare.classes(work / "data")
    pictures = prepare.pictures(work / "data", known, PRESETS["tiny"].source)
    return known, Composer(pictures, torch.device("cpu"))


def test_the_encoder_that_stays_is_the_averaged_one() -> None:
    network, mean = (networks.autoencoder(PRESETS["tiny"]) for _ in range(2))
    before = copy.deepcopy(network.decoder.state_dict())
    autoencoder._freeze_encoder(network, mean)
    for part in (network.encoder, network.quant_conv):
        assert not any(weight.requires_grad for weight in part.parameters())
    assert torch.equal(network.encoder.conv_in.weight, mean.encoder.conv_in.weight)
    assert torch.equal(network.quant_conv.weight, mean.quant_conv.weight)
    assert all(torch.equal(now, before[name]) for name, now in network.decoder.state_dict().items())
    assert all(weight.requires_grad for weight in network.decoder.parameters())


def test_the_loss_of_equal_pictures_is_none_and_a_blur_costs() -> None:
    sharp = torch.zeros(1, 3, 16, 16)
    sharp[..., 8:] = 1
    soft = torch.nn.functional.avg_pool2d(sharp, 5, 1, 2)
    assert difference(sharp, sharp).item() == 0
    assert difference(soft, sharp) > 2 * torch.nn.functional.l1_loss(soft, sharp)


def test_the_divergence_of_the_normal_distribution_is_none() -> None:
    assert divergence(torch.zeros(4), torch.zeros(4)).item() == 0
    assert divergence(torch.ones(4), torch.zeros(4)).item() == pytest.approx(0.5)
