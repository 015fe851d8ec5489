"""The engine as a whole: what comes out for a request, on real networks of tiny size."""

import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
)

from tests.engine.conftest import die, make_engine, planned, play, request, tiny_pipeline
from webui.engine.engine import Control
from webui.engine.samplers import SAMPLERS
from webui.engine.schedules import SCHEDULES
from webui.errors import InvalidRequest, ModelNotFound, NotSaved
from webui.events import Look, Preview, Rendered, Stage, Step, Warned
from webui.request import to_dict
from webui.trajectories import Header, read_spool, read_step
from webui.wire import RunOptions


def pixels(event):
    flat = np.frombuffer(event.picture.rgb, np.uint8)
    return flat.reshape(event.picture.height, event.picture.width, 3).astype(int)


def by_diffusers(asked, scheduler, prediction="epsilon", factor=8):
    """The picture that diffusers' own pipeline makes of the same weights, noise and steps."""
    pipe = tiny_pipeline(prediction, factor)
    pipe.scheduler = scheduler.from_config(
        pipe.scheduler.config, use_karras_sigmas=True, timestep_spacing="linspace"
    )
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator("cpu").manual_seed(asked.seed)
    image = pipe(
        asked.prompt,
        negative_prompt=asked.negative_prompt,
        num_inference_steps=asked.steps,
        guidance_scale=asked.guidance_scale,
        width=asked.width,
        height=asked.height,
        generator=generator,
        output_type="np",
    ).images[0]
    return (image * 255).round().astype(int)


@pytest.mark.parametrize(
    ("model", "prediction", "factor"),
    [("tiny", "epsilon", 8), ("tiny-v", "v_prediction", 8), ("tiny-4", "epsilon", 4)],
)
def test_a_picture_equals_the_one_of_diffusers_pipeline(engine, model, prediction, factor):
    asked = request(model=model, sampler="Euler", schedule="Karras", steps=10)
    (mine,) = play(engine, asked).of(Rendered)
    theirs = by_diffusers(asked, EulerDiscreteScheduler, prediction, factor)
    assert np.abs(pixels(mine) - theirs).max() <= 1


def test_dpmpp_2m_equals_diffusers_but_for_its_rounded_timesteps(engine):
    asked = request(sampler="DPM++ 2M", schedule="Karras", steps=10, width=128)
    (mine,) = play(engine, asked).of(Rendered)
    theirs = by_diffusers(asked, DPMSolverMultistepScheduler)
    assert np.abs(pixels(mine) - theirs).mean() < 1


def test_euler_a_draws_the_noise_that_diffusers_draws(engine):
    asked = request(sampler="Euler a", schedule="Uniform", steps=10)
    (mine,) = play(engine, asked).of(Rendered)
    pipe = tiny_pipeline()
    pipe.scheduler = EulerAncestralDiscreteScheduler.from_config(
        pipe.scheduler.config, timestep_spacing="linspace"
    )
    pipe.set_progress_bar_config(disable=True)
    theirs = pipe(
        asked.prompt,
        negative_prompt=asked.negative_prompt,
        num_inference_steps=10,
        guidance_scale=5.0,
        width=64,
        height=64,
        generator=torch.Generator("cpu").manual_seed(asked.seed),
        output_type="np",
    ).images[0]
    assert np.abs(pixels(mine) - (theirs * 255).round()).mean() < 1


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M", "DPM++ SDE", "DPM adaptive", "UniPC"])
def test_the_same_request_gives_the_same_bits_warm_or_fresh(engine, models_dir, sampler):
    asked = request(sampler=sampler)
    first = play(engine, asked).pictures
    play(engine, request(sampler=sampler, prompt="another", seed=5, width=128))
    assert play(engine, asked).pictures == first
    assert play(make_engine(models_dir), asked).pictures == first


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a green frog"},
        {"negative_prompt": "yellow"},
        {"clip_skip": 2},
        {"seed": 12},
        {"guidance_scale": 6.0},
        {"steps": 7},
        {"sampler": "Euler"},
        {"schedule": "Uniform"},
        {"model": "tiny-v"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_that_should_change_the_picture_does(engine, change):
    assert play(engine, request()).pictures != play(engine, request(**change)).pictures


def test_automatic_is_karras_for_dpmpp_2m_and_uniform_for_the_others(engine):
    for sampler, schedule in (("DPM++ 2M", "Karras"), ("Euler", "Uniform"), ("Euler a", "Uniform")):
        automatic = play(engine, request(sampler=sampler, schedule="Automatic")).pictures
        assert automatic == play(engine, request(sampler=sampler, schedule=schedule)).pictures


def test_picture_i_of_a_batch_is_seed_plus_i_made_alone(engine):
    batch = play(engine, request(images=5, batch_size=2, sampler="Euler a")).of(Rendered)
    assert [each.image for each in batch] == [0, 1, 2, 3, 4]
    assert [each.request for each in batch] == [
        request(seed=11 + i, sampler="Euler a") for i in range(5)
    ]
    for each in batch:
        (alone,) = play(engine, each.request).of(Rendered)
        assert np.abs(pixels(each) - pixels(alone)).max() <= 2


def test_seeds_wrap_around_at_the_end(engine):
    batch = play(engine, request(seed=2**32 - 1, images=2)).of(Rendered)
    assert [each.request.seed for each in batch] == [2**32 - 1, 0]


def test_at_guidance_1_the_negative_prompt_is_not_even_asked(engine, monkeypatch):
    plain = play(engine, request(guidance_scale=1.0, negative_prompt="")).pictures
    assert play(engine, request(guidance_scale=1.0, negative_prompt="a dog")).pictures == plain


def test_every_step_is_told_in_order_with_its_noise_level(engine):
    run = play(engine, request(steps=4, images=2))
    assert [(each.batch, each.step, each.steps) for each in run.of(Step)] == [
        (batch, step, 4) for batch in (0, 1) for step in (1, 2, 3, 4)
    ]
    sigmas = [each.sigma for each in run.of(Step)][:4]
    assert sigmas == sorted(sigmas, reverse=True)
    assert sigmas[-1] == 0.0
    assert run.outcome == "done"
    assert [each.name for each in run.of(Stage)] == [
        "loading model", "encoding prompt", "sampling", "decoding", "sampling", "decoding",
    ]  # fmt: skip


def test_previews_come_as_often_as_asked_and_always_for_the_last_step(engine):
    run = play(engine, request(steps=5), RunOptions(noisy="fast", predicted="vae", every=2))
    assert [
        (each.step, each.kind, each.method, each.picture.width, each.picture.height)
        for each in run.of(Preview)
    ] == [
        (step, kind, method, size, size)
        for step in (2, 4, 5)
        for kind, method, size in (("noisy", "fast", 8), ("predicted", "vae", 64))
    ]


def test_a_vae_preview_of_the_last_step_is_the_picture_itself(engine):
    run = play(engine, request(), RunOptions(predicted="vae", every=99))
    assert [each.picture.rgb for each in run.of(Preview)] == run.pictures


def test_previews_change_nothing_in_the_picture(engine):
    watched = RunOptions(noisy="vae", predicted="fast", every=1)
    asked = request(sampler="Euler a")
    assert play(engine, asked, watched).pictures == play(engine, asked).pictures


def test_a_batchs_preview_shows_its_images_side_by_side(engine):
    run = play(engine, request(images=3, batch_size=3), RunOptions(predicted="fast", every=99))
    (preview,) = run.of(Preview)
    assert (preview.picture.width, preview.picture.height) == (16, 16)
    assert pixels(preview)[8:, 8:].max() == 0  # the fourth place is empty


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"sampler": "Eular"},
            f"sampler: 'Eular' is not known; known are {', '.join(SAMPLERS)}",
        ),
        (
            {"schedule": "carras"},
            f"schedule: 'carras' is not known; known are Automatic, {', '.join(SCHEDULES)}",
        ),
    ],
)
def test_an_unknown_name_is_refused_with_the_names_there_are(engine, change, text):
    with pytest.raises(InvalidRequest) as caught:
        play(engine, request(**change))
    assert str(caught.value) == text


def test_an_unknown_model_is_refused(engine):
    with pytest.raises(ModelNotFound, match="nothing-here"):
        play(engine, request(model="nothing-here"))


# --- stopping -------------------------------------------------------------------------------------


def stopped_at(engine, step, stop, **values):
    """Plays a run that is asked to stop as soon as `step` has been told."""
    control = Control()
    run = engine.run(request(steps=8, **values), RunOptions(), control)
    events = []
    try:
        while True:
            events.append(next(run))
            if isinstance(events[-1], Step) and events[-1].step == step:
                control.stop = stop
    except StopIteration as ended:
        return events, ended.value


def test_an_interrupt_stops_after_the_step_and_decodes_what_there_is(engine):
    events, outcome = stopped_at(engine, 3, "keep", images=2)
    assert outcome == "stopped"
    assert [each.step for each in events if isinstance(each, Step)] == [1, 2, 3]
    (rendered,) = [each for each in events if isinstance(each, Rendered)]
    assert rendered.notes == ("Stopped at step: 3",)
    watched = play(engine, request(steps=8), RunOptions(predicted="vae"))
    assert rendered.picture == watched.of(Preview)[2].picture


def test_throwing_away_stops_after_the_step_without_a_picture(engine):
    events, outcome = stopped_at(engine, 3, "discard", images=2)
    assert outcome == "cancelled"
    assert [each.step for each in events if isinstance(each, Step)] == [1, 2, 3]
    assert not [each for each in events if isinstance(each, Rendered)]


def test_a_stopped_run_leaves_the_next_one_bit_identical(engine):
    before = play(engine, request()).pictures
    stopped_at(engine, 2, "keep")
    stopped_at(engine, 2, "discard")
    assert play(engine, request()).pictures == before


# --- the trajectory -------------------------------------------------------------------------------


def test_every_step_is_kept_and_can_be_drawn_again(engine, tmp_path):
    options = RunOptions(keep=str(tmp_path), noisy="fast", predicted="vae")
    run = play(engine, request(images=2, batch_size=2), options)
    assert [path.name for path in tmp_path.iterdir()] == ["batch-000.safetensors"]
    for preview in run.of(Preview):
        again = engine.preview(tmp_path, Look(0, preview.step, preview.kind, preview.method))
        assert again == preview.picture
    assert engine.preview(tmp_path, Look(0, 7, "noisy", "fast")) is None
    assert engine.preview(tmp_path, Look(1, 1, "noisy", "fast")) is None
    assert read_step(tmp_path, 0, 6).sigma == 0.0


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("k", [1, 4])
def test_a_run_that_died_after_k_steps_goes_on_to_the_same_bits(warm, tmp_path, sampler, k):
    engine = warm
    asked = request(sampler=sampler, images=2, batch_size=2)
    whole = play(engine, asked)
    total = len(whole.of(Step))
    k = min(k, total)
    options = RunOptions(keep=str(tmp_path))
    dying = engine.run(asked, options)
    steps = 0
    while steps < k:
        steps += isinstance(next(dying), Step)
    dying.close()  # what a killed process leaves behind is the spool as it is now
    rest = play(engine, asked, options)
    assert [each.step for each in rest.of(Step)] == list(range(k + 1, total + 1))
    assert rest.pictures == whole.pictures


def test_steps_that_cannot_be_kept_in_the_end_cost_no_picture(engine, tmp_path):
    folder, events = tmp_path / "kept", []
    for event in engine.run(request(), RunOptions(keep=str(folder))):
        events.append(event)
        if isinstance(event, Step) and event.step == 3:
            shutil.rmtree(folder)
    assert isinstance(events[-1], Rendered)
    assert Warned(f"the steps cannot be kept in {folder}: No such file or directory") in events


def test_a_place_that_takes_no_steps_fails_the_run_and_is_named(engine, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotSaved, match=rf"^the steps cannot be kept in {tmp_path}/file: "):
        play(engine, request(), RunOptions(keep=str(tmp_path / "file")))


def test_a_record_cut_by_the_crash_is_made_again(engine, tmp_path):
    asked, options = request(sampler="Euler a"), RunOptions(keep=str(tmp_path))
    die(engine, asked, options, (0, 4))
    spool = tmp_path / "batch-000.spool"
    spool.write_bytes(spool.read_bytes()[:-7])
    rest = play(engine, asked, options)
    assert [each.step for each in rest.of(Step)] == [4, 5, 6]
    assert rest.pictures == play(engine, asked).pictures


def test_a_damaged_record_ends_what_is_kept(engine, tmp_path):
    asked = request()
    die(engine, asked, RunOptions(keep=str(tmp_path)), (0, 3))
    spool = tmp_path / "batch-000.spool"
    data = bytearray(spool.read_bytes())
    data[-1000] ^= 1  # in the last record
    spool.write_bytes(data)
    sigmas = tuple(float(each) for each in _sigmas(engine, asked))
    header = Header(to_dict(asked), 0, (1, 4, 8, 8), sigmas)
    assert [step.step for step in read_spool(tmp_path, header)] == [1, 2]
    other = Header(to_dict(replace(asked, seed=1)), 0, (1, 4, 8, 8), sigmas)
    assert read_spool(tmp_path, other) == []  # another request's steps are never taken


def _sigmas(engine, asked):
    return planned(engine, asked).sigmas


def test_later_batches_alone_are_made_when_the_first_are_there(engine):
    whole = play(engine, request(images=3))
    rest = play(engine, request(images=3), RunOptions(first_batch=2))
    assert [each.image for each in rest.of(Rendered)] == [2]
    assert rest.pictures == whole.pictures[2:]


def test_an_engine_can_be_used_from_another_thread(engine):
    results = []
    worker = threading.Thread(target=lambda: results.append(play(engine, request()).pictures))
    worker.start()
    worker.join()
    assert results == [play(engine, request()).pictures]
