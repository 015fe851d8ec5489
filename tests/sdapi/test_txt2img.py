"""What each field of txt2img does to the job, and what comes back."""

import json

import pytest

from tests.sdapi.conftest import SMALL, info, opened
from webui.pictures import look


def test_a_call_becomes_a_job_and_is_answered_with_its_picture(api):
    answer = api.txt2img(negative_prompt="blurry", sampler_name="Euler a", scheduler="karras")
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"images", "parameters", "info", "job", "jobs", "ignored", "state"}
    assert answer.headers["x-darkroom-job"] == body["job"]
    job = api.services.line.job(body["job"])
    assert (job.owner, job.state) == ("sdapi", "done")
    request = job.request
    assert (request.prompt, request.negative_prompt) == ("a fox", "blurry")
    assert (request.sampler, request.schedule, request.steps) == ("Euler a", "Karras", 3)
    assert (request.width, request.height, request.seed) == (64, 64, 7)
    [image] = body["images"]
    with opened(image) as picture:
        assert picture.format == "PNG"
        assert picture.getpixel((0, 0)) == (0, 0, 7)  # the puppet's: the seed
        assert json.loads(picture.text["darkroom"])["request"]["seed"] == 7
        assert picture.text["parameters"] == info(answer)["infotexts"][0]


def test_info_is_text_with_all_of_a1111s_keys(api):
    told = info(api.txt2img(n_iter=2, cfg_scale=5, sampler_name="Euler a"))
    digest = api.services.library.hash("toy")
    text = "a fox\nSteps: 3, Sampler: Euler a, Schedule type: Automatic, CFG scale: 5, Seed: "
    assert [each.startswith(text) for each in told.pop("infotexts")] == [True, True]
    assert told.pop("version").startswith("darkroom-")
    assert len(told.pop("job_timestamp")) == 14
    assert told.pop("extra_generation_params") == {
        "Schedule type": "Automatic",
        "RNG": "CPU",
    }
    assert told == {
        "prompt": "a fox", "all_prompts": ["a fox"] * 2, "negative_prompt": "",
        "all_negative_prompts": [""] * 2, "seed": 7, "all_seeds": [7, 8], "subseed": -1,
        "all_subseeds": [-1, -1], "subseed_strength": 0, "width": 64, "height": 64,
        "sampler_name": "Euler a", "cfg_scale": 5.0, "steps": 3, "batch_size": 1,
        "restore_faces": False, "face_restoration_model": None, "sd_model_name": "toy",
        "sd_model_hash": digest[:10], "sd_vae_name": None, "sd_vae_hash": None,
        "seed_resize_from_w": -1, "seed_resize_from_h": -1, "denoising_strength": None,
        "index_of_first_image": 0, "styles": [], "clip_skip": 1,
        "is_using_inpainting_conditioning": False,
    }  # fmt: skip


def test_what_a_call_does_not_say_is_a1111s_default(api):
    request = api.request(api.post("txt2img", {"prompt": "a fox"}))
    assert (request.width, request.height, request.steps) == (512, 512, 50)
    assert (request.sampler, request.schedule) == ("Euler", "Automatic")
    assert (request.guidance_scale, request.images, request.negative_prompt) == (7.0, 1, "")
    assert (request.hires, request.init, request.variation) == (None, None, None)
    other = api.request(api.post("txt2img", {"prompt": "a fox"}))
    assert request.seed != other.seed


def test_nulls_mean_the_default_and_an_empty_body_is_a_call(api):
    names = api.txt2img().json()["parameters"]
    request = api.request(api.post("txt2img", dict.fromkeys(names)))
    assert (request.steps, request.width, request.sampler) == (50, 512, "Euler")
    assert api.request(api.client.post("/sdapi/v1/txt2img")).prompt == ""


@pytest.mark.parametrize(
    ("said", "field", "value"),
    [
        ({"steps": "9"}, "steps", 9),
        ({"steps": 9.0}, "steps", 9),
        ({"cfg_scale": "4.5"}, "guidance_scale", 4.5),
        ({"width": 128}, "width", 128),
        ({"height": 192}, "height", 192),
        ({"n_iter": 3}, "images", 3),
        ({"batch_size": 2}, "batch_size", 2),
        ({"batch_size": 2}, "images", 2),
        ({"sampler_index": "DPM++ 2M"}, "sampler", "DPM++ 2M"),
        ({"sampler_index": "DPM++ 2M", "sampler_name": "Heun"}, "sampler", "Heun"),
        ({"sampler_name": "k_euler_a"}, "sampler", "Euler a"),
        ({"sampler_name": "dpm++ 2m"}, "sampler", "DPM++ 2M"),
        ({"sampler_name": "DPM++ 2M Karras"}, "sampler", "DPM++ 2M"),
        ({"sampler_name": "DPM++ 2M Karras"}, "schedule", "Karras"),
        ({"sampler_name": "DPM++ 2M Karras", "scheduler": "exponential"}, "schedule", "Karras"),
        ({"scheduler": "sgm_uniform"}, "schedule", "SGM Uniform"),
        ({"scheduler": "SGM Uniform"}, "schedule", "SGM Uniform"),
        ({"scheduler": "automatic"}, "schedule", "Automatic"),
        ({"seed_resize_from_w": 128, "seed_resize_from_h": 64}, "seed_resize", (128, 64)),
        ({"seed_resize_from_w": 0, "seed_resize_from_h": 0}, "seed_resize", None),
        ({"subseed": 5, "subseed_strength": 0}, "variation", None),
    ],
)
def test_a_field_reaches_the_request(api, said, field, value):
    assert getattr(api.request(api.txt2img(**said)), field) == value


def test_a_subseed_is_a_variation(api):
    answer = api.txt2img(subseed=5, subseed_strength=0.3, n_iter=2)
    varied = api.request(answer).variation
    assert (varied.seed, varied.strength) == (5, 0.3)
    told = info(answer)
    assert (told["all_seeds"], told["all_subseeds"]) == ([7, 7], [5, 6])
    assert told["subseed_strength"] == 0.3
    assert api.request(api.txt2img(subseed=-1, subseed_strength=0.3)).variation.seed >= 0


@pytest.mark.parametrize(
    ("sampler", "said", "kept"),
    [
        ("Euler a", {"eta": 0.4, "s_noise": 0.9}, {"eta": 0.4, "s_noise": 0.9}),
        ("Euler a", {"s_churn": 3}, {}),
        (
            "Euler",
            {"s_churn": 3, "s_tmin": 0.1, "s_tmax": 9, "s_noise": 1.01, "eta": 1.0},
            {"s_churn": 3.0, "s_tmin": 0.1, "s_tmax": 9.0, "s_noise": 1.01},
        ),
        ("Euler", {"s_churn": 3, "s_tmax": 0}, {"s_churn": 3.0}),
    ],
)
def test_a_sampler_is_told_what_it_can_be_told(api, sampler, said, kept):
    answer = api.txt2img(sampler_name=sampler, **said)
    sampling = api.request(answer).sampling
    names = ("eta", "s_churn", "s_tmin", "s_tmax", "s_noise")
    found = {name: getattr(sampling, name) for name in names}
    assert {name: value for name, value in found.items() if value is not None} == kept
    assert answer.json()["ignored"] == [
        name for name in sorted(said) if name not in kept and (name, said[name]) != ("s_tmax", 0)
    ]


def test_hires_fix(api):
    said = {
        "enable_hr": True, "denoising_strength": 0.4, "hr_scale": 1.5, "hr_upscaler": "lanczos",
        "hr_second_pass_steps": 2, "hr_sampler_name": "Euler a", "hr_scheduler": "karras",
        "hr_prompt": "a bigger fox", "hr_negative_prompt": "small", "hr_cfg": 3,
    }  # fmt: skip
    answer = api.txt2img(**said)
    hires = api.request(answer).hires
    assert (hires.strength, hires.scale, hires.upscaler, hires.steps) == (0.4, 1.5, "Lanczos", 2)
    assert (hires.sampler, hires.schedule) == ("Euler a", "Karras")
    assert (hires.prompt, hires.negative_prompt) == ("a bigger fox", "small")
    assert hires.guidance_scale == 3.0
    assert answer.json()["ignored"] == []
    assert info(answer)["denoising_strength"] == 0.4


def test_hires_fix_with_what_clients_send_that_leave_it_to_defaults(api):
    said = {
        "enable_hr": True, "hr_upscaler": None, "hr_prompt": "", "hr_negative_prompt": "",
        "hr_sampler_name": "Use same sampler", "hr_scheduler": "Use same scheduler",
        "hr_checkpoint_name": "Use same checkpoint", "hr_resize_x": 0, "hr_resize_y": 0,
        "hr_additional_modules": None, "hr_cfg": None,
    }  # fmt: skip
    hires = api.request(api.txt2img(**said)).hires
    assert (hires.upscaler, hires.scale, hires.strength) == ("Latent", 2.0, 0.75)
    assert (hires.prompt, hires.negative_prompt, hires.sampler) == (None, None, None)
    assert (hires.schedule, hires.guidance_scale) == (None, None)


def test_hires_fix_to_a_size_and_in_the_old_form(api):
    hires = api.request(api.txt2img(enable_hr=True, hr_resize_x=128, hr_resize_y=96)).hires
    assert (hires.width, hires.height) == (128, 96)
    old = {"width": 192, "height": 128, "firstphase_width": 96, "firstphase_height": 64}
    request = api.request(api.txt2img(enable_hr=True, **old))
    assert (request.width, request.height) == (96, 64)
    assert (request.hires.width, request.hires.height) == (192, 128)
    assert api.request(api.txt2img(**old)).width == 192  # without hires fix it says nothing
    assert "hr_checkpoint_name" in api.refusal(
        api.txt2img(enable_hr=True, hr_checkpoint_name="other")
    )


def test_pictures_come_without_a_grid_unless_they_are_saved(api):
    answer = api.txt2img(n_iter=2, batch_size=2)
    assert len(answer.json()["images"]) == 4
    saved = api.txt2img(n_iter=2, save_images=True)
    assert (len(saved.json()["images"]), info(saved)["index_of_first_image"]) == (3, 1)
    assert len(info(saved)["infotexts"]) == 3
    assert info(saved)["all_seeds"] == [7, 8]
    with opened(saved.json()["images"][0]) as grid:
        assert grid.size == (128, 64)
    without = api.txt2img(n_iter=2, save_images=True, override_settings={"return_grid": False})
    assert len(without.json()["images"]) == 2


def test_pictures_stay_only_if_they_are_to_be_saved(api):
    def files():
        return {each for each in api.services.settings.outputs.rglob("*.png")}

    api.txt2img()
    assert files() == set()
    assert api.client.get("/api/v1/jobs").json()["jobs"] == []
    answer = api.txt2img(save_images=True)
    [kept] = files()
    assert look(kept.read_bytes()).parameters == info(answer)["infotexts"][0]
    assert [each["id"] for each in api.client.get("/api/v1/jobs").json()["jobs"]] == [
        answer.json()["job"]
    ]


def test_a_job_says_that_its_pictures_will_not_stay(api):
    def kept(id):
        return api.client.get(f"/api/v1/live?job={id}").json()["job"]["kept"]

    taken, saved = (api.txt2img(save_images=save).json()["job"] for save in (False, True))
    assert (kept(taken), kept(saved)) == (False, True)
    api.services.taken.discard([taken])  # as after a restart: the files say it
    assert not kept(taken)
    assert api.client.post(f"/api/v1/jobs/{saved}/drop").status_code == 200
    assert kept(saved)  # off the list; its pictures stay


def test_pictures_are_not_sent_if_nobody_wants_them(api):
    answer = api.txt2img(send_images=False)
    assert answer.json()["images"] == []
    assert info(answer)["all_seeds"] == [7]


def test_the_parameters_repeat_the_call_with_all_defaults(api):
    parameters = api.txt2img(url="http://x", styles=[]).json()["parameters"]
    assert parameters | SMALL == parameters
    assert (parameters["cfg_scale"], parameters["n_iter"], parameters["hr_scale"]) == (7.0, 1, 2.0)
    assert "url" not in parameters


def test_programs_get_the_defaults_that_they_know_whatever_suits_the_model(api):
    text = {"default_settings": {"steps": 4, "cfg_scale": 1.5, "sampler": "Heun", "clip_skip": 2}}
    path = api.services.settings.models_dir / "checkpoints" / "toy.json"
    path.write_text(json.dumps(text))
    request = api.request(api.post("txt2img", {"prompt": "a fox", "width": 64, "height": 64}))
    named = (request.steps, request.guidance_scale, request.sampler, request.clip_skip)
    assert named == (50, 7.0, "Euler", 1)


def test_what_does_nothing_is_named(api):
    answer = api.txt2img(
        url="x", auth="a:b", clip_skip=2, restore_faces=True, tiling=True, styles=["film"],
        override_settings={"forge_additional_modules": []}, s_min_uncond=1,
    )  # fmt: skip
    assert answer.json()["ignored"] == [
        "auth", "clip_skip", "forge_additional_modules", "restore_faces", "s_min_uncond",
        "styles", "tiling", "url",
    ]  # fmt: skip
    assert api.request(answer).clip_skip == 1
    assert api.txt2img(restore_faces=False, tiling=False, styles=[]).json()["ignored"] == []


def test_overridden_settings_count_for_their_job_alone(api):
    overridden = {
        "CLIP_stop_at_last_layers": 2, "sd_model_checkpoint": "toy", "sd_vae": "Automatic",
        "randn_source": "NV", "emphasis": "No norm",
    }  # fmt: skip
    request = api.request(api.txt2img(override_settings=overridden))
    assert (request.clip_skip, request.rng, request.emphasis) == (2, "nv", "no norm")
    assert api.request(api.txt2img()).clip_skip == 1
    assert api.get("options").json()["CLIP_stop_at_last_layers"] == 1
    api.txt2img(
        override_settings={"CLIP_stop_at_last_layers": 3},
        override_settings_restore_afterwards=False,
    )
    assert api.request(api.txt2img()).clip_skip == 3


def test_the_settings_eta_is_the_samplers_own(api):
    api.post("options", {"eta_ancestral": 0.5, "eta_ddim": 0.2})
    assert api.request(api.txt2img(sampler_name="Euler a")).sampling.eta == 0.5
    assert api.request(api.txt2img(sampler_name="DDIM")).sampling.eta == 0.2
    assert api.request(api.txt2img(sampler_name="Euler a", eta=0.7)).sampling.eta == 0.7
    assert api.request(api.txt2img(sampler_name="Euler")).sampling.eta is None


def test_an_infotext_fills_what_the_call_does_not_say(api):
    text = (
        "an owl\nNegative prompt: day\nSteps: 9, Sampler: Heun, Schedule type: Karras, "
        "CFG scale: 4, Seed: 11, Size: 128x192, Clip skip: 2, Denoising strength: 0.3, "
        "Hires upscale: 1.5, Hires upscaler: Lanczos, Version: v1.10.1"
    )
    request = api.request(api.post("txt2img", {"infotext": text, "steps": 4}))
    assert (request.prompt, request.negative_prompt, request.steps) == ("an owl", "day", 4)
    assert (request.sampler, request.schedule, request.seed) == ("Heun", "Karras", 11)
    assert (request.width, request.height, request.clip_skip) == (128, 192, 2)
    assert (request.hires.strength, request.hires.scale) == (0.3, 1.5)
    assert request.hires.upscaler == "Lanczos"
    other = {"infotext": text, "enable_hr": False, "override_settings": {
        "CLIP_stop_at_last_layers": 3}}  # fmt: skip
    request = api.request(api.post("txt2img", other))
    assert (request.hires, request.clip_skip) == (None, 3)


@pytest.mark.parametrize(
    "name", ["PLMS", "DDIM", "UniPC", "Euler a", "DPM++ 2M SDE Karras", "LCM", "Restart"]
)
def test_a1111s_own_tests_samplers(api, name):
    assert api.txt2img(sampler_index=name, sampler_name=None).status_code == 200
