"""POST /api/v1/recipes: how a picture was made, from its file or a text."""

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.test_pictures import stealthy
from webui.metadata import images, parameters_text, record_text
from webui.request import GenerationRequest, Variation, to_dict

ADDRESS = "/api/v1/recipes"
CAT = GenerationRequest(
    model="toy",
    prompt='a "cat", (sharp:1.2)\nNegative prompt: not this one',
    negative_prompt="dog",
    seed=7,
    sampler="Euler a",
    schedule="Karras",
    steps=12,
    width=256,
    height=320,
    variation=Variation(seed=3, strength=0.25),
    images=6,
    batch_size=2,
)
OPTIONS = {
    "vae": "Automatic", "sampling.eta": None, "sampling.s_churn": None, "sampling.s_tmin": None,
    "sampling.s_tmax": None, "sampling.s_noise": None, "sampling.order": None,
    "sampling.solver_type": None, "schedule_options.sigma_min": None,
    "schedule_options.sigma_max": None, "schedule_options.rho": None,
    "schedule_options.sigmas": None, "schedule_options.shift": None, "variation.seed": None,
    "variation.strength": None,
    "seed_resize.width": None, "seed_resize.height": None,
} | dict.fromkeys(images.NAMES)  # fmt: skip


def png(**texts):
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def post_picture(client, data, kind="image/png"):
    return client.post(ADDRESS, content=data, headers={"content-type": kind})


def test_our_own_picture_gives_back_its_exact_request(client, services):
    model_hash = services.library.hash("toy")
    text = parameters_text(CAT, model_hash, "0.1.0")
    record = record_text(CAT, model_hash, "0.1.0")
    answer = post_picture(client, png(parameters=text, darkroom=record))
    assert answer.status_code == 200
    assert answer.json() == {
        "source": "darkroom",
        "tab": "txt2img",
        "values": OPTIONS | {
            "prompt": CAT.prompt, "negative_prompt": "dog", "model": "toy", "sampler": "Euler a",
            "schedule": "Karras", "steps": 12, "guidance_scale": 7.0, "width": 256, "height": 320,
            "seed": 7, "rng": "cpu", "emphasis": "original", "clip_skip": 1,
            "variation.seed": 3, "variation.strength": 0.25, "batch_count": 3, "batch_size": 2,
        },
        "lost": [],
        "request": to_dict(CAT),
        "parameters": text,
        "pairs": [
            ["Steps", "12"], ["Sampler", "Euler a"], ["Schedule type", "Karras"],
            ["CFG scale", "7"], ["Seed", "7"], ["Size", "256x320"],
            ["Model hash", model_hash[:10]], ["Model", "toy"], ["Variation seed", "3"],
            ["Variation seed strength", "0.25"], ["RNG", "CPU"], ["Version", "darkroom-0.1.0"],
        ],
        "chunks": [
            {"name": "parameters", "kind": "tEXt", "text": text},
            {"name": "darkroom", "kind": "tEXt", "text": record},
        ],
        "picture": {"format": "PNG", "width": 64, "height": 48, "mode": "RGB"},
    }  # fmt: skip


def test_a_pasted_text_of_a1111_fills_fields_and_names_what_is_lost(client):
    text = (
        "a cat\nsecond line\nNegative prompt: dog\nSteps: 200, Sampler: DPM++ 2M Karras, "
        "CFG scale: 6.5, Seed: 42, Size: 512x768, Model hash: 6ce0161689, Model: v1-5, "
        'Clip skip: 2, Hires prompt: "x, y", Version: v1.10.1'
    )
    answer = client.post(ADDRESS, json={"text": text})
    assert answer.status_code == 200
    assert answer.json() | {"pairs": None} == {
        "source": "a1111",
        "tab": "txt2img",
        "values": OPTIONS | {
            "prompt": "a cat\nsecond line", "negative_prompt": "dog", "sampler": "DPM++ 2M",
            "schedule": "Karras", "steps": 150, "guidance_scale": 6.5, "seed": 42, "width": 512,
            "height": 768, "rng": "nv", "emphasis": "original", "clip_skip": 2,
            "hires.prompt": "x, y", "hires.upscaler": "Latent", "hires.scale": 2.0,
            "hires.width": 0, "hires.height": 0, "hires.steps": 0, "hires.strength": 0.7,
        },
        "lost": [
            {"name": "Model", "value": "v1-5", "why": "there is no such model here"},
            {"name": "Steps", "value": "200",
             "why": "must be from 1 to 150; 150 is set instead"},
        ],
        "request": None,
        "parameters": text,
        "pairs": None,
        "chunks": [],
        "picture": None,
    }  # fmt: skip


def test_a_picture_or_a_text_without_a_recipe_says_so(client):
    empty = {
        "source": None,
        "tab": None,
        "values": {},
        "lost": [],
        "request": None,
        "pairs": [],
        "chunks": [],
    }
    answer = post_picture(client, png()).json()
    assert answer == empty | {
        "parameters": None,
        "picture": {"format": "PNG", "width": 64, "height": 48, "mode": "RGB"},
    }
    answer = client.post(ADDRESS, json={"text": "a mere prompt: a cat"}).json()
    assert answer == empty | {"parameters": "a mere prompt: a cat", "picture": None}


def test_a_text_hidden_in_the_pixels_is_read_where_there_is_no_other(client):
    hidden = stealthy(b"a cat\nSteps: 9, Seed: 8, Sampler: Euler a", b"stealth_pnginfo")
    buffer = io.BytesIO()
    hidden.save(buffer, "PNG")
    answer = post_picture(client, buffer.getvalue()).json()
    assert (answer["source"], answer["values"]["steps"]) == ("a1111", 9)
    assert [(each["name"], each["kind"]) for each in answer["chunks"]] == [
        ("parameters", "stealth")
    ]
    assert post_picture(client, buffer.getvalue()[:-3000]).json()["source"] is None
    info = PngInfo()
    info.add_text("parameters", "other\nSteps: 5, Seed: 8, Sampler: Euler a")
    buffer = io.BytesIO()
    hidden.save(buffer, "PNG", pnginfo=info)
    answer = post_picture(client, buffer.getvalue()).json()
    assert answer["values"]["steps"] == 5
    assert [each["kind"] for each in answer["chunks"]] == ["tEXt"]


def test_a_damaged_record_gives_way_to_the_text_and_is_named(client):
    record = json.loads(record_text(CAT, "", "1"))
    record["request"]["steps"] = 0
    text = parameters_text(CAT, "", "1")
    data = png(parameters=text, darkroom=json.dumps(record))
    answer = post_picture(client, data).json()
    assert (answer["source"], answer["request"]) == ("a1111", None)
    assert answer["values"]["steps"] == 12 and "batch_count" not in answer["values"]
    (lost,) = answer["lost"]
    assert lost["name"] == "darkroom" and "steps" in lost["why"] and "instead" in lost["why"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "field"),
    [
        (b"{}", "application/json", 422, "text"),
        (b'{"text": 5}', "application/json", 422, "text"),
        (b'{"text": "a", "more": 1}', "application/json", 422, "more"),
        (b"[]", "application/json", 422, "request"),
        (b'{"text": "\\ud800"}', "application/json", 400, None),
        (b'{"text": "%s"}' % (b"x" * (2**20 + 1)), "application/json", 422, "text"),
        (b"", "image/png", 422, "picture"),
        (b"<svg/>", "image/svg+xml", 422, "picture"),
        (b"\x89PNG\r\n\x1a\n", "image/png", 422, "picture"),
        (b"x", "text/plain", 415, None),
        (b"x", "multipart/form-data; boundary=x", 415, None),
    ],
)
def test_other_bodies_are_refused_with_the_field_named(client, body, kind, status, field):
    answer = client.post(ADDRESS, content=body, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)


def test_a_picture_is_counted_like_an_upload(client, services):
    line = services.line.jobs(10)
    answer = post_picture(client, b"\x89PNG\r\n\x1a\n" + bytes(64 * 2**20))
    assert answer.status_code == 413 and services.line.jobs(10) == line


def test_any_number_of_pictures_is_read_one_after_the_other_also_bad_ones(client):
    answers = [post_picture(client, data).status_code for data in (png(), b"bad") * 6]
    assert answers == [200, 422] * 6


def test_another_site_cannot_send_one(client):
    headers = {"content-type": "image/png", "origin": "http://evil.com"}
    assert client.post(ADDRESS, content=png(), headers=headers).status_code == 403


def test_texts_whose_model_is_looked_for_hold_four_threads_and_no_picture_up(
    client, services, monkeypatch
):
    """40 that wait for large models to be hashed would leave none for the page."""
    waiting, let_go = threading.Semaphore(0), threading.Event()

    def hashed(name, at_once=False):
        waiting.release()
        assert let_go.wait(30)
        return "0" * 64

    monkeypatch.setattr(services.library, "hash", hashed)
    text = "a cat\nSteps: 20, Sampler: Euler a, Model hash: 0123456789"
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(client.post, ADDRESS, json={"text": text}) for _ in range(4)]
        try:
            for _ in asked:
                assert waiting.acquire(timeout=30)
            refused = client.post(ADDRESS, json={"text": text})
            picture = post_picture(client, png(comment="nothing"))
        finally:
            let_go.set()
        assert [each.result().status_code for each in asked] == [200] * 4
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert picture.status_code == 200
    assert client.post(ADDRESS, json={"text": text}).status_code == 200


def test_a_job_gives_its_request_by_the_names_of_the_form(client):
    client.post("/api/v1/queue/pause")
    asked = {"prompt": "a cat", "images": 6, "batch_size": 2, "seed": 5, "width": 128}
    asked |= {"sampler": "Euler a"}
    job = client.post("/api/v1/jobs", json={"request": asked}).json()
    answer = client.get(f"/api/v1/jobs/{job['id']}/recipe").json()
    values = answer["values"]
    assert (answer["source"], values["prompt"], values["seed"]) == ("darkroom", "a cat", 5)
    assert (values["batch_count"], values["batch_size"], values["width"]) == (3, 2, 128)
    assert values["sampler"] == "Euler a"
    assert client.get("/api/v1/jobs/no-such-job/recipe").status_code == 404
