import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from webui.data_folder import Lock, sweep
from webui.errors import StartError


def test_a_second_server_on_the_same_folder_is_refused_until_the_first_has_ended(tmp_path):
    first = Lock(tmp_path / "new" / "data")
    with pytest.raises(StartError, match="another server uses the data folder"):
        Lock(tmp_path / "new" / "data")
    first.release()
    Lock(tmp_path / "new" / "data").release()


def test_the_lock_goes_with_the_process_however_it_ends(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from webui.data_folder import Lock;"
        "lock = Lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(StartError, match="another server"):
            Lock(tmp_path)
        holder.kill()
        holder.wait()
    Lock(tmp_path).release()


def test_a_folder_of_a_newer_version_is_refused(tmp_path):
    (tmp_path / "version").write_text("2\n")
    with pytest.raises(StartError, match="has version '2', this program knows version 1"):
        Lock(tmp_path)
    (tmp_path / "version").write_text("1\n")
    Lock(tmp_path).release()


def test_a_version_file_that_a_crash_left_empty_is_written_again(tmp_path):
    (tmp_path / "version").write_text("")
    Lock(tmp_path).release()
    assert (tmp_path / "version").read_text() == "1\n"


def test_a_version_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "version").mkdir()
    with pytest.raises(StartError, match="version cannot be read or written"):
        Lock(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="cannot be used"):
        Lock(tmp_path / "file" / "data")


def test_the_temp_folder_loses_what_is_old_then_the_oldest_until_it_fits(tmp_path):
    now = time.time()
    for name, age in (("old", 100), ("a", 30), ("b", 20), ("c", 10)):
        path = tmp_path / name / "file"
        path.parent.mkdir()
        path.write_bytes(b"x" * 10)
        os.utime(path, (now - age, now - age))
    sweep(tmp_path, max_bytes=20, max_age=50)
    assert sorted(each.parent.name for each in tmp_path.glob("*/file")) == ["b", "c"]


def test_a_temp_file_that_cannot_be_deleted_does_not_keep_the_others(tmp_path, monkeypatch):
    for name in ("held", "other"):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (0, 0))
    unlink = Path.unlink

    def refused(path, missing_ok=False):
        if path.name == "held":
            raise PermissionError("in use")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    sweep(tmp_path, 2**30)
    assert [path.name for path in tmp_path.iterdir()] == ["held"]


def test_folders_go_with_their_last_file_and_when_they_are_old_and_empty(tmp_path):
    for name in ("used", "emptied", "kept/inside", "new"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("used/a", "used/b", "emptied/a"):
        (tmp_path / name).write_bytes(b"x")
    for name in ("used/a", "emptied/a", "kept/inside", "kept"):
        os.utime(tmp_path / name, (0, 0))
    sweep(tmp_path, 2**30)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"used", "used/b", "new", "kept"}  # whose last folder has only just gone
    os.utime(tmp_path / "kept", (0, 0))
    sweep(tmp_path, 2**30)
    assert not (tmp_path / "kept").exists() and tmp_path.exists()
