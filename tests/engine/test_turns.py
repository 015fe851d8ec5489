"""A batch of two turns, as a second pass makes it: kept, resumed, branched, stopped by turn."""

from dataclasses import replace

import numpy as np
import pytest

from tests.engine.conftest import die, play, request
from webui.engine import engine as engine_module
from webui.engine.control import Control
from webui.engine.turns import Start, Turn
from webui.errors import InvalidRequest
from webui.events import Look, Preview, Rendered, Skipped, Stage, Step
from webui.request import Resume
from webui.trajectories import before, digest, finished_path, kept_steps, read_header, read_step
from webui.wire import RunOptions

STEPS = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (1, 2), (1, 3)]


@pytest.fixture(autouse=True)
def _two_turns(monkeypatch):
    def course(bench, asked, batch):
        first = yield Turn(asked, bench.model, turns=2)
        if first.ended:
            return bench.decode(first.latents)
        yield Stage("between")
        second = replace(asked, sampler="Euler a", steps=5)
        last = yield Turn(second, bench.model, Start(first.latents, 0.5), turns=2)
        return bench.decode(last.latents)

    monkeypatch.setattr(engine_module, "course_of", course)


@pytest.fixture
def asked():
    return request(sampler="DPM++ 2M", steps=4)


def places(run):
    return [(event.turn, event.step) for event in run.of(Step)]


def kept(folder):
    return RunOptions(keep=str(folder))


def test_each_turn_is_told_kept_and_drawn_as_its_own(engine, asked, tmp_path):
    options = replace(kept(tmp_path), predicted="fast")
    run = play(engine, asked, options)
    assert places(run) == STEPS
    assert {event.turns for event in run.of(Step)} == {2}
    assert [event.steps for event in run.of(Step)] == [4] * 4 + [3] * 3
    assert len(run.of(Rendered)) == 1
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "batch-000-turn-001.safetensors",
        "batch-000.safetensors",
    ]
    header = read_header(tmp_path, 0, 1)
    assert (header.turn, header.request["sampler"], len(header.sigmas)) == (1, "Euler a", 4)
    first, second = read_step(tmp_path, 0, 4), read_step(tmp_path, 0, 1, 1)
    assert first.sigma == 0 and not np.array_equal(first.x, second.x)
    for drawn in run.of(Preview):
        look = Look(0, drawn.step, "predicted", "fast", turn=drawn.turn)
        assert engine.preview(tmp_path, look) == drawn.picture
    assert engine.preview(tmp_path, Look(0, 4, "predicted", "fast", turn=1)) is None


@pytest.mark.parametrize("dies_at", [(0, 2), (0, 4), (1, 1), (1, 3)])
def test_a_killed_run_goes_on_in_the_turn_that_it_was_in(engine, asked, tmp_path, dies_at):
    whole = play(engine, asked)
    die(engine, asked, kept(tmp_path), dies_at)
    rest = play(engine, asked, kept(tmp_path))
    assert places(rest) == STEPS[STEPS.index(dies_at) + 1 :]
    assert rest.pictures == whole.pictures


def branch_of(folder, turn, step):
    steps, earlier = kept_steps(folder, 0, 0, step, turn), before(folder, 0, 0, turn)
    sha256 = digest(read_header(folder, 0, turn), steps, earlier)
    return Resume(job="original", batch=0, position=0, step=step, sha256=sha256, turn=turn)


@pytest.mark.parametrize(("turn", "step"), [(0, 2), (1, 1), (1, 2)])
def test_a_branch_with_nothing_changed_is_the_picture_to_the_bit(
    engine, asked, tmp_path, turn, step
):
    whole = play(engine, asked, kept(tmp_path / "original"))
    resumed = replace(asked, resume=branch_of(tmp_path / "original", turn, step))
    options = replace(kept(tmp_path / "branch"), resume=str(tmp_path / "original"))
    branch = play(engine, resumed, options)
    assert places(branch) == STEPS[STEPS.index((turn, step)) + 1 :]
    assert branch.pictures == whole.pictures
    # the branch has all steps itself, and can be branched when its origin is gone
    assert len(kept_steps(tmp_path / "branch", 0, 0, 9, 0)) == 4
    assert len(kept_steps(tmp_path / "branch", 0, 0, 9, 1)) == 3


def test_a_branch_of_the_second_turn_takes_over_the_first_as_it_was(engine, asked, tmp_path):
    whole = play(engine, asked, kept(tmp_path / "original"))
    changed = replace(asked, prompt="a cat", sampler="UniPC", seed=5)
    resumed = replace(changed, resume=branch_of(tmp_path / "original", 1, 1))
    options = replace(kept(tmp_path / "branch"), resume=str(tmp_path / "original"))
    branch = play(engine, resumed, options)
    assert places(branch) == [(1, 2), (1, 3)]
    assert branch.pictures != whole.pictures
    first, same = (read_step(tmp_path / name, 0, 4) for name in ("original", "branch"))
    assert np.array_equal(first.x, same.x)


def test_a_branch_is_refused_when_a_turn_before_it_is_another(engine, asked, tmp_path):
    play(engine, asked, kept(tmp_path / "original"))
    resumed = replace(asked, resume=branch_of(tmp_path / "original", 1, 1))
    options = RunOptions(resume=str(tmp_path / "original"))
    play(engine, replace(asked, seed=99), kept(tmp_path / "other"))
    finished_path(tmp_path / "other", 0).replace(finished_path(tmp_path / "original", 0))
    with pytest.raises(InvalidRequest, match="whose kept steps are not the ones"):
        play(engine, resumed, options)
    finished_path(tmp_path / "original", 0).unlink()
    with pytest.raises(InvalidRequest, match="is not kept"):
        play(engine, resumed, options)


@pytest.mark.parametrize("at", [(0, 2), (0, 4), (1, 2)])
def test_interrupting_ends_the_turn_and_makes_no_further(engine, asked, at):
    control, seen = Control(), []
    run = engine.run(asked, RunOptions(), control)
    for event in run:
        seen.append(event)
        if isinstance(event, Step) and (event.turn, event.step) == at:
            control.stop = "keep"
    steps = [(event.turn, event.step) for event in seen if isinstance(event, Step)]
    assert steps == STEPS[: STEPS.index(at) + 1]
    (rendered,) = [event for event in seen if isinstance(event, Rendered)]
    unfinished = at != (0, 4)
    assert rendered.notes == ((f"Stopped at step: {at[1]}",) if unfinished else ())


def test_skipping_names_the_turn_and_goes_on_with_the_next_batch(engine, asked):
    control, seen = Control(), []
    for event in engine.run(replace(asked, images=2), RunOptions(), control):
        seen.append(event)
        if isinstance(event, Step) and (event.batch, event.turn, event.step) == (0, 1, 2):
            control.skip = 0
    assert [event for event in seen if isinstance(event, Skipped)] == [Skipped(0, 2, 1)]
    assert [event.image for event in seen if isinstance(event, Rendered)] == [1]
