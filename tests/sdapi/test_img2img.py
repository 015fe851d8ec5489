"""img2img and inpainting: the picture that a call brings, its mask, A1111's scripts."""

import base64
import io

import pytest
from PIL import Image

from tests.sdapi.conftest import SMALL, coded, info, opened, picture
from webui import inputs


def kept(api, sha256):
    return inputs.read(api.services.inputs.folder, "x", sha256)


def test_a_picture_to_begin_with(api):
    answer = api.img2img(denoising_strength=0.4, resize_mode=1, initial_noise_multiplier=1.1)
    init = api.request(answer).init
    assert (init.strength, init.resize, init.noise_multiplier) == (0.4, "crop and resize", 1.1)
    assert init.mask is None
    assert kept(api, init.picture).getpixel((3, 3)) == (200, 30, 30)
    assert info(answer)["denoising_strength"] == 0.4
    parameters = answer.json()["parameters"]
    assert (parameters["init_images"], parameters["mask"]) == (None, None)
    assert parameters["resize_mode"] == 1


def test_defaults_of_img2img(api):
    init = api.request(api.img2img(mask=coded(picture(mode="L", colour=255)))).init
    assert (init.strength, init.resize, init.noise_multiplier) == (0.75, "just resize", 1.0)
    assert (init.mask.content, init.mask.area) == ("fill", "only masked")
    assert (init.mask.padding, init.mask.blur, init.mask.inverted) == (0, 4, False)
    body = {"init_images": [coded()], "prompt": ""}
    request = api.request(api.post("img2img", body))
    assert (request.width, request.height, request.steps) == (512, 512, 50)


@pytest.mark.parametrize(
    "prefix", ["", "data:image/png;base64,", "data:image/png;charset=utf-8;base64,", "\n "]
)
def test_a_picture_is_base64_with_and_without_a_prefix(api, prefix):
    init = api.request(api.post("img2img", SMALL | {"init_images": [coded(prefix=prefix)]})).init
    assert kept(api, init.picture).size == (64, 64)


@pytest.mark.parametrize(
    ("said", "name", "value"),
    [
        ({"mask_blur": 9}, "blur", 9),
        ({"mask_blur_x": 7, "mask_blur_y": 7}, "blur", 7),
        ({"mask_blur": None, "mask_blur_x": 0, "mask_blur_y": 0}, "blur", 0),
        ({"inpainting_fill": 1}, "content", "original"),
        ({"inpainting_fill": 2}, "content", "latent noise"),
        ({"inpainting_fill": 3}, "content", "latent nothing"),
        ({"inpaint_full_res": False}, "area", "whole picture"),
        ({"inpaint_full_res": 0}, "area", "whole picture"),
        ({"inpaint_full_res_padding": 32}, "padding", 32),
        ({"inpainting_mask_invert": 1}, "inverted", True),
        ({"alwayson_scripts": {"Soft Inpainting": {"args": [True]}}}, "soft", True),
        ({"alwayson_scripts": {"soft inpainting": {"args": [False]}}}, "soft", False),
        ({"alwayson_scripts": {"soft inpainting": {}}}, "soft", False),
    ],
)
def test_a_masks_fields(api, said, name, value):
    mask = api.request(api.img2img(mask=coded(picture(mode="L", colour=255)), **said)).init.mask
    assert getattr(mask, name) == value


def test_a_mask_comes_to_the_pictures_size(api):
    half = Image.new("L", (32, 32))
    half.paste(255, (0, 0, 16, 32))
    mask = kept(api, api.request(api.img2img(mask=coded(half))).init.mask.picture)
    assert (mask.size, mask.mode) == ((64, 64), "L")
    assert (mask.getpixel((4, 30)), mask.getpixel((60, 30))) == (255, 0)


@pytest.mark.parametrize(("hard", "level"), [(True, 255), (False, 200), (None, 255)])
def test_a_transparent_mask_is_where_it_is_opaque(api, hard, level):
    drawn = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    drawn.paste((0, 0, 0, 200), (0, 0, 32, 64))
    answer = api.img2img(mask=coded(drawn), mask_round=hard)
    mask = kept(api, api.request(answer).init.mask.picture)
    assert (mask.getpixel((4, 4)), mask.getpixel((60, 4))) == (level, 0)


def test_what_it_began_with_comes_back_if_that_is_wanted(api):
    mask = coded(picture(mode="L", colour=255))
    parameters = api.img2img(mask=mask, include_init_images=True).json()["parameters"]
    [first] = parameters["init_images"]
    assert opened(first).getpixel((0, 0)) == (200, 30, 30)
    assert opened(parameters["mask"]).getpixel((0, 0)) == 255


def test_a_picture_to_begin_with_is_upright_and_of_any_format(api):
    buffer = io.BytesIO()
    wide = Image.new("RGB", (64, 32))
    exif = wide.getexif()
    exif[0x0112] = 6
    wide.save(buffer, "JPEG", exif=exif)
    sent = base64.b64encode(buffer.getvalue()).decode()
    init = api.request(api.img2img(init_images=[sent])).init
    assert kept(api, init.picture).size == (32, 64)


def test_sd_upscale_as_a1111s_own_test_asks_for_it(api):
    answer = api.img2img(script_name="sd upscale", script_args=["", 8, "Lanczos", 2.0])
    tiles = api.request(answer).init.tiles
    assert (tiles.overlap, tiles.upscaler, tiles.scale) == (8, "Lanczos", 2.0)
    whole = {"script_name": "SD Upscale", "width": 128, "height": 128}
    assert api.request(api.img2img(**whole)).init.tiles.overlap == 64


def test_loopback_and_outpainting(api):
    answer = api.img2img(script_name="Loopback", script_args=[2, 0.3, "Lazy", "None"])
    loopback = api.request(answer).init.loopback
    assert (loopback.loops, loopback.final_strength, loopback.curve) == (2, 0.3, "lazy")
    said = ["", 64, 8, ["left", "up"], 1.0, 0.05]
    outpaint = api.request(api.img2img(script_name="Outpainting mk2", script_args=said)).init
    assert outpaint.outpaint.left == outpaint.outpaint.up == 64
    assert (outpaint.outpaint.right, outpaint.outpaint.down) == (0, 0)
    assert outpaint.outpaint.blend == 8
    poor = api.img2img(script_name="Poor man's outpainting", script_args=[32, 4, "fill", ["down"]])
    assert api.request(poor).init.outpaint.down == 32


def test_scripts_that_are_not_here_are_refused_by_name(api):
    answer = api.img2img(script_name="X/Y/Z plot")
    assert answer.status_code == 422
    assert "'X/Y/Z plot' is not here" in api.refusal(answer)
    assert "sd upscale" in api.refusal(answer)
    answer = api.txt2img(alwayson_scripts={"ADetailer": {"args": [True]}})
    assert "'ADetailer' is not here" in api.refusal(answer)
    assert answer.status_code == 422
    wrong = api.txt2img(script_name="sd upscale")  # of img2img alone
    assert wrong.status_code == 422
    assert api.txt2img(script_name="None", alwayson_scripts={}).status_code == 200
    assert api.img2img(script_name="soft inpainting").status_code == 422  # of the wrong kind


def test_an_infotext_fills_img2img(api):
    text = "an owl\nSteps: 9, Sampler: Heun, Denoising strength: 0.3, Size: 64x64, Version: v1"
    body = {"infotext": text, "init_images": [coded()]}
    request = api.request(api.post("img2img", body))
    assert (request.init.strength, request.steps, request.sampler) == (0.3, 9, "Heun")


def test_settings_of_img2img(api):
    overridden = {"img2img_fix_steps": True, "initial_noise_multiplier": 1.2}
    init = api.request(api.img2img(override_settings=overridden)).init
    assert (init.exact_steps, init.noise_multiplier) == (True, 1.2)
    assert api.request(api.txt2img(override_settings=overridden)).init is None


@pytest.mark.parametrize(
    ("said", "status", "text"),
    [
        ({"init_images": []}, 404, "init_images: is missing"),
        ({"init_images": None}, 404, "init_images: is missing"),
        ({"init_images": ["http://127.0.0.1/x.png"]}, 422, "fetches nothing"),
        ({"init_images": ["https://example.org/x.png"]}, 422, "fetches nothing"),
        ({"init_images": ["file:///etc/passwd"]}, 422, "fetches nothing"),
        ({"init_images": ["/etc/passwd"]}, 422, "init_images: is not"),
        ({"init_images": ["%%%"]}, 422, "is not base64"),
        ({"init_images": ["aGVsbG8="]}, 422, "is not a picture"),
        ({"init_images": [7]}, 422, "must be a picture in base64"),
        ({"init_images": "x"}, 422, "must be a list"),
        ({"init_images": [coded(), coded()]}, 422, "a call for each"),
        ({"latent_mask": coded()}, 422, "latent_mask"),
        ({"mask": "aGVsbG8="}, 422, "mask: is not a picture"),
        ({"mask": coded(), "mask_blur_x": 1, "mask_blur_y": 2}, 422, "mask_blur_x"),
        ({"mask": coded(), "inpainting_fill": 9}, 422, "inpainting_fill: must be one of 0 (fill)"),
        ({"denoising_strength": 1.5}, 422, "denoising_strength: must be from 0 to 1"),
        ({"resize_mode": 4}, 422, "resize_mode"),
        ({"script_name": "sd upscale", "script_args": ["", 7]}, 422, "overlap"),
        ({"script_name": "sd upscale", "script_args": ["", 8, "nobody"]}, 422, "upscaler"),
        ({"script_name": "loopback", "script_args": [99]}, 422, "loops"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(api, said, status, text):
    answer = api.img2img(**said)
    assert text in api.refusal(answer)
    assert answer.status_code == status
    assert api.services.line.jobs() == []
