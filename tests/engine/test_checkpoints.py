"""Every family in every layout: our picture is diffusers' picture from the same weights."""

import time

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler

from tests import checkpoints
from tests.engine.conftest import make_engine, play, request
from tests.wrong_files import WRONG
from webui.engine.families import FAMILIES
from webui.engine.schedules import DiscreteLevels
from webui.engine.unet_model import assumed_prediction
from webui.errors import InvalidRequest, ModelRefused
from webui.events import Rendered
from webui.library import Library

PLAIN = "a red apple on blue"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder and a file of each family, with the same weights, and variants of some."""
    place = tmp_path_factory.mktemp("models")
    for family in checkpoints.FAMILIES:
        pipe = checkpoints.pipeline(family)
        folder = place / "checkpoints" / f"{family}-folder"
        pipe.save_pretrained(folder)
        tensors = checkpoints.original(pipe)
        checkpoints.write(place / "Stable-diffusion" / f"{family}.safetensors", tensors)
    return place


@pytest.fixture(scope="module")
def loaded(models):
    return make_engine(models)


def pixels(run):
    (event,) = run.of(Rendered)
    flat = np.frombuffer(event.picture.rgb, np.uint8)
    return flat.reshape(event.picture.height, event.picture.width, 3).astype(int)


def by_diffusers(family, asked, pipe=None):
    """The picture of diffusers' own pipeline, of the same weights, noise and noise levels."""
    pipe = pipe or checkpoints.pipeline(family)
    pipe.scheduler = EulerDiscreteScheduler.from_config(
        pipe.scheduler.config, timestep_spacing="linspace"
    )
    generator = torch.Generator("cpu").manual_seed(asked.seed)
    given = {
        "prompt": asked.prompt,
        "negative_prompt": asked.negative_prompt or None,
        "num_inference_steps": asked.steps,
        "guidance_scale": asked.guidance_scale,
        "generator": generator,
        "output_type": "np",
    }
    if family == "refiner":
        # the refiner's pipeline begins with a picture; from noise it is the one from noise's loop
        cells = asked.height // 8, asked.width // 8
        noise = torch.randn((1, 4, *cells), generator=generator)
        pipe.scheduler.set_timesteps(asked.steps)
        given |= {"image": noise * pipe.scheduler.init_noise_sigma, "denoising_start": 1e-6}
        image = pipe(**given).images[0]
    else:
        image = pipe(**given, width=asked.width, height=asked.height).images[0]
    return (image * 255).round().astype(int)


def asked(model, **values):
    given = {"model": model, "sampler": "Euler", "schedule": "Uniform", "steps": 4}
    return request(**(given | {"width": 64, "height": 128} | values))


@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_a_picture_equals_the_one_of_diffusers_pipeline(loaded, family):
    theirs = by_diffusers(family, asked(family))
    assert theirs.std() > 5  # not flat
    for model in (f"{family}-folder", family):
        mine = pixels(play(loaded, asked(model)))
        assert np.abs(mine - theirs).max() <= 1


def test_without_a_negative_prompt_sdxl_is_guided_away_from_zeros(loaded):
    wanted = asked("sdxl", negative_prompt="")
    theirs = by_diffusers("sdxl", wanted)
    assert np.abs(pixels(play(loaded, wanted)) - theirs).max() <= 1


@pytest.mark.parametrize(
    ("family", "ours", "theirs"),
    [
        # diffusers counts the layers that are skipped, from the one that a family was trained on
        ("sd1", 1, None), ("sd1", 2, 1), ("sd1", 3, 2),
        ("sd2", 1, None), ("sd2", 2, None), ("sd2", 3, 1),
        ("sdxl", 1, None), ("sdxl", 2, None), ("sdxl", 3, 1),
        ("refiner", 2, None), ("refiner", 3, 1),
    ],
)  # fmt: skip
@torch.no_grad()
def test_clip_skip_takes_the_layer_that_diffusers_takes(loaded, family, ours, theirs):
    pipe = checkpoints.pipeline(family)
    if family in ("sd1", "sd2"):  # diffusers 0.42 looks for it where transformers 4 had it
        object.__setattr__(pipe.text_encoder, "text_model", pipe.text_encoder)
    answer = pipe.encode_prompt(
        prompt=PLAIN, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False,
        clip_skip=theirs,
    )  # fmt: skip
    tokenizer = pipe.tokenizer or pipe.tokenizer_2
    ids = tokenizer(PLAIN).input_ids[1:-1]
    made = [each.encode(ids, {}, ours) for each in loaded._models.load(family).model.text_encoders]
    context = torch.cat([each.context for each in made], dim=-1)
    assert torch.allclose(context, answer[0], atol=1e-5)
    if family in ("sdxl", "refiner"):  # the text as a whole is always the last layer's
        assert torch.allclose(made[-1].pooled, answer[2], atol=1e-5)


def test_clip_skip_counts_from_the_layer_that_a_family_was_trained_with(loaded):
    for family in ("sd2", "sdxl", "refiner"):
        pictures = [play(loaded, asked(family, clip_skip=skip)).pictures for skip in (1, 2, 3)]
        assert pictures[0] == pictures[1] != pictures[2]
    with pytest.raises(InvalidRequest, match="clip_skip: must be from 1 to 3 for this model"):
        play(loaded, asked("sdxl", clip_skip=4))


def test_zero_terminal_snr_and_v_prediction_are_taken_from_marks_in_the_file(models, loaded):
    pipe = checkpoints.pipeline("sdxl", prediction_type="v_prediction", rescale_betas_zero_snr=True)
    marks = {"v_pred": torch.zeros(()), "ztsnr": torch.zeros(())}
    path = models / "checkpoints" / "zero.safetensors"
    checkpoints.write(path, checkpoints.original(pipe) | marks)
    theirs = by_diffusers("sdxl", asked("zero"), pipe)
    assert np.abs(pixels(play(loaded, asked("zero"))) - theirs).max() <= 1
    assert pixels(play(loaded, asked("zero"))).std() > 5


class Network:
    """A UNet that gives `made` of its input."""

    device, dtype = torch.device("cpu"), torch.float32
    config = type("config", (), {"in_channels": 4})

    def __init__(self, made):
        self._made = made

    def __call__(self, noise, *_, **__):
        return (self._made(noise),)


def test_what_a_unet_predicts_is_found_out_where_nothing_says_it():
    levels = DiscreteLevels(torch.linspace(0.999, 0.005, 1000))
    epsilon, velocity = Network(lambda noise: 0.9 * noise), Network(lambda x: 0.07 * x + x.flip(-1))
    assert assumed_prediction(epsilon, levels, 8) == "epsilon"
    assert assumed_prediction(velocity, levels, 8) == "v_prediction"


# --- variants ------------------------------------------------------------------------------------


def weights(model):
    """Of all networks of a model."""
    networks = [model.unet, model.vae._network, *(each._network for each in model.text_encoders)]
    return [each for network in networks for each in network.state_dict().values()]


def load(models, name, dtype=torch.float32):
    entry = Library(models).find(name)
    assert entry.problem is None
    return FAMILIES[entry.family].load(entry, torch.device("cpu"), dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_file_in_any_precision_is_loaded_in_the_one_that_is_wanted(tmp_path, family, dtype):
    tensors = checkpoints.original(checkpoints.pipeline(family))
    checkpoints.write(tmp_path / "checkpoints" / "a.safetensors", tensors, dtype=dtype)
    checkpoints.write(
        tmp_path / "checkpoints" / "b.safetensors",
        {key: each.to(dtype).float() if each.is_floating_point() else each
         for key, each in tensors.items()},
    )  # fmt: skip
    there = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
    assert Library(tmp_path).find("a").report.precision == there[dtype]
    for wanted in (torch.float32, torch.bfloat16):
        first, second = load(tmp_path, "a", wanted), load(tmp_path, "b", wanted)
        for one, other in zip(weights(first), weights(second), strict=True):
            assert one.dtype == other.dtype and torch.equal(one, other)
        assert first.unet.dtype == wanted


def variants():
    whole = checkpoints.original(checkpoints.pipeline("sd1"))
    averaged = {
        "model_ema." + key.removeprefix("model.").replace(".", ""): each * 2
        for key, each in whole.items() if key.startswith("model.")
    }  # fmt: skip
    old = {key.replace("transformer.text_model.", "transformer."): whole[key] for key in whole}
    flat = {  # the attention of a VAE, saved as a linear layer
        key: each[:, :, 0, 0] if "attn_1" in key and each.ndim == 4 else each
        for key, each in whole.items()
    }
    return {
        "with averaged weights": whole | averaged,
        "with what training left": whole | {"betas": torch.ones(1000), "epoch": torch.ones(1)},
        "with clip's old keys": old,
        "with a flat attention": flat,
    }


@pytest.mark.parametrize("name", variants())
def test_what_else_is_in_a_file_changes_nothing(models, tmp_path, name):
    checkpoints.write(tmp_path / "checkpoints" / "odd.safetensors", variants()[name])
    odd, plain = load(tmp_path, "odd"), load(models, "sd1")
    for one, other in zip(weights(odd), weights(plain), strict=True):
        assert torch.equal(one, other)


def test_nothing_that_is_loaded_stays_in_the_file(tmp_path):
    tensors = checkpoints.original(checkpoints.pipeline("sd1"))
    path = checkpoints.write(tmp_path / "checkpoints" / "a.safetensors", tensors)
    model = load(tmp_path, "a")
    before = [each.clone() for each in weights(model)]
    with path.open("r+b") as file:  # the same file, overwritten in place
        file.seek(path.stat().st_size // 2)
        file.write(bytes(path.stat().st_size // 2))
    for one, other in zip(weights(model), before, strict=True):
        assert torch.equal(one, other)


# --- wrong ones ----------------------------------------------------------------------------------


def broken_at_load(tensors):
    """Headers that say nothing wrong, for the engine to find out: name -> (tensors, reason)."""
    unet, text = "model.diffusion_model.", "cond_stage_model.transformer.text_model."
    query = f"{unet}middle_block.1.transformer_blocks.0.attn1.to_q.weight"
    half = {key: each for key, each in tensors.items() if "_layers." not in key}
    # what tells the sizes stays
    half |= {key: each for key, each in tensors.items() if "in_layers.2" in key or "text_m" in key}
    return {
        "one key missing": (
            {key: each for key, each in tensors.items() if key != query},
            "1 of its weights are missing, mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
        ),
        "half of the keys missing": (half, "of its weights are missing"),
        "another shape": (tensors | {query: torch.zeros(64, 64)}, "and [128, 128] is needed"),
        "a text encoder too wide": (
            tensors | {f"{text}final_layer_norm.weight": torch.ones(65)}, "and [64] is needed",
        ),
        "a vae of nan": (
            {key: each * float("nan") if "first_stage" in key else each
             for key, each in tensors.items()},
            "its encoder makes NaN or Inf of a picture",
        ),
        "no vae": (
            {key: each for key, each in tensors.items() if "first_stage" not in key},
            "holds no VAE: put one beside it, called no vae.vae.safetensors, or choose one",
        ),
    }  # fmt: skip


def test_wrong_files_are_refused_and_the_next_picture_is_the_same(models, loaded):
    place = models / "checkpoints"
    for name, (make, _) in WRONG.items():
        make(place / f"{name}.safetensors")
    later = broken_at_load(checkpoints.original(checkpoints.pipeline("sd1")))
    for name, (tensors, _) in later.items():
        checkpoints.write(place / f"{name}.safetensors", tensors)
    before = play(loaded, asked("sd1", steps=1)).pictures
    for name, (_, reason) in (WRONG | later).items():
        began = time.thread_time()  # other processes do not count
        with pytest.raises(ModelRefused) as refused:
            loaded.load(name)
        assert reason in str(refused.value)
        assert time.thread_time() - began < 5
        assert loaded._models.is_loaded("sd1")  # not even let go
        if name in later:
            assert play(loaded, asked("sd1", steps=1)).pictures == before
    assert play(loaded, asked("sd1", steps=1)).pictures == before
    assert len(WRONG | later) >= 25
