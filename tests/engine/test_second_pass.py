"""The second pass: its size, its steps against diffusers' own, its prompts, what survives a stop,
a death and a branch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionImg2ImgPipeline
from PIL import Image
from torch.nn import functional

from tests.engine.conftest import die, make_engine, play, request, tiny_pipeline
from tests.engine.sent import opened, options, sent_in, smooth
from tests.upscaler_files import put, repeating
from webui.engine.control import Control
from webui.engine.courses.second_pass import second_request
from webui.errors import InvalidRequest
from webui.events import Rendered, Stage, Step
from webui.request import Hires, Resume, SamplingOptions, ScheduleOptions
from webui.request.sizes import second_pass
from webui.trajectories import before, digest, kept_steps, read_header, read_step


def hires(**values):
    return request(sampler="Euler", schedule="Karras", hires=Hires(**values))


def turns(run):
    return [(each.turn, each.step, each.steps, each.turns) for each in run.of(Step)]


def image_of(run):
    (rendered,) = run.of(Rendered)
    return opened(rendered.picture)


def levels(image):
    return np.asarray(image).astype(int)


# --- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "larger", "wanted"),
    [
        ({"scale": 2.0}, (1024, 1536), (1024, 1536)),
        ({"scale": 1.5}, (768, 1152), (768, 1152)),
        ({"scale": 1.1}, (560, 840), (560, 840)),  # 563.2 x 844.8: whole cells
        ({"width": 1024}, (1024, 1536), (1024, 1536)),
        ({"height": 1024}, (680, 1024), (680, 1024)),
        ({"width": 1024, "height": 1024}, (1024, 1536), (1024, 1024)),
        ({"width": 640, "height": 1280}, (848, 1280), (640, 1280)),
    ],
)
def test_a_size_goes_by_the_scale_or_one_side_or_covers_both_and_is_cut(values, larger, wanted):
    assert second_pass(Hires(**values), 512, 768, 8) == (larger, wanted)


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
@pytest.mark.parametrize(
    ("values", "size"),
    [
        ({"scale": 1.5}, (96, 96)),
        ({"width": 128, "height": 80}, (128, 80)),
        ({"width": 72}, (72, 72)),
    ],
)
def test_the_picture_has_the_size_that_was_asked_for(warm, upscaler, values, size):
    run = play(warm, hires(upscaler=upscaler, **values))
    assert image_of(run).size == size
    assert turns(run) == [(turn, step, 6, 2) for turn in (0, 1) for step in range(1, 7)]


# --- what it makes ------------------------------------------------------------------------------


def by_diffusers(clean, asked, steps, strength):
    """What diffusers' own img2img makes of these latents, at a strength, in exactly `steps`."""
    pipe = StableDiffusionImg2ImgPipeline(
        **tiny_pipeline().components, requires_safety_checker=False
    )
    pipe.scheduler = EulerDiscreteScheduler.from_config(
        pipe.scheduler.config, use_karras_sigmas=True, timestep_spacing="linspace"
    )
    pipe.set_progress_bar_config(disable=True)
    made = pipe(
        asked.prompt,
        image=clean,
        strength=strength,
        negative_prompt=asked.negative_prompt,
        num_inference_steps=int(steps / strength),
        guidance_scale=asked.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(asked.seed),
        output_type="np",
    ).images[0]
    return (made * 255).round().astype(int)


@pytest.mark.parametrize(("steps", "strength"), [(6, 0.5), (9, 0.75)])
@pytest.mark.parametrize(
    ("upscaler", "mode"),
    [("Latent", "bilinear"), ("Latent (bicubic)", "bicubic"), ("Latent (nearest)", "nearest")],
)
def test_of_a_latent_it_makes_what_diffusers_makes(warm, tmp_path, upscaler, mode, steps, strength):
    asked = hires(upscaler=upscaler, scale=1.5, steps=steps, strength=strength)
    mine = levels(image_of(play(warm, asked, options(tmp_path, "kept"))))
    first = torch.from_numpy(read_step(tmp_path / "kept", 0, 6, 0).x)
    clean = functional.interpolate(first, (12, 12), mode=mode)
    theirs = by_diffusers(clean, asked, steps, strength)
    assert mine.shape == theirs.shape == (96, 96, 3)
    assert np.abs(mine - theirs).max() <= 2
    plain = tiny_pipeline().vae.decode(clean / 0.18215).sample.detach()[0].permute(1, 2, 0).numpy()
    assert np.abs(theirs - (plain / 2 + 0.5) * 255).max() > 20  # it does something


@pytest.mark.parametrize("upscaler", ["Lanczos", "4x"])
def test_of_a_picture_it_makes_what_diffusers_makes(tmp_path, models_dir, upscaler):
    models = tmp_path / "models"
    put(models, "4x", repeating(2))
    (models / "checkpoints").symlink_to(models_dir / "checkpoints")
    engine = make_engine(models)
    asked = hires(upscaler=upscaler, scale=2.0, strength=0.5)
    mine = levels(image_of(play(engine, asked)))
    first = image_of(play(engine, replace(asked, hires=None)))
    if upscaler == "Lanczos":
        larger = first.resize((128, 128), Image.Resampling.LANCZOS)
    else:  # the network repeats pixels
        four = first.resize((256, 256), Image.Resampling.NEAREST)
        larger = four.resize((128, 128), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(larger)).float().permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        clean = tiny_pipeline().vae.encode(pixels).latent_dist.mean * 0.18215
    assert np.abs(mine - by_diffusers(clean, asked, 6, 0.5)).max() <= 2


def test_a_finished_first_pass_gives_the_same_picture_as_both(warm, tmp_path):
    for upscaler in ("Lanczos", "Latent"):
        both = hires(upscaler=upscaler, strength=0.5)
        first = image_of(play(warm, replace(both, hires=None)))
        given = sent_in(tmp_path / "inputs", first)
        alone = replace(both, hires=replace(both.hires, picture=given))
        run = play(warm, alone, options(tmp_path))
        assert turns(run) == [(0, step, 6, 1) for step in range(1, 7)]
        difference = np.abs(levels(image_of(run)) - levels(image_of(play(warm, both))))
        if upscaler == "Lanczos":
            assert difference.max() == 0
        else:  # the latent of the picture, not the one that it was decoded from
            assert difference.max() > 0


def test_it_may_be_larger_than_a_first_pass_can_be(warm):
    asked = replace(hires(upscaler="Lanczos", scale=4.0, steps=1, strength=0.1), width=576)
    assert image_of(play(warm, asked)).size == (2304, 256)


def test_at_strength_0_the_picture_is_only_made_larger(warm):
    asked = hires(upscaler="Lanczos", scale=2.0, strength=0.0)
    run = play(warm, asked)
    first = image_of(play(warm, replace(asked, hires=None)))
    assert image_of(run) == first.resize((128, 128), Image.Resampling.LANCZOS)
    assert turns(run) == [(0, step, 6, 1) for step in range(1, 7)]
    cut = play(warm, hires(upscaler="Lanczos", width=128, height=64, strength=0.0))
    assert image_of(cut) == image_of(run).crop((0, 32, 128, 96))
    latent = play(warm, hires(upscaler="Latent", scale=2.0, strength=0.0))
    assert image_of(latent).size == (128, 128)


@pytest.mark.parametrize("upscaler", ["Lanczos", "Latent"])
def test_a_given_picture_at_strength_0_is_there_for_each_of_a_batch(warm, tmp_path, upscaler):
    given = Hires(
        upscaler=upscaler, strength=0.0, picture=sent_in(tmp_path / "inputs", smooth(64, 64))
    )
    run = play(warm, request(images=3, batch_size=2, hires=given), options(tmp_path))
    assert [each.image for each in run.of(Rendered)] == [0, 1, 2]
    assert len(set(run.pictures)) == 1


def test_a_picture_that_ends_early_ends_early_in_the_second_pass_alone(warm):
    run = play(warm, replace(hires(upscaler="Latent", strength=0.5), stop_at=0.5))
    assert turns(run)[:6] == [(0, step, 6, 2) for step in range(1, 7)]
    assert [place[:2] for place in turns(run)[6:]] == [(1, 1), (1, 2), (1, 3)]
    (rendered,) = run.of(Rendered)
    assert rendered.notes == ("Stopped at step: 3",)
    assert image_of(run).size == (128, 128)


def test_a_batch_gives_what_each_gives_alone(warm):
    asked = replace(hires(upscaler="Lanczos", scale=1.5), images=3, batch_size=2)
    pictures = [levels(opened(each.picture)) for each in play(warm, asked).of(Rendered)]
    assert len(pictures) == 3
    for image, made in enumerate(pictures):
        alone = levels(image_of(play(warm, asked.alone(image))))
        assert np.abs(made - alone).max() <= 2
    assert np.abs(pictures[0] - pictures[1]).max() > 20


# --- what it is told ----------------------------------------------------------------------------


def test_what_is_not_said_is_the_first_passs(warm, tmp_path):
    own = {"sampling": SamplingOptions(s_noise=1.1), "steps": 5}
    asked = replace(hires(), **own)
    play(warm, asked, options(tmp_path, "kept"))
    second = read_header(tmp_path / "kept", 0, 1).request
    first = read_header(tmp_path / "kept", 0, 0).request
    differing = {name for name in first if first[name] != second[name]}
    assert differing == set()
    assert [read_header(tmp_path / "kept", 0, turn).shape for turn in (0, 1)] == [
        (1, 4, 8, 8), (1, 4, 16, 16),
    ]  # fmt: skip


def test_each_thing_that_can_be_said_is_the_second_passs_alone(warm, tmp_path):
    said = {
        "steps": 4, "sampler": "DPM++ 2M", "schedule": "Exponential", "prompt": "a blue pear",
        "negative_prompt": "red", "guidance_scale": 3.0,
    }  # fmt: skip
    asked = replace(hires(**said), sampling=SamplingOptions(s_noise=1.1))
    run = play(warm, asked, options(tmp_path, "kept"))
    first, second = (read_header(tmp_path / "kept", 0, turn) for turn in (0, 1))
    assert {name: second.request[name] for name in said} == said
    assert second.request["sampling"] == dict.fromkeys(second.request["sampling"])
    assert {name: first.request[name] for name in said} == {
        "steps": 6, "sampler": "Euler", "schedule": "Karras", "prompt": "a red apple",
        "negative_prompt": "blue", "guidance_scale": 5.0,
    }  # fmt: skip
    assert len(second.sigmas) == 5
    assert turns(run)[-1] == (1, 4, 4, 2)
    pictures = {image_of(play(warm, hires(**{name: said[name]}))).tobytes() for name in said} | {
        image_of(play(warm, hires())).tobytes()
    }
    assert len(pictures) == len(said) + 1


def test_options_stay_with_what_they_belong_to():
    options = ScheduleOptions(rho=5.0)
    asked = replace(hires(), schedule_options=options)

    def second(**values):
        return second_request(asked, Hires(**values)).schedule_options

    assert second() == options
    assert second(sampler="Heun") == options  # the same schedule, by name
    assert second(schedule="Exponential") == ScheduleOptions()
    automatic = replace(asked, schedule="Automatic", sampler="DPM++ 2M")
    other = second_request(automatic, Hires(sampler="Euler"))
    assert other.schedule_options == ScheduleOptions()
    own = replace(asked, schedule_options=ScheduleOptions(sigmas=(3.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0)))
    assert second_request(own, Hires()).schedule_options == ScheduleOptions()


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("a [cat:dog:1.0]", "a cat", "a dog"),
        ("a [cat:dog:6]", "a cat", "a dog"),
        ("a [cat:dog:2.0]", "a cat", "a cat"),
        ("a [cat:dog:0.5]", "a [cat:dog:0.5]", "a dog"),
        ("a [cat:dog:1.5]", "a cat", "a [cat:dog:1.5]"),
        ("a [cat:dog:9]", "a cat", "a [cat:dog:9]"),
    ],
)
def test_switches_of_a_prompt_go_on_counting(warm, text, first, second):
    switched = image_of(play(warm, replace(hires(), prompt=text)))
    spelled = replace(hires(prompt=second), prompt=first)
    assert image_of(play(warm, spelled)) == switched
    never = image_of(play(warm, replace(hires(), prompt="a cat")))
    assert (switched == never) == (text == "a [cat:dog:2.0]")


def test_more_levels_than_the_model_has_are_refused_by_name(warm):
    asked = replace(hires(steps=150, strength=0.01), schedule="Simple")
    with pytest.raises(InvalidRequest, match=r"^hires\.steps: "):
        play(warm, asked)


def test_an_upscaler_that_is_not_there_is_refused_before_the_first_pass(warm):
    events = warm.run(hires(upscaler="nobody"))
    with pytest.raises(InvalidRequest, match="hires.upscaler: 'nobody' is not known"):
        while not isinstance(next(events), Step):
            pass


# --- stops, deaths, branches --------------------------------------------------------------------


def stopped_at(engine, asked, place, wish="keep"):
    """A run that is told to stop when `place` says so of an event."""
    control, seen = Control(), []
    events = engine.run(asked, control=control)
    while True:
        try:
            seen.append(next(events))
        except StopIteration as end:
            return seen, end.value
        if place(seen[-1]):
            control.stop = wish


def test_stopped_in_the_first_pass_there_is_that_pass_alone(warm):
    asked = hires(upscaler="Lanczos")
    seen, outcome = stopped_at(
        warm, asked, lambda event: isinstance(event, Step) and event.step == 4
    )
    (rendered,) = [each for each in seen if isinstance(each, Rendered)]
    assert (outcome, rendered.picture.width) == ("stopped", 64)
    assert rendered.notes == ("Stopped at step: 4",)


def test_stopped_while_a_network_works_there_is_the_first_pass(tmp_path, models_dir):
    models = tmp_path / "models"
    put(models, "4x", repeating(2))
    (models / "checkpoints").symlink_to(models_dir / "checkpoints")
    engine, asked = make_engine(models), hires(upscaler="4x")
    seen, outcome = stopped_at(engine, asked, lambda event: event == Stage("upscaling", 0, 1))
    (rendered,) = [each for each in seen if isinstance(each, Rendered)]
    assert outcome == "stopped"
    assert opened(rendered.picture) == image_of(play(engine, replace(asked, hires=None)))
    seen, outcome = stopped_at(
        engine, asked, lambda event: event == Stage("upscaling", 0, 1), "discard"
    )
    assert (outcome, seen[-1]) == ("cancelled", Stage("upscaling", 0, 1))


def test_stopped_in_the_second_pass_there_is_what_it_predicts(warm):
    seen, outcome = stopped_at(
        warm, hires(), lambda event: isinstance(event, Step) and (event.turn, event.step) == (1, 3)
    )
    (rendered,) = [each for each in seen if isinstance(each, Rendered)]
    assert (outcome, rendered.picture.width) == ("stopped", 128)
    assert rendered.notes == ("Stopped at step: 3",)


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
@pytest.mark.parametrize("place", [(0, 1), (0, 6), (1, 1), (1, 5)])
def test_a_run_that_died_in_either_pass_goes_on_to_the_same_bits(warm, tmp_path, upscaler, place):
    asked = replace(hires(upscaler=upscaler, sampler="Euler a"), images=2, batch_size=2)
    whole = play(warm, asked)
    die(warm, asked, options(tmp_path, "kept"), place)
    rest = play(warm, asked, options(tmp_path, "kept"))
    all_of_them = [(turn, step) for turn in (0, 1) for step in range(1, 7)]
    assert [each[:2] for each in turns(rest)] == [each for each in all_of_them if each > place]
    assert rest.pictures == whole.pictures


@pytest.mark.parametrize(("turn", "step"), [(0, 2), (0, 5), (1, 1), (1, 4)])
def test_a_branch_of_either_pass_goes_on_through_the_second(warm, tmp_path, turn, step):
    asked = hires(upscaler="Lanczos", sampler="DPM++ 2M SDE")
    whole = play(warm, asked, options(tmp_path, "original"))
    kept = tmp_path / "original"
    steps, header = kept_steps(kept, 0, 0, step, turn), read_header(kept, 0, turn)
    earlier = before(kept, 0, 0, turn)
    taken = Resume(
        job="original", batch=0, position=0, step=step, turn=turn,
        sha256=digest(header, steps, earlier),
    )  # fmt: skip
    branched = options(tmp_path, f"branch-{turn}{step}", resume=str(kept))
    again = play(warm, replace(asked, resume=taken), branched)
    assert again.pictures == whole.pictures
    all_of_them = [(each, number) for each in (0, 1) for number in range(1, 7)]
    assert [each[:2] for each in turns(again)] == [
        each for each in all_of_them if each > (turn, step)
    ]
    other = replace(asked, hires=replace(asked.hires, prompt="a blue pear"), resume=taken)
    changed = play(warm, other, options(tmp_path, f"other-{turn}{step}", resume=str(kept)))
    assert changed.pictures != whole.pictures
    assert image_of(changed).size == (128, 128)


# --- on the model that ships --------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["dog face", "red apple", "blue car", "yellow star"])
def test_the_composition_stays(shipped, prompt):
    asked = request(
        model="fluent-emoji", prompt=prompt, negative_prompt="", width=128, height=128, steps=8,
        seed=7, images=2, batch_size=2,
        hires=Hires(upscaler="Lanczos", scale=1.5, strength=0.3, steps=4),
    )  # fmt: skip
    size = (192, 192)
    alone = replace(asked, hires=None)
    firsts, others = (
        [
            levels(opened(each.picture).resize(size, Image.Resampling.LANCZOS))
            for each in play(shipped, one).of(Rendered)
        ]
        for one in (alone, replace(alone, prompt="penguin"))
    )
    made = [opened(each.picture) for each in play(shipped, asked).of(Rendered)]
    assert [each.size for each in made] == [size, size]
    for first, other, each in zip(firsts, others, made, strict=True):  # another thing, same seed
        near, far = (np.abs(one - levels(each)).mean() for one in (first, other))
        assert near > 1  # it is made anew
        assert far > 2.5 * near
