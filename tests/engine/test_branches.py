"""A branch with nothing changed is the picture that it was taken from, bit for bit."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.conftest import play, request
from webui.engine.samplers import SAMPLERS
from webui.events import Step
from webui.request import Resume
from webui.trajectories import digest, kept_steps, read_header
from webui.wire import RunOptions


def made(engine, root: Path, name: str, asked):
    """A run whose steps are kept."""
    resume = str(root / asked.resume.job) if asked.resume else None
    return play(engine, asked, RunOptions(keep=str(root / name), resume=resume))


def resume(root: Path, name: str, step: int, batch: int = 0, position: int = 0) -> Resume:
    header = read_header(root / name, batch)
    steps = kept_steps(root / name, batch, position, step)
    assert header is not None and len(steps) == step
    return Resume(job=name, batch=batch, position=position, step=step, sha256=digest(header, steps))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_branch_with_nothing_changed_is_the_picture_to_the_bit(warm, tmp_path, sampler):
    asked = request(sampler=sampler, steps=7)
    whole = made(warm, tmp_path, "original", asked)
    count = whole.of(Step)[-1].step
    for step in (1, 3, count - 1):
        name = f"branch-{step:03}"
        again = made(
            warm, tmp_path, name, replace(asked, resume=resume(tmp_path, "original", step))
        )
        assert again.pictures == whole.pictures, step
        assert [each.step for each in again.of(Step)] == list(range(step + 1, count + 1))
