"""Pictures made larger, what is written in them, what they show."""

import io
import json

import pytest
from PIL import Image, PngImagePlugin

from tests.embedding_files import vectors, write
from tests.sdapi.conftest import coded, opened, picture
from webui import inputs
from webui.pictures import look

TEXT = "a fox\nNegative prompt: day\nSteps: 3, Sampler: Euler a, Size: 64x96, Version: v1.10.1"


def of(api, job):
    return api.services.line.job(job).request.upscale


def single(api, **body):
    return api.post("extra-single-image", {"image": coded()} | body)


def test_a_picture_made_larger(api):
    answer = single(api, upscaler_1="Nearest", upscaling_resize=3)
    body = answer.json()
    assert set(body) == {"image", "html_info", "job"} and body["html_info"] == ""
    assert answer.headers["x-darkroom-job"] == body["job"]
    upscale = of(api, body["job"])
    assert (upscale.upscaler, upscale.scale, upscale.second) == ("Nearest", 3.0, None)
    kept = inputs.read(api.services.inputs.folder, "x", upscale.picture)
    assert kept.getpixel((0, 0)) == (200, 30, 30)
    with opened(body["image"]) as image:
        record = json.loads(image.text["darkroom"])["request"]
        assert record["upscale"]["upscaler"] == "Nearest"
    assert list(api.services.settings.outputs.rglob("*.png")) == []  # A1111 saves none either


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({}, {"upscaler": "Lanczos", "scale": 2.0, "width": 0, "height": 0}),
        ({"upscaler_1": "None", "upscaler_2": "None"}, {"upscaler": "Lanczos", "second": None}),
        (
            {"upscaler_1": "lanczos", "upscaler_2": "nearest", "extras_upscaler_2_visibility": 0.3},
            {"upscaler": "Lanczos", "second": "Nearest", "second_visibility": 0.3},
        ),
        (
            {"resize_mode": 1, "upscaling_resize_w": 100, "upscaling_resize_h": 90},
            {"width": 100, "height": 90, "crop": True},
        ),
        ({"resize_mode": 1, "upscaling_crop": False}, {"width": 512, "height": 512, "crop": False}),
        ({"resize_mode": 0, "upscaling_resize_w": 100, "upscaling_resize": 1.5}, {"scale": 1.5}),
        ({"gfpgan_visibility": 0, "codeformer_weight": 0, "upscale_first": False}, {"scale": 2.0}),
    ],
)
def test_the_fields_of_extras(api, said, kept):
    answer = single(api, **said)
    assert answer.status_code == 200, answer.text
    upscale = of(api, answer.json()["job"])
    assert {name: getattr(upscale, name) for name in kept} == kept


def test_face_restoration_is_said_to_be_ignored(api):
    answer = single(api, gfpgan_visibility=0.5)
    assert answer.json()["html_info"] == "gfpgan_visibility was ignored: no face restorer is here"


def test_several_pictures(api):
    colours = [(10, 0, 0), (20, 0, 0), (30, 0, 0)]
    listed = [{"data": coded(picture(colour=each)), "name": "x.png"} for each in colours]
    answer = api.post("extra-batch-images", {"imageList": listed, "upscaling_resize": 2})
    body = answer.json()
    assert len(body["images"]) == len(body["job"]) == 3
    folder = api.services.inputs.folder
    found = [inputs.read(folder, "x", of(api, job).picture) for job in body["job"]]
    assert [each.getpixel((0, 0)) for each in found] == colours


def test_one_bad_picture_of_several_leaves_no_job_behind(slow):
    listed = [{"data": coded(), "name": ""}, {"data": "aGVsbG8=", "name": ""}]
    answer = slow.post("extra-batch-images", {"imageList": listed})
    assert slow.refusal(answer).startswith("imageList.1: is not a picture")
    assert [each.state for each in slow.services.line.jobs()] in (["running"], ["cancelled"])
    slow.services.line.close()
    assert [each.state for each in slow.services.line.jobs()] == ["cancelled"]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"image": None}, "image: must be a picture in base64"),
        ({"image": ""}, "image: must be a picture"),
        ({"image": "https://example.org/a.png"}, "image: is an address"),
        ({"upscaler_1": "4x-Nobody"}, "upscaler_1: must be one of: Lanczos"),
        ({"upscaler_1": "Latent"}, "upscaler_1"),
        ({"upscaler_2": "4x-Nobody"}, "upscaler_2"),
        ({"upscaling_resize": 0}, "upscaling_resize: must be from 0.25"),
        ({"upscaling_resize": 8.5}, "upscaling_resize"),
        ({"upscaling_resize": "much"}, "upscaling_resize: must be a number"),
        ({"resize_mode": 1, "upscaling_resize_w": 99999}, "upscaling_resize_w"),
        ({"resize_mode": 1, "upscaling_resize_w": 4096, "upscaling_resize_h": 4096},
         "upscaling_resize_w: would make 4096 x 4096 pixels"),
        ({"extras_upscaler_2_visibility": 2, "upscaler_2": "Nearest"}, "visibility"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_refused(api, said, text):
    assert text in api.refusal(single(api, **said))


@pytest.mark.parametrize("listed", [None, [], "x", [1], [{"name": "x"}], [{"data": None}] * 65])
def test_a_list_of_pictures_that_is_none(api, listed):
    assert api.refusal(api.post("extra-batch-images", {"imageList": listed})).startswith(
        "imageList"
    )


# --- png-info ----------------------------------------------------------------------------------


def test_the_text_in_a_picture(api):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", TEXT)
    texts.add_text("Software", "x")
    answer = api.post("png-info", {"image": coded(pnginfo=texts)}).json()
    assert answer == {
        "info": TEXT,
        "items": {"parameters": TEXT, "Software": "x"},
        "parameters": {
            "Prompt": "a fox", "Negative prompt": "day", "Steps": "3", "Sampler": "Euler a",
            "Size-1": "64", "Size-2": "96", "Version": "v1.10.1",
        },
    }  # fmt: skip


def test_a_picture_that_this_api_answered_tells_how_it_was_made(api):
    image = api.txt2img(sampler_name="Euler a").json()["images"][0]
    told = api.post("png-info", {"image": "data:image/png;base64," + image}).json()
    assert told["parameters"]["Sampler"] == "Euler a"
    assert look(opened(image).fp.getvalue()).parameters == told["info"]
    assert json.loads(told["items"]["darkroom"])["request"]["prompt"] == "a fox"


def test_a_picture_without_a_text(api):
    answer = api.post("png-info", {"image": coded()}).json()
    assert answer == {"info": "", "items": {}, "parameters": {}}
    assert "image" in api.refusal(api.post("png-info", {"image": "aGVsbG8="}))
    assert "image" in api.refusal(api.post("png-info", {}))


def test_nothing_describes_pictures(api):
    answer = api.post("interrogate", {"image": coded(), "model": "clip"})
    assert answer.status_code == 501
    assert "no model that describes pictures" in answer.json()["detail"]
    assert api.post("interrogate", {"image": coded(), "model": "nobody"}).status_code == 404


# --- embeddings --------------------------------------------------------------------------------


def test_embeddings(api):
    folder = api.services.embeddings.folder
    folder.mkdir(parents=True)
    write(folder / "gold", {"emb_params": vectors(2, 16)}).rename(folder / "gold.safetensors")
    (folder / "old.pt").write_bytes(b"x")
    told = api.get("embeddings").json()
    nothing = {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None}
    assert told == {
        "loaded": {"gold": nothing | {"shape": 16, "vectors": 2}},
        "skipped": {"old": nothing | {"shape": 0, "vectors": 0}},
    }


def test_a_bomb_of_a_picture_is_refused_before_it_is_decoded(api):
    buffer = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(buffer, "PNG", compress_level=9)
    import base64

    bomb = base64.b64encode(buffer.getvalue()).decode()
    assert "at most 67108864" in api.refusal(api.img2img(init_images=[bomb]))
    assert "at most 67108864" in api.refusal(single(api, image=bomb))
    assert "at most 67108864" in api.refusal(api.post("png-info", {"image": bomb}))
