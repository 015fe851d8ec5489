"""webuiapi from PyPI, a client that many programs are built on, against a real server."""

import pytest
import webuiapi
from PIL import Image

from tests.serving import Server
from webui.sampler_table import SAMPLER_INFOS


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("webuiapi"))
    try:
        yield webuiapi.WebUIApi(port=server.port, sampler="Euler a", steps=2)
    finally:
        server.end()


SMALL = {"width": 64, "height": 64, "seed": 5}
GREY = Image.new("RGB", (64, 64), (90, 90, 90))


def test_pictures_from_text(client):
    made = client.txt2img(prompt="a cat", n_iter=2, **SMALL)
    assert [each.size for each in made.images] == [(64, 64)] * 2
    assert (made.info["all_seeds"], made.info["sampler_name"]) == ([5, 6], "Euler a")
    assert (made.parameters["prompt"], made.parameters["steps"]) == ("a cat", 2)
    assert made.json["ignored"] == []
    larger = client.txt2img(prompt="a cat", enable_hr=True, hr_scale=1.5, **SMALL)
    assert larger.info["denoising_strength"] == 0.7
    assert "Hires upscaler: Latent" in larger.info["infotexts"][0]


def test_pictures_from_pictures(client):
    mask = Image.new("L", (64, 64), 255)
    made = client.img2img(images=[GREY], prompt="a dog", mask_image=mask, **SMALL)
    assert (made.image.size, made.info["denoising_strength"]) == ((64, 64), 0.75)
    assert "Mask blur" in made.info["infotexts"][0]


def test_extras_and_what_stands_in_a_picture(client):
    one = client.extra_single_image(GREY, upscaler_1=webuiapi.Upscaler.Lanczos)
    many = client.extra_batch_images([GREY, GREY], upscaler_1=webuiapi.Upscaler.Lanczos)
    assert (one.image.mode, len(many.images)) == ("RGB", 2)
    made = client.txt2img(prompt="a cat", **SMALL)
    assert client.png_info(made.image).info.startswith("a cat\nSteps: 2, Sampler: Euler a")


def test_what_there_is(client):
    listed = [each["name"] for each in client.get_samplers()]
    assert listed == [each.name for each in SAMPLER_INFOS]
    assert client.util_get_model_names() == [client.util_get_current_model()]
    assert client.get_progress()["state"]["job_count"] == 0
    client.util_set_model("toy")
    client.util_wait_for_ready()
    client.set_options(client.get_options() | {"CLIP_stop_at_last_layers": 2})
    assert client.get_options()["CLIP_stop_at_last_layers"] == 2
    assert "Clip skip: 2" in client.txt2img(**SMALL).info["infotexts"][0]
    with pytest.raises(RuntimeError, match="no model that describes pictures"):
        client.interrogate(GREY)
