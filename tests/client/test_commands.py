"""`generate` and `batch` as processes, with a server that runs; its engine is a stub."""

import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import get_args, get_type_hints

import pytest
from PIL import Image

from tests.client.conftest import ROOT, SMALL, free_port
from tests.jobs.fakes import eventually
from webui import data_folder
from webui.client import Client, Event
from webui.commands import batch as batching
from webui.commands import options
from webui.commands.progress import Progress
from webui.fields import FIELDS, FORM
from webui.fields.flags import FLAGS, flag_of
from webui.request import GenerationRequest
from webui.request.dotted import flat, nested

QUICK = ["--steps", "2", "--width", "64", "--height", "64"]


def command(*argv, **environ):
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "webui.commands", *map(str, argv)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
    )


def ran(*argv, **environ):
    """(exit code, stdout, stderr)"""
    process = command(*argv, **environ)
    out, err = process.communicate(timeout=100)
    return process.returncode, out, err


@pytest.fixture
def here(server, tmp_path, monkeypatch):
    """An empty folder to be in, and a server to be found there by its environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DARKROOM_SERVER", server.address)
    return tmp_path


# --- the options -------------------------------------------------------------------------------


def leaves(kind, prefix=""):
    """The names of all that can be said in a request."""
    hints = get_type_hints(kind)
    for each in fields(kind):
        hint = hints[each.name]
        parts = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        part = next((one for one in parts if is_dataclass(one)), None)
        if part is None:
            yield f"{prefix}{each.name}"
        else:
            yield from leaves(part, f"{prefix}{each.name}.")


def test_every_field_of_a_request_is_a_flag():
    said = set(leaves(GenerationRequest))
    # what a recipe records, extensions' own, and branches, which the timeline makes
    left = {name for name in said if name.split(".")[0] in ("resume", "extras")}
    recorded = {"embeddings", "loras", "init.loopback.stop_after"}
    assert said - left - set(FLAGS) == recorded | {"seed_resize"}
    assert {"seed_resize.width", "seed_resize.height"} <= set(FLAGS)
    assert len({flag_of(name) for name in FLAGS}) == len(FLAGS)
    help_text = options.parser("generate").format_help()
    for name, field in FLAGS.items():
        assert (flag_of(name) if name != "prompt" else "PROMPT") in help_text
        assert field is (FORM.get(name) or FIELDS.get(name) or field)


def test_flags_become_the_request_that_they_name():
    argv = ["generate", "a fox", "--steps", "9", "--eta=0.5", "--sigmas", "9, 3,0"]
    argv += ["--init", "dog.png", "--strength", "0.4", "--mask", "m.png", "--mask-soft"]
    argv += ["--loopback-loops", "3", "--seed-resize-width", "64", "--seed-resize-height", "128"]
    argv += ["--hires", "--hires-picture", "p.png", "--seed", "-1", "--port", "7", "--no-listen"]
    asked = options.read(argv)
    assert nested(asked.values) == {
        "prompt": "a fox",
        "steps": 9,
        "seed": -1,
        "sampling": {"eta": 0.5},
        "schedule_options": {"sigmas": [9.0, 3.0, 0.0]},
        "seed_resize": [64, 128],
        "init": {
            "picture": "dog.png",
            "strength": 0.4,
            "mask": {"picture": "m.png", "soft": True},
            "loopback": {"loops": 3},
        },
        "hires": {"picture": "p.png"},
    }
    assert nested(flat(nested(asked.values))) == nested(asked.values)
    assert asked.settings == ("--port=7", "--no-listen")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--width", "63", "x"], "argument --width: must be from 64 to 2048 and a multiple of 8"),
        (["--steps", "many", "x"], "argument --steps: must be a whole number, got 'many'"),
        (["--guidance-scale", "nan", "x"], "argument --guidance-scale: must be from 1 to 30"),
        (["--rng", "gpu", "x"], "argument --rng: must be one of cpu, nv, got 'gpu'"),
        (["--sigmas", "3,x", "y"], "argument --sigmas: must be numbers with commas between"),
        (["--mask-blur", "3", "x"], "--mask-blur needs --mask"),
        (["--strength", "0.3", "x"], "--strength needs --init"),
        (["--seed-resize-width", "64", "x"], "--seed-resize-height is missing"),
        ([], 'say what to make: python launch.py generate "a red fox"'),
    ],
)
def test_a_wrong_option_is_said_with_what_would_work(argv, said, capsys):
    with pytest.raises(SystemExit) as ended:
        options.read(["generate", *argv])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


# --- generate ----------------------------------------------------------------------------------


def test_generate_saves_the_picture_as_it_is_and_says_where(here, darkroom):
    code, out, err = ran("generate", "a red fox", "--seed", 5, *QUICK, "--out", "x.png")
    assert (code, out, err) == (0, "x.png\n", "")
    job = darkroom.jobs(limit=1)[0]
    assert (job.request["prompt"], job.request["seed"], job.request["steps"]) == ("a red fox", 5, 2)
    assert (here / "x.png").read_bytes() == job.pictures[0].bytes()
    assert job.values["owner"] == "command-line"


def test_several_pictures_are_numbered_or_fill_a_folder(here, darkroom):
    code, out, _ = ran("generate", "a", "--images", 2, *QUICK, "--out", "new/y.jpg")
    assert (code, out) == (0, "new/y-1.png\nnew/y-2.png\n")
    (here / "all").mkdir()
    code, out, _ = ran("generate", "a", "--images", 2, *QUICK, "--out", "all")
    names = [picture.path.rpartition("/")[2] for picture in darkroom.jobs(limit=1)[0].pictures]
    assert out.split() == [f"all/{name}" for name in names]
    assert sorted(each.name for each in (here / "all").iterdir()) == sorted(names)


def test_init_and_mask_are_files(here, darkroom):
    Image.new("RGB", (64, 64), (9, 99, 200)).save(here / "dog.png")
    Image.new("L", (64, 64), 255).save(here / "mask.png")
    argv = ["--init", "dog.png", "--mask", "mask.png", "--strength", "0.5", "--mask-blur", "2"]
    code, _, err = ran("generate", "a fox", *argv, *QUICK, "--out", "z.png")
    assert (code, err) == (0, "")
    init = darkroom.jobs(limit=1)[0].request["init"]
    assert init["picture"] == darkroom.send_picture("dog.png")
    assert init["mask"]["picture"] == darkroom.send_picture("mask.png")
    assert (init["strength"], init["mask"]["blur"]) == (0.5, 2)
    code, _, err = ran("generate", "a fox", "--init", "cat.png", *QUICK)
    assert (code, err) == (
        2,
        "darkroom: --init cat.png cannot be read: No such file or directory\n",
    )


def test_exit_codes_say_what_happened(here):
    code, out, err = ran("generate", "x", "--sampler", "Nope", *QUICK)
    assert (code, out) == (2, "") and err.startswith("darkroom: --sampler must be one of: DPM++ 2M")
    code, _, err = ran("generate", "error@1:OutOfMemory", *QUICK)
    assert code == 1 and err.startswith("darkroom: job ") and " is failed: " in err
    gone = f"127.0.0.1:{free_port()}"
    code, _, err = ran("generate", "x", "--server", gone)
    assert code == 3 and err.startswith(f"darkroom: http://{gone}/ cannot be reached: ")
    code, _, err = ran("generate", "x", "--login", "nobody")
    assert (code, err) == (2, "darkroom: --login: must be name:password\n")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_cancels_the_job(here, darkroom, how):
    process = command("generate", "sleep=0.3", "--steps", 40, "--width", 64, "--height", 64)
    eventually(lambda: darkroom.jobs("running", limit=1), 60)
    (job,) = darkroom.jobs("running", limit=1)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, f"cancelled job {job.id}\n")
    assert job.wait(timeout=30).state == "cancelled"


def test_what_a_terminal_would_obey_is_not_printed():
    said = io.StringIO()
    Progress(said, name="1/2").take(Event("Warned", {"text": "<a\x1b[2J\x07\u202e> does nothing"}))
    assert said.getvalue() == "1/2: <a?[2J??> does nothing\n"


def test_the_server_of_a_data_folder_is_found_by_its_note(server, tmp_path, monkeypatch):
    monkeypatch.delenv("DARKROOM_SERVER", raising=False)
    with Client(server.address) as client:
        start = client.health()["server"]
        note = data_folder.Note(server.address, start, "/somewhere")
        data_folder.leave_note(tmp_path, note)
        lock = data_folder.Lock(tmp_path)
        out = tmp_path / "found.png"
        code, _, err = ran("generate", "noted", *QUICK, "--out", out, "--data-dir", tmp_path)
        assert (code, err) == (0, "") and out.exists()
        (job,) = client.jobs(limit=1)
        assert job.request["prompt"] == "noted"
        # the pictures that stay are in its folder, not in one that this command's options name
        code, said, _ = ran("generate", "stays", *QUICK, "--data-dir", tmp_path)
        path = client.jobs(limit=1)[0].pictures[0].path
        assert (code, said) == (0, f"/somewhere/{path}\n")
        lock.release()
    assert data_folder.find_note(tmp_path) == note
    data_folder.take_note_away(tmp_path)
    assert data_folder.find_note(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"address": 1}', "\0" * 9])
def test_a_note_that_is_none_is_as_no_note(tmp_path, text):
    (tmp_path / "server.json").write_text(text)
    assert data_folder.find_note(tmp_path) is None
    assert data_folder.find_note(tmp_path / "no folder") is None


@pytest.mark.skipif(os.name != "posix", reason="files have owners")
def test_another_servers_note_is_not_believed(server, tmp_path, monkeypatch):
    from webui.commands import serving

    with Client(server.address) as client:
        start = client.health()["server"]
    note = data_folder.Note(server.address, start)
    data_folder.Lock(tmp_path).release()
    data_folder.leave_note(tmp_path, note)
    assert serving._running(tmp_path, None) is None  # nobody has the folder: it was killed
    lock = data_folder.Lock(tmp_path)
    running = serving._running(tmp_path, None)
    assert running is not None
    running.client.close()
    data_folder.leave_note(tmp_path, data_folder.Note(server.address, "another start"))
    assert serving._running(tmp_path, None) is None
    data_folder.leave_note(tmp_path, data_folder.Note(f"http://127.0.0.1:{free_port()}", "x"))
    assert serving._running(tmp_path, None) is None
    data_folder.leave_note(tmp_path, note)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    if os.lstat(tmp_path / "server.json").st_uid == 0:  # of the administrator
        assert data_folder.find_note(tmp_path) == note
        os.chown(tmp_path / "server.json", 1, 1)
    assert data_folder.find_note(tmp_path) is None  # another user's
    lock.release()


# --- batch -------------------------------------------------------------------------------------


def lines_of(path, *requests):
    path.write_text("".join(f"{json.dumps(each)}\n" for each in requests))
    return path


def test_batch_makes_each_line_and_goes_on_after_a_failed_one(here):
    jobs = lines_of(
        here / "jobs.jsonl",
        SMALL | {"prompt": "one", "seed": 1},
        SMALL | {"prompt": "error@1:NotFinite"},
        SMALL | {"prompt": "two", "images": 2},
    )
    code, out, err = ran("batch", jobs, "--out", "made")
    results = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [(each["line"], each["state"]) for each in results] == [
        (1, "done"), (2, "failed"), (3, "done"),
    ]  # fmt: skip
    assert results[0]["pictures"] == ["made/0001.png"]
    assert results[2]["pictures"] == ["made/0003-1.png", "made/0003-2.png"]
    assert "error" in results[1] and err.startswith("2/3: job ")
    assert all(Path(path).exists() for each in results for path in each.get("pictures", []))


def test_a_batch_again_makes_only_what_is_not_done(here, darkroom):
    jobs = lines_of(
        here / "jobs.jsonl",
        SMALL | {"prompt": "kept"},
        SMALL | {"prompt": "kept"},  # the same again is another job
        SMALL | {"prompt": "die@1 error@2:NotFinite"},
    )
    code, out, _ = ran("batch", jobs, "--out", "a")
    first = [json.loads(line) for line in out.splitlines()]
    assert code == 1 and len({each["id"] for each in first}) == 3
    made = len(darkroom.jobs(limit=500))
    pictures = [Path(each["pictures"][0]).read_bytes() for each in first[:2]]
    code, out, _ = ran("batch", jobs, "--out", "a")
    second = [json.loads(line) for line in out.splitlines()]
    assert [each["id"] for each in second[:2]] == [each["id"] for each in first[:2]]
    assert second[2]["id"] == f"{first[2]['id']}-2"  # that one was tried again
    assert len(darkroom.jobs(limit=500)) == made + 1
    assert [Path(each["pictures"][0]).read_bytes() for each in second[:2]] == pictures
    code, out, _ = ran("batch", jobs, "--out", "a", "--again")
    third = [json.loads(line)["id"] for line in out.splitlines()]
    assert not {each["id"] for each in first} & set(third)


def test_lines_end_where_json_lines_do(here):
    """Not at separators that a prompt may hold."""
    odd = "a\u2028b\u0085c"
    text = json.dumps(SMALL | {"prompt": odd}, ensure_ascii=False)
    (here / "jobs.jsonl").write_bytes(f"{text}\r\n\n{text}".encode())
    found = batching.read("jobs.jsonl")
    assert [(line.number, line.request["prompt"]) for line in found] == [(1, odd), (3, odd)]


def test_a_line_whose_picture_has_changed_is_another_job(here):
    lines = lines_of(here / "jobs.jsonl", {"init": {"picture": "a.png", "mask": {"picture": 1}}})
    ids = []
    for data in (b"one", b"two", b"one"):
        (here / "a.png").write_bytes(data)
        ids += [batching.read(str(lines))[0].id]
    (here / "a.png").unlink()
    ids += [batching.read(str(lines))[0].id]  # the server will say that it is not there
    assert ids[0] == ids[2] and len({*ids}) == 3


def test_bad_lines_are_named_before_anything_is_submitted(here, darkroom):
    before = darkroom.jobs(limit=500)
    jobs = here / "jobs.jsonl"
    jobs.write_text('{"prompt": "fine"}\n\n{"prompt":\n[1]\n{"cfg_scale": NaN}\n')
    code, out, err = ran("batch", jobs)
    assert (code, out) == (2, "")
    said = err.splitlines()
    assert said[0].startswith(f"darkroom: {jobs}:3: line: is no JSON: ")
    assert said[1] == f'{jobs}:4: line: must be a request like {{"prompt": "a red fox"}}'
    assert said[2] == f"{jobs}:5: line: is no JSON: NaN is no number"
    lines_of(jobs, SMALL | {"prompt": "fine"}, {"width": 1}, {"sampler": "Nope"}, {"cfg": 7})
    jobs.write_text("\n" + jobs.read_text())  # empty lines count
    code, out, err = ran("batch", jobs)
    assert (code, out) == (2, "")
    said = err.splitlines()
    assert said[0].startswith(f"darkroom: {jobs}:3: width: must be from 64 to 2048")
    assert said[1].startswith(f"{jobs}:4: sampler: must be one of")
    assert said[2].startswith(f"{jobs}:5: cfg: is not a field")
    assert len(darkroom.jobs(limit=500)) == len(before)
    assert ran("batch", here / "none.jsonl")[::2] == (
        2, f"darkroom: FILE: {here}/none.jsonl cannot be read: No such file or directory\n",
    )  # fmt: skip
