"""The kept runs on disk: what is read is what was written, and the oldest go first."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from webui.trajectories import (
    Header,
    KeptStep,
    Spool,
    Trajectories,
    changes,
    guided_steps,
    keep_guidance,
    needed,
    read_guidance,
    read_header,
    read_spool,
    read_step,
)

SHAPE = (2, 4, 3, 5)
HEADER = Header({"prompt": "ein Fuchs 🦊", "seed": 1}, 0, SHAPE, (3.0, 2.0, 1.0, 0.0))


def kept(step):
    rng = np.random.default_rng(step)
    x, denoised = (rng.standard_normal(SHAPE, np.float32) for _ in range(2))
    return KeptStep(step, step + 1, HEADER.sigmas[step], step / 8, x, denoised, None, 3, step / 7)


def remembering(step):
    return replace(kept(step), memory=np.full(SHAPE, step, np.float32))


def numbers(kept):
    return (kept.step, kept.draws, kept.sigma, kept.seconds, kept.steps, kept.ahead)


def same(one, other):
    return numbers(one) == numbers(other) and all(
        np.array_equal(mine, theirs)
        for mine, theirs in zip(one.latents(), other.latents(), strict=True)
    )


def written(folder, steps, header=HEADER, kept=kept):
    spool = Spool(folder, header)
    for step in range(1, steps + 1):
        spool.append(kept(step))
    return spool


def test_what_a_sampler_remembers_comes_back_with_its_steps(tmp_path):
    header = replace(HEADER, memory=True)
    spool = written(tmp_path, 3, header, remembering)
    assert read_header(tmp_path, 0) == header
    assert all(same(each, remembering(each.step)) for each in read_spool(tmp_path, header))
    assert same(read_step(tmp_path, 0, 2), remembering(2))
    assert read_spool(tmp_path, HEADER) == []  # another sampler's steps are never taken
    spool.finish()
    assert all(same(read_step(tmp_path, 0, step), remembering(step)) for step in (1, 2, 3))


def test_a_file_of_the_first_version_can_still_be_looked_at(tmp_path):
    written(tmp_path, 2).finish()
    path = tmp_path / "batch-000.safetensors"
    with safe_open(path, framework="numpy") as file:
        names = set(file.keys()) - {"steps", "ahead"}
        old = {name: file.get_tensor(name) for name in names}
        metadata = file.metadata()
    save_file(old, path, metadata)
    assert same(read_step(tmp_path, 0, 2), replace(kept(2), steps=0, ahead=0.0))


def test_steps_are_read_as_written_while_the_run_goes_on_and_afterwards(tmp_path):
    spool = written(tmp_path, 3)
    assert read_header(tmp_path, 0) == HEADER  # not closed yet
    assert all(same(read_step(tmp_path, 0, step), kept(step)) for step in (1, 2, 3))
    spool.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["batch-000.safetensors"]
    assert read_header(tmp_path, 0) == HEADER
    assert all(same(read_step(tmp_path, 0, step), kept(step)) for step in (1, 2, 3))


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("step", [-1, 0, 4, 10**6])
def test_a_step_that_was_not_kept_is_none(tmp_path, finished, step):
    spool = written(tmp_path, 3)
    spool.finish() if finished else spool.close()
    assert read_step(tmp_path, 0, step) is None
    assert read_step(tmp_path, 1, 1) is None


def test_a_spool_cut_at_any_byte_gives_its_whole_records_and_never_an_error(tmp_path):
    written(tmp_path, 2).close()
    path = tmp_path / "batch-000.spool"
    data = path.read_bytes()
    record = 40 + 2 * 4 * int(np.prod(SHAPE))
    for length in range(0, len(data) + 1, 97):
        path.write_bytes(data[:length])
        whole = max(0, (length - (len(data) - 2 * record)) // record)
        assert [each.step for each in read_spool(tmp_path, HEADER)] == [1, 2][:whole]


def test_a_spool_begun_again_keeps_the_steps_it_is_given(tmp_path):
    written(tmp_path, 2).close()
    again = Spool(tmp_path, HEADER, read_spool(tmp_path, HEADER))
    again.append(kept(3))
    again.finish()
    assert all(same(read_step(tmp_path, 0, step), kept(step)) for step in (1, 2, 3))


def test_a_run_stopped_early_keeps_the_steps_it_made(tmp_path):
    written(tmp_path, 1).finish()
    assert same(read_step(tmp_path, 0, 1), kept(1))
    assert read_step(tmp_path, 0, 2) is None


def filled(root, *names):
    trajectories = Trajectories(root, 10**9)
    for age, name in enumerate(names):
        written(trajectories.folder(name), 2).finish()
        os.utime(trajectories.folder(name), (age, age))
    return sum(path.stat().st_size for path in trajectories.folder(names[0]).iterdir())


def test_the_quota_lets_the_oldest_go(tmp_path):
    size = filled(tmp_path, "a", "b", "c", "d")
    assert Trajectories(tmp_path, 4 * size).sweep() == []
    assert Trajectories(tmp_path, 2 * size).sweep() == ["a", "b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "d"]


def test_a_file_of_somebody_else_is_left_alone(tmp_path):
    filled(tmp_path, "a")
    (tmp_path / ".DS_Store").write_bytes(b"")
    assert Trajectories(tmp_path, 0).sweep() == ["a"]
    assert [path.name for path in tmp_path.iterdir()] == [".DS_Store"]


def test_links_and_what_cannot_be_looked_at_keep_no_run_from_being_swept(tmp_path):
    size = filled(tmp_path / "kept", "a", "b")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "theirs").write_bytes(b"x" * 10**6)
    (tmp_path / "kept" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "kept" / "dangling").symlink_to("nowhere")
    (tmp_path / "kept" / "a" / "dangling").symlink_to("nowhere")
    (tmp_path / "kept" / "b" / "folder").mkdir()
    assert Trajectories(tmp_path / "kept", 2 * size + 10_000).sweep() == []  # theirs count not
    assert sorted(Trajectories(tmp_path / "kept", 0).sweep()) == ["a", "b"]
    assert sorted(each.name for each in (tmp_path / "kept").iterdir()) == ["dangling", "linked"]
    assert (tmp_path / "elsewhere" / "theirs").exists()


def test_a_run_that_cannot_be_removed_still_counts_and_the_next_one_goes(tmp_path, monkeypatch):
    size = filled(tmp_path, "a", "b", "c")
    remove = shutil.rmtree

    def refused(folder, ignore_errors):
        if folder.name != "a":
            remove(folder, ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", refused)
    assert Trajectories(tmp_path, 2 * size).sweep() == ["b"]


FOREIGN = [
    {}, {"darkroom": "{}"}, {"darkroom": "[]"}, {"darkroom": "{"}, {"darkroom": "1"},
    {"darkroom": '{"shape": [1], "request": {}, "batch": 0, "sigmas": []}'},
    {"darkroom": '{"shape": null}'},
    {"darkroom": '{"shape": [1, 2, 3, 4], "request": {}, "batch": 0, "sigmas": 1}'},
]  # fmt: skip


@pytest.mark.parametrize("metadata", FOREIGN)
def test_a_foreign_file_has_no_header_and_no_steps(tmp_path, metadata):
    save_file({"x": np.array(1.0)}, tmp_path / "batch-000.safetensors", metadata or None)
    assert read_header(tmp_path, 0) is None
    assert read_step(tmp_path, 0, 1) is None
    head = metadata.get("darkroom", "").encode()
    spool = b"DARKROOM SPOOL 1" + len(head).to_bytes(4, "little") + head
    (tmp_path / "batch-000.spool").write_bytes(spool)
    assert read_header(tmp_path, 0) is None
    assert read_step(tmp_path, 0, 1) is None
    assert read_spool(tmp_path, HEADER) == []


def test_a_quota_of_0_keeps_nothing(tmp_path):
    filled(tmp_path, "a", "b")
    assert sorted(Trajectories(tmp_path, 0).sweep()) == ["a", "b"]
    assert list(tmp_path.iterdir()) == []


def test_sweeping_before_the_first_run_is_no_error(tmp_path):
    assert Trajectories(tmp_path / "none", 100).sweep() == []


def test_what_a_branch_needs_is_not_swept_and_counts_for_nothing(tmp_path):
    trajectories = Trajectories(tmp_path, 1)
    for job in ("one-job-1", "one-job-2", "one-job-3"):
        written(tmp_path / job, 2).close()
    assert sorted(trajectories.sweep({"one-job-2"})) == ["one-job-1", "one-job-3"]
    assert read_step(tmp_path / "one-job-2", 0, 2) is not None
    assert Trajectories(tmp_path, 0).sweep() == ["one-job-2"]


def predicted(values, whole=True):
    """Steps whose predictions are these values everywhere; the second half of it is constant."""
    steps = []
    for number, value in enumerate(values, 1):
        denoised = np.array([value, 1.0], np.float32)
        sigma = 0.0 if whole and number == len(values) else 1.0
        steps.append(KeptStep(number, 1, sigma, 0.1, denoised, denoised))
    return steps


def test_the_change_of_a_step_is_relative_to_what_is_predicted_there():
    found = changes(predicted([3.0, 1.0, 1.0]))
    assert found == [None, pytest.approx(2 / 2**0.5), 0.0]
    assert changes(predicted([2.0])) == [None]
    assert changes([]) == []
    assert changes([KeptStep(n, 1, 1.0, 0.1, *2 * [np.zeros(2, np.float32)]) for n in (1, 2)]) == [
        None,
        0.0,
    ]


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ([9.0, 1.5, 1.02, 1.0, 1.0], 3),
        ([1.0, 1.5, 1.0, 1.5, 1.0], 5),  # it came near, and left again
        ([1.0, 1.0, 1.0], 1),
        ([9.0, 5.0, 1.0], 3),
    ],
)
def test_as_many_steps_are_needed_as_it_takes_to_stay_near_the_end(values, count):
    assert needed(predicted(values)) == count
    assert needed(predicted(values, whole=False)) is None
    assert needed([]) is None


def test_which_steps_have_their_guidance_is_known_without_reading_it(tmp_path):
    both = np.full(SHAPE, 1.0, np.float32), np.full(SHAPE, 2.0, np.float32)
    assert guided_steps(tmp_path, 0, [1, 2], SHAPE) == [False, False]
    for step in (2, 3, 5):
        keep_guidance(tmp_path, 0, step, *both)
    whole = [False, True, True, False, True, False]
    assert guided_steps(tmp_path, 0, range(1, 7), SHAPE) == whole
    assert [read_guidance(tmp_path, 0, n, "prompted", SHAPE) is not None for n in range(1, 7)] == (
        whole
    )
    path = tmp_path / "batch-000.guidance"
    path.write_bytes(path.read_bytes()[:-1])  # cut in the last record
    assert guided_steps(tmp_path, 0, range(1, 7), SHAPE) == [False, True, True, *[False] * 3]
    assert guided_steps(tmp_path, 1, [2], SHAPE) == [False]


@pytest.mark.parametrize("suffix", ["safetensors", "spool", "guidance"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "link"])
def test_what_is_no_plain_file_is_not_waited_for(tmp_path, suffix, kind):
    path = tmp_path / f"batch-000.{suffix}"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else "/etc/hostname")
    assert read_header(tmp_path, 0) is None
    assert read_step(tmp_path, 0, 1) is None
    assert read_spool(tmp_path, HEADER) == []
    assert read_guidance(tmp_path, 0, 1, "prompted", SHAPE) is None
    assert guided_steps(tmp_path, 0, [1], SHAPE) == [False]
