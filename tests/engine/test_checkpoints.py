"""Every family in every layout: our picture is diffusers' picture from the same weights."""

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler

from tests import checkpoints
from tests.engine.conftest import make_engine, play, request
from webui.events import Rendered


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
    wanted = asked(f"{family}-folder")
    theirs = by_diffusers(family, wanted)
    assert theirs.std() > 5  # not flat
    for model in (f"{family}-folder", family):
        mine = pixels(play(loaded, asked(model)))
        assert np.abs(mine - theirs).max() <= 1
