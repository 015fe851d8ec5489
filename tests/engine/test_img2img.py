"""A picture made anew: against diffusers' pipeline, A1111's step rule, and from the middle of every
sampler's way."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionImg2ImgPipeline
from torch.nn import functional

from tests.engine.conftest import die, play, request, tiny_pipeline
from tests.engine.pictures import results, scene, sent
from webui.engine import autoencoder
from webui.engine.samplers import SAMPLERS
from webui.engine.upscalers import latent
from webui.errors import InvalidRequest, OutOfMemory
from webui.events import Look, Preview, Rendered, Step
from webui.request import Hires, InitImage, Resume, ScheduleOptions, Variation
from webui.request.turns import steps_made
from webui.trajectories import digest, kept_steps, read_header
from webui.wire import RunOptions


@pytest.fixture
def asked(tmp_path):
    """(the picture, what img2img is told of it, more of the request) -> a request, its options."""
    folder = tmp_path / "inputs"

    def make(init=None, picture=None, **values):
        sha256 = sent(folder, picture or scene())
        given = InitImage(picture=sha256, **(init or {}))
        return request(init=given, **values), RunOptions(inputs=str(folder))

    return make


def test_a_picture_made_anew_equals_the_one_of_diffusers_pipeline(engine, asked):
    wanted, options = asked({"strength": 0.55}, sampler="Euler", schedule="Karras", steps=10)
    mine = results(play(engine, wanted, options))[0]
    pipe = tiny_pipeline()
    pipe.scheduler = EulerDiscreteScheduler.from_config(
        pipe.scheduler.config, use_karras_sigmas=True, timestep_spacing="linspace"
    )
    pipe = StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    source = torch.from_numpy(np.array(scene(), np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    with torch.no_grad():
        latents = pipe.vae.encode(source).latent_dist.mean * pipe.vae.config.scaling_factor
    theirs = pipe(
        wanted.prompt,
        latents,
        negative_prompt=wanted.negative_prompt,
        num_inference_steps=10,
        strength=0.6,  # of which diffusers makes 6, as A1111 does at 0.55
        guidance_scale=wanted.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(wanted.seed),
        output_type="np",
    ).images[0]
    assert np.abs(mine - (theirs * 255).round()).max() <= 1


@pytest.mark.parametrize(
    ("steps", "strength", "made"),
    [(20, 0.75, 16), (20, 0.5, 11), (20, 0.0, 1), (20, 1.0, 20), (1, 0.3, 1), (100, 0.29, 29)],
)
def test_steps_are_counted_as_a1111_counts_them(steps, strength, made):
    assert steps_made(steps, strength) == made  # of 100 at 0.29, 28.999999999999996 + 1
    assert steps_made(steps, strength, exact=True) == steps


def levels(run):
    return [event.sigma for event in run.of(Step)]


def test_the_last_steps_of_the_schedule_are_made(engine, asked):
    whole = levels(play(engine, request(sampler="Euler", steps=10)))
    wanted, options = asked({"strength": 0.5}, sampler="Euler", steps=10)
    run = play(engine, wanted, options)
    assert levels(run) == whole[4:]
    assert [(each.step, each.steps) for each in run.of(Step)] == [(n, 6) for n in range(1, 7)]


def test_exact_steps_take_a_finer_schedule(engine, asked):
    whole = levels(play(engine, request(sampler="Euler", steps=20)))
    init = {"strength": 0.5, "exact_steps": True}
    wanted, options = asked(init, sampler="Euler", steps=10)
    assert levels(play(engine, wanted, options)) == whole[10:]


@pytest.mark.parametrize(
    ("schedule", "strength"), [("Uniform", 0.0), ("Uniform", 1e-9), ("Simple", 0.02)]
)
def test_exact_steps_that_the_model_has_no_levels_for_are_refused(
    engine, asked, schedule, strength
):
    init = {"strength": strength, "exact_steps": True}
    wanted, options = asked(init, steps=50, sampler="Euler", schedule=schedule)
    with pytest.raises(InvalidRequest, match=r"^init\.exact_steps: .*try fewer steps"):
        play(engine, wanted, options)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_makes_the_one_step_that_no_strength_leaves(engine, asked, sampler):
    wanted, options = asked({"strength": 0.0}, sampler=sampler, steps=8)
    run = play(engine, wanted, options)
    assert run.outcome == "done" and levels(run)[-1] == 0
    (made,) = results(run)
    assert made.std() > 1


def test_each_picture_of_a_batch_has_its_own_seed_and_is_the_one_made_alone(engine, asked):
    wanted, options = asked({"strength": 0.8}, images=3, batch_size=2)
    run = play(engine, wanted, options)
    together = results(run)
    for number, event in enumerate(run.of(Rendered)):
        assert event.request == replace(wanted, seed=11 + number, images=1, batch_size=1)
        alone = results(play(engine, event.request, options))[0]
        assert np.abs(together[number] - alone).max() <= 2
    assert np.abs(together[0] - together[1]).mean() > 1


def test_a_stronger_noise_and_a_variation_change_the_picture(engine, asked):
    plain, options = asked({"strength": 0.8})
    louder, _ = asked({"strength": 0.8, "noise_multiplier": 1.3})
    varied = replace(plain, variation=Variation(seed=3, strength=0.5))
    older = replace(plain, seed_resize=(128, 64))
    pictures = [play(engine, each, options).pictures[0] for each in (plain, louder, varied, older)]
    assert len(set(pictures)) == 4


def test_noise_multiplier_scales_the_noise_alone(engine, asked):
    silent, options = asked({"strength": 0.8, "noise_multiplier": 0.0})
    other = replace(silent, seed=99)
    silent_too = play(engine, other, options)
    assert play(engine, silent, options).pictures == silent_too.pictures


@pytest.mark.parametrize("mode", ["just resize", "crop and resize", "resize and fill"])
def test_a_picture_of_another_size_comes_to_the_requests(engine, asked, mode):
    init = {"strength": 0.3, "resize": mode}
    wanted, options = asked(init, scene(100, 40), width=64, height=64)
    assert results(play(engine, wanted, options)).shape == (1, 64, 64, 3)


def test_a_latent_upscale_stretches_the_latent(engine, asked):
    init = {"strength": 0.0, "resize": "latent upscale"}
    wanted, options = asked(init, scene(64, 64), width=128, height=96)
    stretched = results(play(engine, wanted, options))
    assert stretched.shape == (1, 96, 128, 3)
    plain, _ = asked({"strength": 0.0}, scene(64, 64), width=128, height=96)
    assert np.abs(stretched - results(play(engine, plain, options))).mean() > 1


def test_own_levels_are_cut_too(engine, asked):
    own = ScheduleOptions(sigmas=(10.0, 5.0, 2.0, 1.0, 0.0))
    wanted, options = asked({"strength": 0.5}, sampler="Euler", steps=4, schedule_options=own)
    assert levels(play(engine, wanted, options)) == [2.0, 1.0, 0.0]


def test_a_share_of_the_steps_in_a_prompt_is_of_those_that_are_made(engine, asked):
    init = {"strength": 0.5}  # 6 of 10: half of them is 3
    by_share, options = asked(init, steps=10, sampler="Euler", prompt="[apple:cat:0.5]")
    by_number, _ = asked(init, steps=10, sampler="Euler", prompt="[apple:cat:3]")
    never, _ = asked(init, steps=10, sampler="Euler", prompt="apple")
    shared, numbered, plain = (
        play(engine, each, options).pictures for each in (by_share, by_number, never)
    )
    assert shared == numbered != plain


def test_a_picture_that_is_not_kept_is_named(engine, tmp_path):
    init = InitImage(picture="0" * 64)
    with pytest.raises(InvalidRequest, match=r"^init\.picture: names a picture that is not kept"):
        play(engine, request(init=init), RunOptions(inputs=str(tmp_path)))
    with pytest.raises(InvalidRequest, match=r"^init\.picture: needs a folder"):
        play(engine, request(init=init))


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M SDE", "DPM adaptive", "Restart"])
def test_a_killed_run_goes_on_to_the_same_bits(engine, asked, tmp_path, sampler):
    wanted, options = asked({"strength": 0.7}, sampler=sampler, steps=8)
    options = replace(options, keep=str(tmp_path / "kept"))
    whole = play(engine, wanted, replace(options, keep=str(tmp_path / "whole")))
    die(engine, wanted, options, (0, 2))
    rest = play(engine, wanted, options)
    assert [each.step for each in rest.of(Step)] == [each.step for each in whole.of(Step)][2:]
    assert rest.pictures == whole.pictures
    over = play(engine, wanted, options)  # killed after its last step: only decoded again
    assert over.of(Step) == [] and over.pictures == whole.pictures


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M", "UniPC"])
def test_a_branch_of_it_with_nothing_changed_is_the_picture_to_the_bit(
    engine, asked, tmp_path, sampler
):
    wanted, options = asked({"strength": 0.7}, sampler=sampler, steps=8)
    kept = tmp_path / "original"
    whole = play(engine, wanted, replace(options, keep=str(kept)))
    steps = kept_steps(kept, 0, 0, 3)
    sha256 = digest(read_header(kept, 0), steps)
    resume = Resume(job="original", batch=0, position=0, step=3, sha256=sha256)
    branch = play(engine, replace(wanted, resume=resume), replace(options, resume=str(kept)))
    assert branch.pictures == whole.pictures
    other = replace(wanted, resume=resume, prompt="a cat")
    assert play(engine, other, replace(options, resume=str(kept))).pictures != whole.pictures


def test_a_kept_step_is_drawn_again_as_it_was(engine, asked, tmp_path):
    wanted, options = asked({"strength": 0.5})
    options = replace(options, keep=str(tmp_path / "kept"), noisy="fast", predicted="vae")
    for drawn in play(engine, wanted, options).of(Preview):
        look = Look(0, drawn.step, drawn.kind, drawn.method)
        again = engine.preview(tmp_path / "kept", look, inputs=tmp_path / "inputs")
        assert again == drawn.picture


def test_a_picture_too_large_for_the_memory_is_encoded_in_tiles(engine, asked, monkeypatch):
    wanted, options = asked({"strength": 0.3}, width=128, height=128)
    whole = results(play(engine, wanted, options))
    model = engine._models.load("tiny").model
    monkeypatch.setattr(type(model), "encode", fails_as_a_whole(type(model).encode))
    run = play(engine, wanted, options)
    assert run.of(Rendered)[0].notes == ("VAE encoder: tiled",)
    assert np.abs(results(run) - whole).mean() < 20  # weights by chance see all of the picture


def test_out_of_memory_names_what_was_done(engine, asked, monkeypatch):
    wanted, options = asked()
    model = engine._models.load("tiny").model
    for name in ("encode", "encode_tiled"):
        monkeypatch.setattr(type(model), name, fails_always)
    with pytest.raises(OutOfMemory, match="out of memory while encoding the picture in tiles"):
        play(engine, wanted, options)


@pytest.mark.parametrize("way", ["hires", "latent upscale"])
def test_so_does_making_latents_larger(engine, asked, monkeypatch, way):
    wanted, options = asked({"resize": "latent upscale"}, width=128, height=128)
    if way == "hires":
        wanted = replace(wanted, init=None, width=64, height=64, hires=Hires(upscaler="Latent"))

    real = functional.interpolate  # networks enlarge by it as well: only that of a latent fails

    def interpolate(given, *rest, **named):
        if given.shape[1] == 4:
            raise torch.OutOfMemoryError("planted")
        return real(given, *rest, **named)

    for module in (functional, latent):
        monkeypatch.setattr(module, "interpolate", interpolate)
    with pytest.raises(OutOfMemory, match="^out of memory while making the latent larger"):
        play(engine, wanted, options)


def test_a_vae_that_reads_nan_is_named(engine, asked, monkeypatch):
    wanted, options = asked()
    model = engine._models.load("tiny").model
    monkeypatch.setattr(type(model), "encode", lambda self, images: images * float("nan"))
    with pytest.raises(autoencoder.NotFinite, match="the VAE read NaN or Inf in the picture"):
        play(engine, wanted, options)


def fails_always(self, images):
    raise RuntimeError("[enforce fail] can't allocate memory")


def fails_as_a_whole(encode):
    def encoding(self, images):
        return encode(self, images) if self.vae._network.use_tiling else fails_always(self, images)

    return encoding
