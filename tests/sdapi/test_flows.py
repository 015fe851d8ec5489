"""What clients do one after the other, as they were seen to do it; A1111's own API tests."""

import pytest

from tests.sdapi.conftest import coded, info


def test_sillytavern(api):
    """Looks around, chooses a model, waits until nothing runs, and asks for a picture."""
    options = api.get("options").json()
    assert "forge_preset" not in options  # by which it knows Forge
    for path in ("upscalers", "latent-upscale-modes", "sd-vae", "sd-modules", "samplers"):
        assert api.get(path).status_code == 200
    schedule = [each["name"] for each in api.get("schedulers").json()][2]
    model = api.get("sd-models").json()[0]["title"]
    assert api.post("options", {"sd_model_checkpoint": model}).status_code == 200
    progress = api.get("progress").json()
    assert (progress["progress"], progress["state"]["job_count"]) == (0, 0)
    payload = {
        "url": "http://localhost:7860", "auth": "", "prompt": "a fox", "negative_prompt": "",
        "sampler_name": "Euler a", "scheduler": schedule, "steps": 3, "cfg_scale": 7,
        "width": 64, "height": 64, "restore_faces": False, "enable_hr": False,
        "hr_upscaler": "Latent", "hr_scale": 2, "hr_additional_modules": [],
        "denoising_strength": 0.7, "hr_second_pass_steps": 0, "seed": None, "clip_skip": 2,
        "override_settings": {
            "CLIP_stop_at_last_layers": 2, "sd_vae": "", "forge_additional_modules": [],
        },
        "override_settings_restore_afterwards": True, "save_images": True, "send_images": True,
        "do_not_save_grid": False, "do_not_save_samples": False,
    }  # fmt: skip
    answer = api.post("txt2img", payload)
    request = api.request(answer)
    assert (request.clip_skip, request.schedule, request.hires) == (2, "Karras", None)
    assert len(answer.json()["images"]) == 1
    ignored = ["auth", "clip_skip", "forge_additional_modules", "hr_additional_modules", "url"]
    assert answer.json()["ignored"] == ignored
    assert len(list(api.services.settings.outputs.rglob("*.png"))) == 1
    assert api.post("interrupt").json() == {}


def test_open_webui(api):
    """Sends every option back with another model, and an authorization header without a word."""
    headers = {"authorization": ""}
    options = api.get("options", headers=headers).json()
    [model] = api.get("sd-models", headers=headers).json()
    options["sd_model_checkpoint"] = model["title"]
    assert api.post("options", options, headers=headers).status_code == 200
    assert api.get("options").json()["sd_model_checkpoint"] == model["title"]
    body = {"prompt": "a fox", "batch_size": 2, "width": 64, "height": 64, "steps": 2,
            "negative_prompt": "", "cfg_scale": 7.0, "scheduler": None}  # fmt: skip
    answer = api.post("txt2img", body, headers=headers)
    assert (len(answer.json()["images"]), info(answer)["batch_size"]) == (2, 2)


def test_a_photoshop_plugin(api):
    """Asks for what stands in each picture that it is given."""
    for image in api.txt2img(n_iter=2).json()["images"]:
        told = api.post("png-info", {"image": "data:image/png;base64," + image}).json()
        assert told["info"].startswith("a fox\nSteps: 3")


SIMPLE = {
    "batch_size": 1, "cfg_scale": 7, "denoising_strength": 0, "enable_hr": False, "eta": 0,
    "firstphase_height": 0, "firstphase_width": 0, "height": 64, "n_iter": 1,
    "negative_prompt": "", "prompt": "example prompt", "restore_faces": False, "s_churn": 0,
    "s_noise": 1, "s_tmax": 0, "s_tmin": 0, "sampler_index": "Euler a", "seed": -1,
    "seed_resize_from_h": -1, "seed_resize_from_w": -1, "steps": 3, "styles": [], "subseed": -1,
    "subseed_strength": 0, "tiling": False, "width": 64,
}  # fmt: skip
COMPLEX = "((emphasis)), (emphasis1:1.1), [to:1], [from::2], [from:to:0.3], [alt|alt1]"


@pytest.mark.parametrize(
    ("said", "size", "pictures"),
    [
        ({}, (64, 64), 1),
        ({"negative_prompt": "example negative prompt"}, (64, 64), 1),
        ({"prompt": COMPLEX}, (64, 64), 1),
        ({"height": 128}, (64, 128), 1),
        ({"enable_hr": True}, (64, 64), 1),
        ({"tiling": True}, (64, 64), 1),
        ({"restore_faces": True}, (64, 64), 1),
        ({"sampler_index": "PLMS"}, (64, 64), 1),
        ({"sampler_index": "DDIM"}, (64, 64), 1),
        ({"sampler_index": "UniPC"}, (64, 64), 1),
        ({"n_iter": 2}, (64, 64), 2),
        ({"batch_size": 2}, (64, 64), 2),
    ],
)
def test_a1111s_own_tests_of_txt2img(api, said, size, pictures):
    answer = api.post("txt2img", SIMPLE | said)
    request = api.request(answer)
    assert (request.width, request.height) == size
    assert len(answer.json()["images"]) == pictures
    assert (request.hires is not None) == ("enable_hr" in said)
    assert request.sampler == said.get("sampler_index", "Euler a")


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"mask": coded(), "inpainting_mask_invert": 0},
        {"mask": coded(), "inpainting_mask_invert": 1},
        {"script_name": "sd upscale", "script_args": ["", 8, "Lanczos", 2.0]},
    ],
)
def test_a1111s_own_tests_of_img2img(api, said):
    body = {name: value for name, value in SIMPLE.items() if not name.startswith("firstphase")}
    body |= {"init_images": [coded(prefix="data:image/png;base64,")], "include_init_images": False,
             "inpaint_full_res": False, "inpaint_full_res_padding": 0, "inpainting_fill": 0,
             "mask": None, "mask_blur": 4, "resize_mode": 0, "override_settings": {},
             "denoising_strength": 0.75, "inpainting_mask_invert": False}  # fmt: skip
    init = api.request(api.post("img2img", body | said)).init
    assert (init.mask is not None) == ("mask" in said)
    if "mask" in said:
        assert init.mask.inverted == bool(said["inpainting_mask_invert"])
    assert (init.tiles is not None) == ("script_name" in said)
