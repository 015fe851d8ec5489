"""What a prompt's language does to a whole generation, on real networks of tiny size."""

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler

from tests.engine.conftest import die, make_engine, play, request, tiny_pipeline
from tests.engine.test_engine import pixels
from webui.errors import InvalidRequest
from webui.events import Rendered, Step, Warned
from webui.trajectories import read_step
from webui.wire import RunOptions

PACED = ["Euler", "Heun", "DPM++ 2M", "UniPC", "DPM fast", "DPM adaptive", "Restart", "DPM++ SDE"]


def steps_of(engine, folder, asked):
    """(x, denoised) of every step."""
    run = play(engine, asked, RunOptions(keep=str(folder)))
    kept = [read_step(folder, 0, each.step) for each in run.of(Step)]
    return [(each.x.tobytes(), each.denoised.tobytes()) for each in kept]


def same_until(one, other):
    """After how many steps two runs part."""
    pairs = zip(one, other, strict=False)
    return next((k for k, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def warnings(run):
    return [each.text for each in run.of(Warned)]


# --- long texts -----------------------------------------------------------------------------------


def test_texts_of_different_length_equal_diffusers_given_the_same_windows(warm):
    asked = request(prompt="cat " * 80, sampler="Euler", schedule="Karras", steps=6)
    run = play(warm, asked)
    pipe = tiny_pipeline()
    pipe.scheduler = EulerDiscreteScheduler.from_config(
        pipe.scheduler.config, use_karras_sigmas=True, timestep_spacing="linspace"
    )
    pipe.set_progress_bar_config(disable=True)
    with torch.no_grad():
        windows = {
            text: pipe.encode_prompt(text, "cpu", 1, False)[0]
            for text in ("cat " * 75, "cat " * 5, "blue", "")
        }
    image = pipe(
        prompt_embeds=torch.cat([windows["cat " * 75], windows["cat " * 5]], dim=1),
        negative_prompt_embeds=torch.cat([windows["blue"], windows[""]], dim=1),
        num_inference_steps=6,
        guidance_scale=5.0,
        width=64,
        height=64,
        generator=torch.Generator("cpu").manual_seed(11),
        output_type="np",
    ).images[0]
    (mine,) = run.of(Rendered)
    assert np.abs(pixels(mine) - (image * 255).round()).max() <= 1
    assert warnings(run) == []


def test_a_prompt_that_takes_too_many_windows_is_refused_with_its_field(warm):
    with pytest.raises(InvalidRequest, match="^prompt: needs more than 128 windows"):
        play(warm, request(prompt="cat " * 75 * 129))
    with pytest.raises(InvalidRequest, match="^negative_prompt: needs more than 128 windows"):
        play(warm, request(negative_prompt="cat " * 75 * 129))
    turning = "cat " * 75 * 100 + "[a|b|c|d|e|f]"
    with pytest.raises(InvalidRequest, match="^prompt: and all it changes to need more than 600"):
        play(warm, request(prompt=turning))


# --- stages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", PACED)
def test_a_prompt_that_turns_is_the_first_text_bit_for_bit_and_then_is_not(warm, tmp_path, sampler):
    runs = {
        name: steps_of(warm, tmp_path / name, request(prompt=text, sampler=sampler, steps=22))
        for name, text in (
            ("turning", "a [red apple:green frog:0.5]"),
            ("first", "a red apple"),
            ("second", "a green frog"),
        )
    }
    parted, total = same_until(runs["turning"], runs["first"]), len(runs["first"])
    assert same_until(runs["turning"], runs["second"]) == 0
    if sampler == "DPM adaptive":  # it knows how many steps there are only at the end
        assert 0 < parted < total
    else:
        assert parted == total - total // 2
    assert parted > 0


@pytest.mark.parametrize("when", [1, 4])
def test_a_stage_ends_after_the_step_that_is_named_whatever_a_step_costs(warm, tmp_path, when):
    for sampler in ("Euler", "Heun", "DPM2"):
        asked = request(prompt=f"a [red apple:green frog:{when}]", sampler=sampler)
        turning = steps_of(warm, tmp_path / sampler / "turning", asked)
        asked = request(prompt="a red apple", sampler=sampler)
        assert same_until(turning, steps_of(warm, tmp_path / sampler / "first", asked)) == when


def test_the_negative_prompt_turns_too(warm, tmp_path):
    turning = steps_of(warm, tmp_path / "a", request(negative_prompt="[blue:green:2]"))
    plain = steps_of(warm, tmp_path / "b", request(negative_prompt="blue"))
    assert same_until(turning, plain) == 2


def test_alternatives_take_turns(warm, tmp_path):
    both = steps_of(warm, tmp_path / "a", request(prompt="[red apple|green frog]"))
    switched = steps_of(warm, tmp_path / "b", request(prompt="[red apple:green frog:1]"))
    assert same_until(both, switched) == 2


@pytest.mark.parametrize("sampler", ["Euler a", "Heun", "DPM++ 2M", "DPM fast", "DPM adaptive"])
@pytest.mark.parametrize("k", [2, 3, 4])
def test_a_run_that_died_goes_on_with_the_text_of_its_step(warm, tmp_path, sampler, k):
    asked = request(prompt="a [red apple:[green|blue] frog:3] AND sky :0.5", sampler=sampler)
    whole, options = play(warm, asked), RunOptions(keep=str(tmp_path))
    k = min(k, len(whole.of(Step)) - 1)
    die(warm, asked, options, (0, k))
    rest = play(warm, asked, options)
    assert next(each.step for each in rest.of(Step)) == k + 1
    assert rest.pictures == whole.pictures


def test_every_batch_begins_with_the_first_text(warm):
    run = play(warm, request(prompt="[red apple:green frog:3]", images=3, batch_size=2))
    for each in run.of(Rendered):
        (alone,) = play(warm, each.request).of(Rendered)
        assert np.abs(pixels(each) - pixels(alone)).max() <= 2


# --- several texts at once ------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["Euler", "Euler a CFG++"])
def test_a_part_of_weight_0_changes_no_bit(warm, sampler):
    plain = play(warm, request(sampler=sampler)).pictures
    with_nothing = request(prompt="a red apple AND " + "cat " * 80 + ":0", sampler=sampler)
    assert play(warm, with_nothing).pictures == plain
    assert play(warm, request(prompt="a red apple AND cat :0.1", sampler=sampler)).pictures != plain


def test_a_text_and_itself_by_halves_is_the_text(warm):
    (both,) = play(warm, request(prompt="a red apple :0.5 AND a red apple :0.5")).of(Rendered)
    (alone,) = play(warm, request()).of(Rendered)
    assert np.abs(pixels(both) - pixels(alone)).max() <= 1


def test_a_part_that_counts_twice_is_twice_the_guidance(warm):
    (twice,) = play(warm, request(prompt="a red apple :2 AND cat :0")).of(Rendered)
    (scaled,) = play(warm, request(guidance_scale=10.0)).of(Rendered)
    assert np.abs(pixels(twice) - pixels(scaled)).max() <= 1
    at_1 = request(prompt="a red apple :2 AND cat :0", guidance_scale=1.0)
    (scaled,) = play(warm, request(guidance_scale=2.0)).of(Rendered)
    assert np.abs(pixels(play(warm, at_1).of(Rendered)[0]) - pixels(scaled)).max() <= 1


def test_the_negative_prompt_knows_no_and(warm):
    plain = play(warm, request(negative_prompt="blue")).pictures
    assert play(warm, request(negative_prompt="blue AND cat :0")).pictures != plain


# --- weights, layers ------------------------------------------------------------------------------


def test_weights_count_as_the_emphasis_says(warm):
    pictures = {
        emphasis: play(warm, request(prompt="a (red:1.4) apple", emphasis=emphasis)).pictures
        for emphasis in ("original", "no norm", "ignore", "none")
    }
    assert len({each[0] for each in pictures.values()}) == 4
    assert pictures["ignore"] == play(warm, request(prompt="a red apple")).pictures
    for emphasis in pictures:
        assert play(warm, request(prompt="a red apple", emphasis=emphasis)).pictures == (
            play(warm, request()).pictures
        )


def test_a_clip_skip_that_the_encoder_has_not_is_refused(warm):
    with pytest.raises(InvalidRequest) as raised:
        play(warm, request(clip_skip=4))
    assert str(raised.value) == "clip_skip: must be from 1 to 3 for this model, got 4"


# --- mixes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["token", "text", "token:slerp", "text:slerp"])
def test_a_mix_at_its_ends_is_its_parent_through_a_whole_generation(warm, mode):
    pictures = {
        share: play(warm, request(prompt=f"a <mix:cat,panda:{share}:{mode}> face")).pictures
        for share in (0, 0.5, 1)
    }
    assert pictures[0] == play(warm, request(prompt="a cat face")).pictures
    assert pictures[1] == play(warm, request(prompt="a panda face")).pictures
    assert pictures[0.5] not in (pictures[0], pictures[1])


def test_mixes_stand_in_stages_parts_and_negative_prompts(warm):
    mixed = request(
        prompt="[cat:<mix:cat,panda:1>:3] AND <mix:puppy=skunk> :0.5",
        negative_prompt="<mix:cat,panda:0>",
    )
    plain = request(prompt="[cat:panda:3] AND skunk :0.5", negative_prompt="cat")
    assert play(warm, mixed).pictures == play(warm, plain).pictures


def test_what_is_added_and_taken_away_again_leaves_the_word(warm):
    (made,) = play(warm, request(prompt="<mix:apple - cat + cat>")).of(Rendered)
    (plain,) = play(warm, request(prompt="apple")).of(Rendered)
    assert np.abs(pixels(made) - pixels(plain)).max() <= 1


# --- what is told ---------------------------------------------------------------------------------


def test_a_tag_that_nothing_takes_is_named(warm):
    run = play(warm, request(prompt="a red apple <hypernet:ink:0.8><hat:3>"))
    assert warnings(run) == [
        "<hypernet:ink:0.8> has no effect: there is nothing of the kind 'hypernet'.",
        "<hat:3> has no effect: there is nothing of the kind 'hat'.",
    ]
    assert run.pictures == play(warm, request(prompt="a red apple ")).pictures


def test_texts_are_remembered_from_run_to_run(models_dir, monkeypatch):
    engine = make_engine(models_dir)
    play(engine, request())
    (encoder,) = engine._models.load("tiny").model.text_encoders
    monkeypatch.setattr(encoder, "encode", None)
    play(engine, request(seed=12))
