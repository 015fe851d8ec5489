"""The request: total and strict in JSON, nested parts included; one image of a batch alone."""

import json
from dataclasses import replace

import pytest

from webui.errors import InvalidRequest
from webui.request import (
    GenerationRequest,
    Hires,
    InitImage,
    Loopback,
    Mask,
    Outpaint,
    Resume,
    SamplingOptions,
    ScheduleOptions,
    Tiles,
    Upscale,
    Variation,
    from_dict,
    from_json,
    to_dict,
    to_json,
)

PLAIN = GenerationRequest(model="m", prompt="p", seed=1)
FULL = GenerationRequest(
    model="m",
    prompt="p",
    seed=1,
    rng="nv",
    variation=Variation(seed=5, strength=0.25),
    seed_resize=(512, 768),
    sampler="Heun",
    sampling=SamplingOptions(
        eta=0.5, s_churn=3, s_tmin=0.1, s_tmax=50.0, s_noise=1.01, order=2, solver_type="heun"
    ),
    schedule_options=ScheduleOptions(sigma_min=0.1, sigma_max=12.0, rho=5, sigmas=(10, 3.5, 1, 0)),
    steps=3,
)


BRANCH = replace(
    PLAIN, resume=Resume(job="job-0001", batch=2, position=1, step=5, sha256="0a" * 32), stop_at=0.5
)

A, B = "0a" * 32, "0b" * 32
INPAINT = replace(
    PLAIN,
    init=InitImage(
        picture=A,
        strength=1,
        exact_steps=True,
        resize="crop and resize",
        noise_multiplier=1.1,
        mask=Mask(picture=B, inverted=True, blur=0, content="fill", area="only masked", soft=True),
        loopback=Loopback(loops=2, final_strength=0, curve="lazy"),
    ),
)
OUTPAINT = replace(PLAIN, init=InitImage(picture=A, outpaint=Outpaint(left=64, blend=0)))
TILES = replace(PLAIN, init=InitImage(picture=A, tiles=Tiles(scale=4, upscaler="x", overlap=8)))
HIRES = replace(
    PLAIN, hires=Hires(upscaler="Lanczos", width=1024, prompt="", guidance_scale=3, picture=A)
)
UPSCALE = replace(PLAIN, upscale=Upscale(picture=A, second="x", second_visibility=1, crop=True))
KINDS = {
    "plain": PLAIN, "full": FULL, "branch": BRANCH, "inpaint": INPAINT, "outpaint": OUTPAINT,
    "tiles": TILES, "hires": HIRES, "upscale": UPSCALE,
}  # fmt: skip


@pytest.mark.parametrize("request_", KINDS.values(), ids=KINDS)
def test_json_gives_an_equal_request_back(request_):
    assert from_json(to_json(request_)) == request_
    assert json.loads(to_json(request_)) == to_dict(request_)  # nothing that JSON would change
    hash(request_.sampling), hash(request_.schedule_options)


def test_a_request_stored_before_the_options_were_there_still_loads():
    old = {
        "model": "m", "prompt": "p", "negative_prompt": "", "emphasis": "original",
        "clip_skip": 1, "embeddings": {}, "seed": 1, "rng": "cpu",
        "sampler": "Euler a", "schedule": "Automatic", "steps": 20, "guidance_scale": 7.0,
        "width": 512, "height": 512, "images": 1, "batch_size": 1, "extras": {},
    }  # fmt: skip
    assert from_dict(old) == replace(PLAIN, sampler="Euler a")


RESUME = {"job": "job-0001", "batch": 0, "position": 0, "step": 3, "sha256": "0a" * 32}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sampling": {"eta": 2}}, "sampling.eta: must be from 0 to 1, got 2; try 1"),
        ({"sampling": {"eta": "x"}}, "sampling.eta: must be a number, got 'x'"),
        ({"sampling": {"s_noise": float("nan")}}, "sampling.s_noise: must be from 0 to 1.1"),
        ({"sampling": {"order": 2.0}}, "sampling.order: must be a whole number, got 2.0"),
        ({"sampling": {"order": 5}}, "sampling.order: must be from 1 to 4, got 5; try 4"),
        ({"sampling": {"solver_type": "x"}}, "sampling.solver_type: must be one of midpoint, "),
        ({"init": {}}, "init.picture: is missing"),
        ({"init": []}, "init: must be a JSON object"),
        ({"init": {"picture": "../x"}}, "init.picture: must be the sha256 of a picture that was "),
        ({"init": {"picture": A, "strength": 2}}, "init.strength: must be from 0 to 1, got 2"),
        ({"init": {"picture": A, "exact_steps": 1}}, "init.exact_steps: must be true or false, "),
        ({"init": {"picture": A, "mask": {}}}, "init.mask.picture: is missing"),
        ({"init": {"picture": A, "mask": A}}, "init.mask: must be a JSON object or null, got '0a"),
        (
            {"init": {"picture": A, "mask": {"picture": B, "content": "x"}}},
            "init.mask.content: must be one of fill, original, latent noise, latent nothing, got",
        ),
        ({"init": {"picture": A, "outpaint": {}}}, "init.outpaint: must grow at least one side"),
        (
            {"init": {"picture": A, "mask": {"picture": B}, "outpaint": {"up": 8}}},
            "init.outpaint: has a mask of its own; leave init.mask out",
        ),
        (
            {"init": {"picture": A, "tiles": {}, "outpaint": {"up": 8}}},
            "init.tiles: goes with neither a mask nor outpainting",
        ),
        ({"hires": {"width": 12}}, "hires.width: must be from 0 to 4096 and a multiple of 8, got"),
        ({"hires": {}, "init": {"picture": A}}, "hires: goes with a request from text alone"),
        ({"upscale": {"picture": A}, "hires": {}}, "upscale: makes one picture larger; leave"),
        ({"upscale": {"picture": A}, "images": 2}, "images: must be 1 where a picture is made lar"),
        ({"sampling": {"etta": 1}}, "sampling.etta: is not a field; known are ['eta', 'order', "),
        ({"sampling": []}, "sampling: must be a JSON object, got []"),
        ({"sampling": None}, "sampling: must be a JSON object, got None"),
        ({"schedule_options": 3}, "schedule_options: must be a JSON object, got 3"),
        (
            {"schedule_options": {"sigma_min": 3, "sigma_max": 2}},
            "schedule_options.sigma_min: must be below sigma_max, which is 2; got 3",
        ),
        ({"schedule_options": {"rho": 0}}, "schedule_options.rho: must be from 0.1 to 30, got 0"),
        ({"schedule_options": {"sigmas": "321"}}, "schedule_options.sigmas: must be a list"),
        ({"schedule_options": {"sigmas": [0]}}, "schedule_options.sigmas: must have 2 to 151"),
        ({"schedule_options": {"sigmas": [3, 1]}}, "schedule_options.sigmas: must end with 0"),
        (
            {"schedule_options": {"sigmas": [1, 3, 0]}},
            "schedule_options.sigmas: must fall from value to value, got 1, 3",
        ),
        (
            {"schedule_options": {"sigmas": [float("inf"), 0]}},
            "schedule_options.sigmas: must hold numbers from 0 to 1000, got inf",
        ),
        (
            {"schedule_options": {"sigmas": [True, 0]}},
            "schedule_options.sigmas: must hold numbers from 0 to 1000, got True",
        ),
        ({"schedule_options": {"sigmas": [3, 1, 0]}}, "steps: must be one less than"),
        ({"variation": {"seed": 3}}, "variation.strength: is missing"),
        ({"variation": {"seed": -1, "strength": 0.1}}, "variation.seed: must be from 0 to "),
        ({"variation": {"seed": 1, "strength": None}}, "variation.strength: must be a number"),
        ({"variation": 7}, "variation: must be a JSON object, got 7"),
        ({"seed_resize": [512]}, "seed_resize: must be [width, height], got [512]"),
        ({"seed_resize": "ab"}, "seed_resize: must be [width, height], got 'ab'"),
        ({"seed_resize": [512, 511]}, "seed_resize.height: must be from 64 to 2048 and"),
        ({"rng": "gpu"}, "rng: must be one of cpu, nv, got 'gpu'"),
        ({"stop_at": 0}, "stop_at: must be from 0.01 to 1, got 0; try 0.01"),
        ({"stop_at": None}, "stop_at: must be a number, got None"),
        ({"resume": {"job": "job-0001"}}, "resume.batch: is missing"),
        ({"resume": 5}, "resume: must be a JSON object, got 5"),
        ({"resume": RESUME | {"job": "../../etc"}}, "resume.job: must be a job's id, got '../../e"),
        ({"resume": RESUME | {"step": 0}}, "resume.step: must be from 1 to 1000000, got 0; try 1"),
        ({"resume": RESUME | {"position": 8}}, "resume.position: must be from 0 to 7, got 8"),
        ({"resume": RESUME | {"batch": True}}, "resume.batch: must be a whole number, got True"),
        ({"resume": RESUME | {"sha256": "0A" * 32}}, "resume.sha256: must be 64 hexadecimal digi"),
        ({"resume": RESUME | {"file": "x"}}, "resume.file: is not a field"),
        ({"resume": RESUME, "images": 2}, "images: must be 1 for a branch, got 2"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_what_can_never_run_is_refused_by_name(change, complaint):
    with pytest.raises(InvalidRequest) as refused:
        from_dict({"model": "m", "prompt": "p", "seed": 1, **change})
    assert str(refused.value).startswith(complaint)


def test_whole_numbers_become_floats_where_floats_belong():
    assert to_dict(FULL)["sampling"]["s_churn"] == 3.0
    assert isinstance(FULL.sampling.s_churn, float)
    assert FULL.schedule_options.sigmas == (10.0, 3.5, 1.0, 0.0)


def test_images_count_the_seed_up_and_with_a_variation_the_variations():
    batch = replace(PLAIN, seed=2**32 - 1, images=3, batch_size=2)
    assert [each.seed for each in batch.batch(0) + batch.batch(1)] == [2**32 - 1, 0, 1]
    varied = replace(batch, variation=Variation(seed=2**32 - 1, strength=0.1))
    alone = [*varied.batch(0), *varied.batch(1)]
    assert [each.seed for each in alone] == [2**32 - 1] * 3
    assert [each.variation.seed for each in alone] == [2**32 - 1, 0, 1]
    assert {(each.images, each.batch_size) for each in alone} == {(1, 1)}
    none = replace(batch, variation=Variation(seed=5, strength=0))
    assert none.batch_seeds(0) == [2**32 - 1, 0]


@pytest.mark.parametrize(
    ("embeddings", "problem"),
    [
        (["gold"], "must map embeddings' names to the sha256 of their files"),
        ({"gold": "abc"}, "must give 64 hexadecimal digits for 'gold', got 'abc'"),
        ({"gold": "A" * 64}, "must give 64 hexadecimal digits for 'gold', got"),
        ({"gold": 5}, "must give 64 hexadecimal digits for 'gold', got 5"),
    ],
)
def test_what_is_no_hash_of_an_embedding_is_refused(embeddings, problem):
    with pytest.raises(InvalidRequest) as raised:
        from_dict({"model": "m", "prompt": "p", "seed": 1, "embeddings": embeddings})
    assert raised.value.field == "embeddings"
    assert raised.value.problem.startswith(problem)


def test_hashes_of_embeddings_survive_json():
    made = GenerationRequest(model="m", prompt="p", seed=1, embeddings={"gold": "0a" * 32})
    assert from_json(to_json(made)) == made


@pytest.mark.parametrize(
    ("share", "steps", "last"),
    [(1, 20, 20), (0.3, 10, 3), (0.3, 20, 6), (0.31, 20, 7), (0.01, 4, 1)],
)
def test_a_share_of_the_steps_is_rounded_up(share, steps, last):
    assert replace(PLAIN, stop_at=share).last_step(steps) == last
