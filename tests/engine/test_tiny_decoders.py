"""Tiny decoders for previews: found by structure, taken if they fit the VAE, only drawn with."""

import pytest
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file

from tests.engine.conftest import make_engine, play, request, tiny_pipeline
from tests.headers import write
from webui.events import Preview, Rendered
from webui.library import Library
from webui.wire import RunOptions


@pytest.fixture
def models(tmp_path):
    tiny_pipeline().save_pretrained(tmp_path / "checkpoints" / "tiny")
    return tmp_path


def autoencoder(channels=4, blocks=(1, 1, 1, 1), grey=0.5):
    """All of one grey, which is near to what the VAE of the tests gives; 0.5 is the middle."""
    torch.manual_seed(0)
    made = AutoencoderTiny(
        latent_channels=channels, encoder_block_out_channels=(16,) * len(blocks),
        decoder_block_out_channels=(16,) * len(blocks), num_encoder_blocks=blocks,
        num_decoder_blocks=blocks,
    )  # fmt: skip
    made.decoder.layers[-1].weight.data.mul_(0.1)
    made.decoder.layers[-1].bias.data.fill_(grey)
    return made


def save(models, name, made, layout="diffusers", folder="vae_approx"):
    """In diffusers' layout, or the decoder alone as its author numbers the layers."""
    keys = {key: each.contiguous() for key, each in made.state_dict().items()}
    if layout != "diffusers":
        prefix = "decoder.layers."
        renamed = {}
        for key, each in keys.items():
            if key.startswith(prefix):
                number, _, rest = key.removeprefix(prefix).partition(".")
                renamed[f"{layout}{int(number) + 1}.{rest}"] = each
        keys = renamed
    place = models / folder / f"{name}.safetensors"
    place.parent.mkdir(exist_ok=True)
    save_file(keys, place)
    return place


def previews(engine, method="tiny"):
    run = play(engine, request(steps=2), RunOptions(predicted=method))
    (picture,) = run.of(Rendered)
    return [each.picture for each in run.of(Preview)], picture.picture


def drawn(made, latent):
    """What diffusers makes of a latent, as 8-bit."""
    with torch.no_grad():
        whole = made.decode(latent, return_dict=False)[0].clamp(-1, 1)
    return (whole[0].movedim(0, -1) * 127.5 + 127.5).round().to(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("layout", ["diffusers", "", "taesd_decoder."])
def test_previews_are_what_diffusers_decoder_makes_of_the_latent(models, layout):
    made = autoencoder()
    save(models, "taesd", made, layout)
    engine = make_engine(models)
    (first, _), picture = previews(engine)
    assert (first.width, first.height) == (64, 64)
    (_, plain), without = previews(engine, "fast")
    assert (plain.width, plain.height) == (8, 8)
    assert picture == without  # only previews are drawn with it
    latent = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(3))
    vae = engine._models.load("tiny").model.vae
    with torch.no_grad():
        ours = vae.decode_roughly(latent)
    eight = (ours[0].movedim(0, -1) * 127.5 + 127.5).round().to(torch.uint8).numpy().tobytes()
    assert eight == drawn(made, latent)


def test_the_one_that_is_nearest_to_the_vae_is_taken(models):
    save(models, "a", autoencoder(grey=0.3))
    near = autoencoder(grey=0.5)
    save(models, "b", near, folder="VAE-approx")
    engine = make_engine(models)
    latent = torch.zeros(1, 4, 8, 8)
    vae = engine._models.load("tiny").model.vae
    with torch.no_grad():
        taken = vae.decode_roughly(latent)
        expected = near.decode(latent, return_dict=False)[0].clamp(-1, 1)
    assert torch.allclose(taken, expected, atol=1e-5)


@pytest.mark.parametrize(
    "made",
    [
        autoencoder(grey=9.0),  # farther from the VAE than the linear guess
        autoencoder(channels=16),
        autoencoder(blocks=(1, 1, 1)),  # half the size
        autoencoder(grey=float("nan")),
    ],
)
def test_one_that_does_not_fit_is_not_drawn_with(models, made):
    save(models, "other", made)
    engine = make_engine(models)
    assert [each.width for each in previews(engine)[0]] == [8, 8]
    assert previews(engine)[0] == previews(engine, "fast")[0]


def test_one_that_comes_or_goes_while_the_model_is_loaded_is_noticed(models):
    engine = make_engine(models)
    assert previews(engine)[0][0].width == 8
    path = save(models, "taesd", autoencoder())
    assert previews(engine)[0][0].width == 64
    path.unlink()
    assert previews(engine)[0][0].width == 8


def test_only_files_that_are_tiny_decoders_are_listed(models):
    place = models / "vae_approx"
    good = save(models, "good", autoencoder(blocks=(0, 3, 2)))
    save(models, "encoder", autoencoder().encoder)
    write(place / "lora.safetensors", {"lora_unet_a.lora_up.weight": [4, 4]})
    write(place / "narrow.safetensors", {"1.weight": [64, 4, 3, 3], "3.weight": [3, 32, 3, 3]})
    write(place / "huge.safetensors", {"1.weight": [9999, 4, 3, 3], "3.weight": [3, 9999, 3, 3]})
    write(place / "flat.safetensors", {"1.weight": [64, 4], "3.weight": [3, 64, 3, 3]})
    (place / "cut.safetensors").write_bytes(good.read_bytes()[:50])
    (place / "pickle.pt").write_bytes(b"\x80")
    (place / "out.safetensors").symlink_to(save(models, "x", autoencoder(), folder="elsewhere"))
    (found,) = Library(models).tiny_decoders()
    assert (found.path, found.channels, found.width) == (good, 4, 16)
    assert (found.blocks, found.scale_factor) == ((0, 3, 2), 4)


def test_one_whose_weights_do_not_fit_its_own_shape_is_passed_over(models, caplog):
    keys = autoencoder().state_dict()
    keys["decoder.layers.2.conv.0.weight"] = torch.zeros(16, 16, 1, 1)
    place = models / "vae_approx" / "bent.safetensors"
    place.parent.mkdir()
    save_file(keys, place)
    engine = make_engine(models)
    assert previews(engine)[0][0].width == 8
    assert "bent.safetensors" in caplog.text
