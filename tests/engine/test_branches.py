"""A branch with nothing changed is the picture that it was taken from, bit for bit; with something
changed it is what the documentation says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.engine.conftest import make_engine, play, request
from webui.engine.engine import Control
from webui.engine.samplers import SAMPLERS
from webui.errors import InvalidRequest
from webui.events import Look, Rendered, Step
from webui.request import Resume, ScheduleOptions
from webui.trajectories import (
    digest,
    finished_path,
    kept_steps,
    read_guidance,
    read_header,
    read_step,
    spool_path,
)
from webui.wire import RunOptions


def made(engine, root: Path, name: str, asked, **options):
    """A run whose steps are kept."""
    resume = str(root / asked.resume.job) if asked.resume else None
    return play(engine, asked, RunOptions(keep=str(root / name), resume=resume, **options))


def resume(root: Path, name: str, step: int, batch: int = 0, position: int = 0) -> Resume:
    header = read_header(root / name, batch)
    steps = kept_steps(root / name, batch, position, step)
    assert header is not None and len(steps) == step
    return Resume(job=name, batch=batch, position=position, step=step, sha256=digest(header, steps))


def numbers(run):
    return [each.step for each in run.of(Step)]


def levels(root, name, count):
    """The noise levels left after each kept step."""
    return [read_step(root / name, 0, step).sigma for step in range(1, count + 1)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_branch_with_nothing_changed_is_the_picture_to_the_bit(warm, tmp_path, sampler):
    asked = request(sampler=sampler, steps=7)
    whole = made(warm, tmp_path, "original", asked)
    count = numbers(whole)[-1]
    for step in sorted({1, 3, count - 1}):
        branch = replace(asked, resume=resume(tmp_path, "original", step))
        again = made(warm, tmp_path, f"branch-{step:03}", branch)
        assert again.pictures == whole.pictures, step
        assert numbers(again) == list(range(step + 1, count + 1))


@pytest.mark.parametrize("sampler", ["Restart", "DPM++ 2M SDE", "PLMS"])
def test_also_with_variations_and_a1111s_noise_and_a_prompt_that_changes(warm, tmp_path, sampler):
    asked = request(sampler=sampler, steps=22, rng="nv", prompt="a [red:blue:0.5] apple")
    whole = made(warm, tmp_path, "original", asked)
    for step in (9, 16):
        branch = replace(asked, resume=resume(tmp_path, "original", step))
        assert made(warm, tmp_path, f"branch-{step}", branch).pictures == whole.pictures


def test_a_branch_of_a_branch_goes_on_from_any_step_also_an_inherited_one(warm, tmp_path):
    asked = request(sampler="DPM++ 3M SDE", steps=8)
    whole = made(warm, tmp_path, "original", asked)
    first = replace(asked, resume=resume(tmp_path, "original", 4))
    made(warm, tmp_path, "branch-1", first)
    for step in (2, 4, 6):
        second = replace(asked, resume=resume(tmp_path, "branch-1", step))
        assert made(warm, tmp_path, f"branch-{step + 8}", second).pictures == whole.pictures


def test_a_branch_keeps_all_steps_as_if_it_had_made_them(warm, tmp_path):
    asked = request(sampler="Euler a", steps=6)
    made(warm, tmp_path, "original", asked)
    made(warm, tmp_path, "branch-1", replace(asked, resume=resume(tmp_path, "original", 3)))
    for step in range(1, 7):
        mine, theirs = (read_step(tmp_path / name, 0, step) for name in ("branch-1", "original"))
        assert np.array_equal(mine.x, theirs.x) and np.array_equal(mine.denoised, theirs.denoised)
        assert (mine.draws, mine.sigma, mine.steps) == (theirs.draws, theirs.sigma, theirs.steps)


def test_a_branch_of_a_batchs_picture_is_that_picture_alone_but_for_rounding(warm, tmp_path):
    asked = request(sampler="Euler a", images=3, batch_size=2)
    whole = made(warm, tmp_path, "original", asked)
    for image in range(3):
        batch, position = divmod(image, 2)
        taken = resume(tmp_path, "original", 3, batch, position)
        (branch,) = made(
            warm, tmp_path, f"branch-{image:03}", replace(asked.alone(image), resume=taken)
        ).pictures
        one, other = (
            np.frombuffer(each, np.uint8).astype(int) for each in (branch, whole.pictures[image])
        )
        assert np.abs(one - other).max() <= 2
    assert branch == whole.pictures[2]  # which was alone in its batch: to the bit


def test_an_engine_that_starts_anew_branches_from_disk(warm, models_dir, tmp_path):
    asked = request(sampler="DPM++ SDE", steps=5)
    whole = made(warm, tmp_path, "original", asked)
    branch = replace(asked, resume=resume(tmp_path, "original", 2))
    (rendered,) = made(make_engine(models_dir), tmp_path, "branch-1", branch).of(Rendered)
    assert [rendered.picture.rgb] == whole.pictures
    assert rendered.request == branch
    assert rendered.notes == ("Branch: step 2 of picture 0 of batch 0 of job original",)


# --- with changes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a green frog"},
        {"negative_prompt": "yellow"},
        {"guidance_scale": 2.0},
        {"seed": 99},
        {"sampler": "Euler"},
        {"schedule": "Exponential"},
        {"steps": 12},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_in_a_branch_changes_the_rest_alone_and_always_the_same(
    warm, tmp_path, change
):
    asked = request(sampler="Euler a", steps=6)
    whole = made(warm, tmp_path, "original", asked)
    branch = replace(asked, resume=resume(tmp_path, "original", 3), **change)
    one = made(warm, tmp_path, "branch-1", branch)
    assert one.pictures != whole.pictures
    assert made(warm, tmp_path, "branch-2", branch).pictures == one.pictures
    for step in (1, 2, 3):
        mine, theirs = (read_step(tmp_path / name, 0, step) for name in ("branch-1", "original"))
        assert np.array_equal(mine.x, theirs.x)


@pytest.mark.parametrize("sampler", ["Euler", "DPM++ 2M", "UniPC", "DPM++ SDE", "LMS"])
def test_more_steps_are_the_finer_schedule_cut_at_the_level_that_was_reached(
    warm, tmp_path, sampler
):
    asked = request(sampler=sampler, steps=6, schedule="Karras")
    made(warm, tmp_path, "original", asked)
    made(warm, tmp_path, "finer-one", replace(asked, steps=12))
    branch = replace(asked, steps=12, resume=resume(tmp_path, "original", 3))
    run = made(warm, tmp_path, "branch-1", branch)
    count = numbers(run)[-1]
    reached = levels(tmp_path, "original", 3)
    finer = [each for each in levels(tmp_path, "finer-one", 12) if each < reached[-1] * 0.9999]
    assert levels(tmp_path, "branch-1", count) == reached + finer
    assert [each.steps for each in run.of(Step)] == [3 + len(finer)] * len(finer)


def test_the_same_sampler_is_told_of_its_steps_and_another_one_is_not(warm, tmp_path):
    """The exponential schedule's levels are the same from any of them on, so that a run that begins
    there is what a sampler does that knows of nothing before."""
    asked = request(sampler="DPM++ 2M", steps=6, schedule="Exponential")
    made(warm, tmp_path, "original", asked)
    made(warm, tmp_path, "by-euler", replace(asked, sampler="Euler"))
    one, other = (
        made(
            warm,
            tmp_path,
            f"branch-{name}",
            replace(asked, steps=12, prompt="a frog", resume=resume(tmp_path, name, 3)),
        )
        for name in ("original", "by-euler")
    )
    assert [
        read_header(tmp_path / f"branch-{name}", 0).begun for name in ("original", "by-euler")
    ] == [0, 3]
    assert one.pictures != other.pictures


@pytest.mark.parametrize(
    ("sampler", "change"),
    [
        ("DPM fast", {"steps": 24}),
        ("DPM adaptive", {"schedule": "Exponential"}),
        ("Restart", {"steps": 24}),
        ("UniPC", {"steps": 12}),
        ("DEIS", {"steps": 12}),
        ("DPM++ 3M SDE", {"steps": 12}),
        ("Euler", {"sampler": "PLMS"}),
        ("PLMS", {"sampler": "Euler a"}),
        ("ER-SDE", {"schedule": "Karras"}),
    ],
)
def test_every_kind_of_sampler_comes_to_an_end_on_another_schedule(warm, tmp_path, sampler, change):
    """And goes on, to the bit, if it was interrupted on the way."""
    asked = request(sampler=sampler, steps=8)
    made(warm, tmp_path, "original", asked)
    begun = 2 if sampler == "DPM fast" else 4  # which makes four steps of eight calls
    branch = replace(asked, resume=resume(tmp_path, "original", begun), **change)
    whole = made(warm, tmp_path, "branch-1", branch)
    assert whole.of(Step)[-1].sigma == 0
    goes_on = sampler in ("UniPC", "DEIS", "DPM++ 3M SDE", "ER-SDE")  # the others begin there
    assert read_header(tmp_path / "branch-1", 0).begun == (0 if goes_on else begun)
    assert numbers(whole) == list(range(begun + 1, numbers(whole)[-1] + 1))
    if len(numbers(whole)) > 1:
        control, options = (
            Control(),
            RunOptions(keep=str(tmp_path / "branch-2"), resume=str(tmp_path / "original")),
        )
        for event in warm.run(branch, options, control):
            if isinstance(event, Step):
                control.stop = "discard"
        again = made(warm, tmp_path, "branch-2", branch)
        assert numbers(again)[0] == begun + 2
        assert again.pictures == whole.pictures


def test_own_levels_are_cut_where_the_picture_is(warm, tmp_path):
    asked = request(sampler="Euler", steps=4)
    made(warm, tmp_path, "original", asked)
    reached = levels(tmp_path, "original", 2)
    own = (20.0, reached[-1] + 0.1, reached[-1] / 2, 0.05, 0.0)
    options = ScheduleOptions(sigmas=own)
    branch = replace(asked, schedule_options=options, resume=resume(tmp_path, "original", 2))
    made(warm, tmp_path, "branch-1", branch)
    expected = [*reached, float(np.float32(reached[-1] / 2)), float(np.float32(0.05)), 0.0]
    assert levels(tmp_path, "branch-1", 5) == expected


# --- what is refused ------------------------------------------------------------------------------


def refused(engine, root, asked):
    with pytest.raises(InvalidRequest) as error:
        made(engine, root, "branch-1", asked)
    return str(error.value)


def test_a_trajectory_that_is_gone_or_changed_is_refused(warm, tmp_path):
    asked = request(sampler="Euler", steps=4)
    made(warm, tmp_path, "original", asked)
    branch = replace(asked, resume=resume(tmp_path, "original", 2))
    made(warm, tmp_path, "original", replace(asked, seed=12))  # over it
    assert refused(warm, tmp_path, branch) == (
        "resume: goes on from step 2 of job original, whose kept steps are not the ones that this "
        "was asked for; branch anew from what is there now"
    )
    finished_path(tmp_path / "original", 0).unlink()
    assert refused(warm, tmp_path, branch).startswith(
        "resume: goes on from step 2 of job original, which is not kept (any more); make that "
    )
    with pytest.raises(InvalidRequest, match="resume: needs a folder of kept runs"):
        play(warm, branch)


def test_one_bit_that_is_not_the_same_is_seen(warm, tmp_path):
    """Of any of the steps: several of them may count."""
    asked = request(sampler="DPM++ 2M", steps=4)
    made(warm, tmp_path, "original", asked)
    header, steps = (
        read_header(tmp_path / "original", 0),
        kept_steps(tmp_path / "original", 0, 0, 2),
    )
    known = digest(header, steps)
    changed = steps[0].denoised.copy()
    changed.view(np.uint32)[0, 0, 0, 0] ^= 1
    assert digest(header, [replace(steps[0], denoised=changed), steps[1]]) != known
    assert digest(header, [steps[0], replace(steps[1], draws=7)]) != known
    assert digest(replace(header, sigmas=(9.0, *header.sigmas[1:])), steps) != known
    assert digest(header, [replace(steps[0], seconds=9.0), steps[1]]) == known


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"width": 128}, "width: must be that of the picture, 64, got 128"),
        ({"model": "tiny-v"}, "model: must be that of the picture, tiny, got tiny-v"),
        ({"rng": "nv"}, "rng: must be that of the picture, cpu, got nv"),
    ],
)
def test_what_a_branch_cannot_change_is_refused(warm, tmp_path, change, complaint):
    asked = request(sampler="Euler", steps=3)
    made(warm, tmp_path, "original", asked)
    branch = replace(asked, resume=resume(tmp_path, "original", 1), **change)
    assert refused(warm, tmp_path, branch) == complaint
    last = replace(asked, resume=resume(tmp_path, "original", 3))
    assert refused(warm, tmp_path, last) == (
        "resume.step: 3 is the last one: nothing is left to do"
    )


# --- triage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["DPM++ 2M", "Euler a", "DPM adaptive", "PLMS"])
def test_a_triage_shows_predictions_and_finishing_equals_having_run_through(
    warm, tmp_path, sampler
):
    asked = request(sampler=sampler, steps=8, images=2, stop_at=0.3)
    early = made(warm, tmp_path, "triage-1", asked, predicted="vae")
    through = made(warm, tmp_path, "whole-run", replace(asked, stop_at=1.0))
    for batch, rendered in enumerate(early.of(Rendered)):
        last = [each for each in early.of(Step) if each.batch == batch][-1]
        assert (last.step, last.sigma > 0) == (last.steps, True)
        assert rendered.notes == (f"Stopped at step: {last.step}",)
        assert rendered.request == asked.alone(batch)
        taken = resume(tmp_path, "triage-1", last.step, batch)
        finished = replace(asked.alone(batch), stop_at=1.0, resume=taken)
        branch = made(warm, tmp_path, f"finished-{batch}", finished)
        assert branch.pictures == [through.pictures[batch]]
    assert early.outcome == "done"
    if sampler != "DPM adaptive":  # whose steps are known only on the way
        assert numbers(early) == [1, 2, 3] * 2


def test_a_triage_that_was_interrupted_at_its_last_step_makes_no_other(warm, tmp_path):
    asked = request(sampler="Euler", steps=8, stop_at=0.25)
    whole = made(warm, tmp_path, "triage-1", asked)
    finished_path(tmp_path / "triage-1", 0).unlink()
    options = RunOptions(keep=str(tmp_path / "triage-1"))
    control = Control()
    for event in warm.run(asked, options, control):
        if isinstance(event, Step) and event.step == 2:
            control.stop = "discard"
    assert spool_path(tmp_path / "triage-1", 0).exists()
    again = play(warm, asked, options)
    assert (numbers(again), again.pictures) == ([], whole.pictures)


# --- the guidance view ----------------------------------------------------------------------------


def test_guidance_is_kept_when_asked_for_and_changes_nothing(warm, tmp_path):
    asked = request(sampler="Heun", steps=4, images=2, batch_size=2)
    plain = made(warm, tmp_path, "original", asked)
    watched = made(warm, tmp_path, "watched-1", asked, guidance=True)
    assert watched.pictures == plain.pictures
    assert warm.preview(tmp_path / "original", Look(0, 2, "prompted", "fast")) is None
    views = [
        warm.preview(tmp_path / "watched-1", Look(0, 3, kind, "fast", position=1))
        for kind in ("unprompted", "prompted", "predicted")
    ]
    assert all(view is not None for view in views) and len({view.rgb for view in views}) == 3
    step = read_step(tmp_path / "watched-1", 0, 3)
    without, prompted = (
        read_guidance(tmp_path / "watched-1", 0, 3, kind, step.x.shape)
        for kind in ("unprompted", "prompted")
    )
    guided = without + 5.0 * (prompted - without)
    assert np.allclose(guided, step.denoised, atol=1e-4)
    assert warm.preview(tmp_path / "watched-1", Look(0, 5, "prompted", "fast")) is None
    assert warm.preview(tmp_path / "watched-1", Look(0, 3, "prompted", "fast", position=2)) is None
