"""Bodies that mean harm, or nothing: a sentence and a 4xx, never a 5xx, and no job."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sdapi.conftest import SMALL, coded
from webui.api.sdapi import fields

POSTS = (
    "txt2img", "img2img", "extra-single-image", "extra-batch-images", "png-info", "interrogate",
    "options",
)  # fmt: skip
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b'{"steps": NaN}', 400, "NaN"),
        (b'{"steps": Infinity}', 400, "Infinity"),
        (b'{"steps": 1e999}', 400, "too large"),
        (b"[1]", 422, "must be a JSON object"),
        (b'"x"', 422, "must be a JSON object"),
        (b"null", 422, "must be a JSON object"),
        (b"{", 400, "not valid JSON"),
        (b"\xff\xfe", 400, "UTF-8"),
        (b'{"a": ' + b"[" * 100_000, 400, "nested"),
        (b'{"a": 1, "a": 2}', 400, "twice"),
        (b'{"prompt": "\\ud800"}', 400, "surrogate"),
    ],
)
def test_a_body_that_is_none(api, path, body, status, text):
    answer = api.client.post(f"/sdapi/v1/{path}", content=body, headers=JSON)
    assert text in api.refusal(answer)
    assert answer.status_code == status
    assert api.services.line.jobs() == []


def test_a_body_of_another_kind(api):
    body = json.dumps(SMALL)
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        headers = {"content-type": kind} if kind else {}
        answer = api.client.post("/sdapi/v1/txt2img", content=body, headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (
            415, "the body must be application/json",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"width": 0}, "width: must be from 64"),
        ({"width": -64}, "width"),
        ({"width": 65}, "width"),
        ({"width": 10**9}, "width"),
        ({"width": 10**400}, "width: must be from 64"),
        ({"width": "9" * 5000}, "width: must be a whole number"),
        ({"width": 2048, "height": 2048}, "width: x height must be at most 262144 pixels"),
        ({"height": 64.5}, "height: must be a whole number"),
        ({"steps": 0}, "steps: must be from 1 to 150"),
        ({"steps": 10**6}, "steps"),
        ({"steps": [3]}, "steps: must be a whole number"),
        ({"steps": True, "width": 65}, "width"),
        ({"cfg_scale": "NaN"}, "cfg_scale: must be a number"),
        ({"cfg_scale": "inf"}, "cfg_scale: must be a number"),
        ({"cfg_scale": 10**400}, "cfg_scale: must be a number"),
        ({"cfg_scale": {}}, "cfg_scale: must be a number"),
        ({"n_iter": 0}, "n_iter: must be from 1 to 100"),
        ({"n_iter": 101}, "n_iter"),
        ({"batch_size": 99}, "batch_size"),
        ({"batch_size": 2, "width": 512, "height": 512}, "batch_size"),
        ({"seed": 2**32}, "seed: must be -1 for a random one, or 0 to 4294967295; got 4294967296"),
        ({"seed": -2}, "seed"),
        ({"seed": "fox"}, "seed: must be a whole number"),
        ({"subseed_strength": 2}, "subseed_strength"),
        ({"sampler_name": "Nobody"}, "sampler_name: must be one of: DPM++ 2M"),
        ({"sampler_name": 5}, "sampler_name: must be text"),
        ({"sampler_name": " ".join("a" * 5000)}, "sampler_name: must be one of"),
        ({"scheduler": "nobody"}, "scheduler: must be one of: Automatic"),
        ({"prompt": 5}, "prompt: must be text"),
        ({"prompt": ["a"]}, "prompt: must be text"),
        ({"prompt": "a\0b"}, "prompt: has an invisible character, U+0000, at place 2"),
        ({"prompt": "x" * 200_000}, "prompt: has 200000 characters"),
        ({"override_settings": [1]}, "override_settings: must be a JSON object"),
        ({"alwayson_scripts": "x"}, "alwayson_scripts: must be a JSON object"),
        ({"script_name": 5}, "script_name"),
        ({"script_name": ["x"]}, "script_name"),
        ({"send_images": "perhaps"}, "send_images: must be true or false"),
        ({"save_images": []}, "save_images"),
        ({"force_task_id": 5}, "force_task_id: must be text"),
        ({"force_task_id": "x" * 300}, "force_task_id"),
        ({"infotext": 5}, "infotext: must be text"),
        ({"refiner_checkpoint": "other"}, "refiner_checkpoint: cannot be used"),
        ({"enable_hr": True, "hr_scale": 99}, "hr_scale: must be from 1 to 4"),
        ({"enable_hr": True, "hr_upscaler": "Nobody"}, "hr_upscaler: must be one of"),
        ({"enable_hr": True, "hr_second_pass_steps": -1}, "hr_second_pass_steps"),
        ({"enable_hr": True, "hr_sampler_name": "Nobody"}, "hr_sampler_name"),
        ({"enable_hr": True, "denoising_strength": 7}, "denoising_strength"),
        ({"enable_hr": True, "width": 512, "height": 512}, "hr_scale: would make 1024 x 1024"),
    ],
)
def test_a_value_that_cannot_be(api, said, text):
    answer = api.txt2img(**said)
    assert api.refusal(answer).startswith(text.split(":")[0]) and text in api.refusal(answer)
    assert answer.status_code == (400 if text.startswith("sampler_name: must be one") else 422)
    assert api.services.line.jobs() == []


def test_nothing_that_was_sent_comes_back_in_an_error(api):
    secret = "z" * 70_000
    for body in ({"steps": secret}, {"prompt": {"a": secret}}, {secret: 1, "steps": "x"}):
        assert len(api.txt2img(**body).text) < 1000


def test_many_unknown_keys_are_neither_kept_nor_all_named(api):
    answer = api.txt2img(**{f"key-{number}" + "x" * 500: 1 for number in range(500)})
    ignored = answer.json()["ignored"]
    assert len(ignored) == 50 and max(map(len, ignored)) == 80
    assert len(answer.json()["parameters"]) < 100


def test_a_large_body_is_taken_and_one_too_large_is_not(api):
    noise = coded() + "\n" * (5 * 2**20)
    assert api.img2img(init_images=[noise]).status_code == 200
    answer = api.txt2img(x="y" * (64 * 2**20))
    assert answer.status_code == 413


def test_addresses_that_are_not_there(api):
    for path in ("/sdapi/v1/nobody", "/sdapi/v2/txt2img", "/internal/sysinfo"):
        answer = api.client.get(path)
        assert answer.status_code == 404
        assert api.refusal(answer) == "there is nothing at this address"
    assert api.client.post("/sdapi/v1/server-kill", json={}).status_code == 404
    assert api.client.get("/sdapi/v1/txt2img").status_code in (404, 405)


WORDS = st.sampled_from(
    ["", "x", "-1", "1e9", "Euler a", "karras", "None", "data:", "data:image/png;base64,", "\u2028"]
)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    WORDS, st.text(max_size=9), st.lists(WORDS, max_size=3),
    st.dictionaries(WORDS, st.one_of(WORDS, st.integers()), max_size=3),
)  # fmt: skip
NAMES = {
    "txt2img": (*fields.ECHO_TXT2IMG, "hr_cfg"),
    "img2img": tuple(fields.ECHO_IMG2IMG),
    "options": ("sd_model_checkpoint", "sd_vae", "eta_ddim", "emphasis", "samples_format"),
    "extra-single-image": ("image", "upscaler_1", "resize_mode", "upscaling_resize", "upscaler_2"),
    "png-info": ("image",),
}


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), path=st.sampled_from(sorted(NAMES)))
def test_whatever_a_body_holds_the_answer_is_an_answer(api, data, path):
    names = st.sampled_from(NAMES[path])
    body = data.draw(st.dictionaries(names, VALUES, max_size=6))
    start = {"steps": 1, "width": 64, "height": 64, "init_images": [coded()]}
    answer = api.post(path, (start if path.endswith("img") else {}) | body)
    assert answer.status_code in (200, 400, 404, 409, 422), (body, answer.text)
    if answer.status_code != 200:
        api.refusal(answer)
