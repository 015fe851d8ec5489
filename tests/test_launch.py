"""launch.py before and after the set-up: help, errors of one sentence, and the server's parent."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import launch
from scripts import machine, progress, start
from scripts.environment import Environment, ensure, half_installed, ready, wanted
from scripts.supervisor import Limits, supervise
from webui import settings
from webui.errors import StartError

ROOT = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """launch.py and what it may import, nothing else."""
    shutil.copy(ROOT / "launch.py", tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "webui" / "commands").mkdir(parents=True)
    shutil.copytree(ROOT / "webui" / "fields", tmp_path / "webui" / "fields")
    for name in ("__init__.py", "new_extension.py", "options.py"):
        shutil.copy(ROOT / "webui" / "commands" / name, tmp_path / "webui" / "commands")
    names = ("errors", "extension_ids", "passwords", "restarting", "setting_table")
    names += ("setting_values", "settings")
    for name in (f"{each}.py" for each in ("__init__", *names)):
        shutil.copy(ROOT / "webui" / name, tmp_path / "webui")
    return tmp_path


def start_bare(project: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Under a Python that sees its standard library alone."""
    return subprocess.run(
        [sys.executable, "-S", "-I", str(project / "launch.py"), *arguments],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], **environ},
        timeout=60,
    )


# --- before anything is installed --------------------------------------------------------------


def test_help_lists_every_option_and_installs_nothing(project: Path) -> None:
    shown = start_bare(project, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    server = [name for action in settings.parser()._actions for name in action.option_strings]
    for option in [*server, "--torch-index", "--install-browser", "setup", "test"]:
        assert option in shown.stdout
    assert not (project / ".venv").exists()


def test_a_mistyped_option_is_refused_before_the_set_up(project: Path) -> None:
    refused = start_bare(project, "--prot", "7861")
    assert refused.returncode == 2
    assert refused.stderr.endswith("unrecognized arguments: --prot 7861\n")
    assert not (project / ".venv").exists()


@pytest.mark.parametrize("command", ["generate", "batch"])
def test_a_command_has_help_and_refuses_mistakes_before_the_set_up(
    project: Path, command: str
) -> None:
    shown = start_bare(project, command, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    for option in ("--out", "--server", "--data-dir", "Exit codes"):
        assert option in shown.stdout
    refused = start_bare(project, command, "x", "--stepz", "3")
    assert refused.returncode == 2
    assert refused.stderr.endswith("unrecognized arguments: --stepz 3\n")
    assert not (project / ".venv").exists()


def test_a_command_runs_where_it_was_called_and_gets_all_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    root, here = tmp_path / "root", tmp_path / "here"
    here.mkdir()
    python = root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\npwd; echo "$PYTHONPATH"; printf "[%s]" "$@"; exit 7\n')
    python.chmod(0o755)
    monkeypatch.chdir(here)
    monkeypatch.setattr(start, "_set_up", lambda root, chosen: sys.stdout.write("set up\n"))
    arguments = ["generate", "a red fox", "--steps", "3"]
    assert start.main(arguments, {"PATH": os.environ["PATH"]}, str(root)) == 7
    said = capfd.readouterr()
    assert said.err == "set up\n"
    words = "".join(f"[{each}]" for each in ["-P", "-m", "webui.commands", *arguments])
    assert said.out == f"{here}\n{root}\n{words}"


@pytest.mark.parametrize("version", [(2, 7), (3, 10), (3, 15)])
def test_a_python_that_does_not_fit_is_told_which_one_does(version: tuple[int, int]) -> None:
    problem = launch.unfit(version, "/usr/bin/python")
    assert problem is not None
    major, minor = version
    assert f"Python 3.11 to 3.14, and /usr/bin/python is Python {major}.{minor};" in problem


@pytest.mark.parametrize("version", [(3, 11), (3, 14)])
def test_a_python_that_fits_is_taken(version: tuple[int, int]) -> None:
    assert launch.unfit(version, "/usr/bin/python") is None


def test_a_port_in_use_is_one_sentence_before_the_set_up(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = start_bare(project, "--port", str(port))
    assert refused.returncode == 1
    assert refused.stderr == (
        f"darkroom: port {port} of 127.0.0.1 is in use (is Darkroom already running?); "
        f"choose another: python launch.py --port {port % 65535 + 1}\n"
    )
    assert not (project / ".venv").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(project: Path) -> None:
    (project / ".venv").write_text("a file where the folder belongs")
    refused = start_bare(project, "setup")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"darkroom: cannot write to {project / '.venv'}: File exists;")
    assert refused.stderr.count("\n") == 1


def test_a_python_without_ensurepip_is_told_the_package_to_install(project: Path) -> None:
    code = (
        "import runpy, sys; sys.modules['ensurepip'] = None; sys.argv = ['launch.py', 'setup'];"
        f"runpy.run_path({str(project / 'launch.py')!r}, run_name='__main__')"
    )
    refused = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60
    )
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert refused.returncode == 1
    assert f"`sudo apt install python{version}-venv`" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path) -> None:
    environment = Environment(tmp_path / ".venv")
    with pytest.raises(StartError, match=r"needs about 3 GB in .*, and 1\.0 GB are free"):
        ensure(environment, wanted(["run"], None), print, 3 * machine.GB, free=lambda _: 10**9)
    assert list(tmp_path.iterdir()) == []


# --- what stands in .venv ----------------------------------------------------------------------


def stamped(tmp_path: Path, **changes: object) -> Environment:
    """An environment with a stamp of both locks, and something where Python belongs."""
    environment = Environment(tmp_path / ".venv")
    environment.python.parent.mkdir(parents=True)
    environment.python.touch()
    environment.write(wanted(["run", "test"], None))
    file = environment.folder / "darkroom.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return environment


def test_an_environment_with_its_stamp_is_ready_for_all_that_it_has(tmp_path: Path) -> None:
    environment = stamped(tmp_path)
    assert ready(environment, wanted(["run"], None))
    assert ready(environment, wanted(["run", "test"], None))
    assert not ready(environment, wanted(["run"], "https://example.org/rocm"))


@pytest.mark.parametrize(
    "changes",
    [
        {"complete": False},
        {"python": "3.11.0 linux x86_64"},
        {"locks": {"run": "0" * 64}},
        {"torch_index": "https://example.org/rocm"},
        {"of a later version": 1},
    ],
)
def test_an_environment_with_another_stamp_is_not_ready(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    assert not ready(stamped(tmp_path, **changes), wanted(["run"], None))


def test_a_stamp_cut_short_is_none(tmp_path: Path) -> None:
    environment = stamped(tmp_path)
    file = environment.folder / "darkroom.json"
    whole = file.read_bytes()
    for end in range(len(whole)):
        file.write_bytes(whole[:end])
        assert environment.stamp() is None


def test_packages_that_pip_was_killed_in_are_found(tmp_path: Path) -> None:
    for name, files in {
        "whole-1.dist-info": ["METADATA", "RECORD", "INSTALLER"],
        "begun-1.dist-info": ["METADATA", "RECORD"],
        "bare-1.dist-info": ["METADATA", "INSTALLER"],
        "~orch": ["version.py"],
        "whole": ["__init__.py"],
    }.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).touch()
    found = sorted(path.name for path in half_installed(tmp_path))
    assert found == ["bare-1.dist-info", "begun-1.dist-info", "~orch"]


# --- what pip says -----------------------------------------------------------------------------


def test_what_pip_says_becomes_a_few_lines() -> None:
    said = [
        "Collecting gradio==6.31.0 (from -r run.txt (line 5))",
        "  Downloading gradio-6.31.0-py3-none-any.whl.metadata (16 kB)",
        "Downloading gradio-6.31.0-py3-none-any.whl (38.2 MB)",
        "Progress 19100000 of 38200000",
        "Using cached pluggy-1.7.0-py3-none-any.whl (20 kB)",
        "Processing ./wheels/torch-2.13.0-cp311-cp311-linux_x86_64.whl (from torch==2.13.0)",
        "Installing collected packages: pluggy, gradio",
    ]
    assert list(progress.short(said)) == [
        ("gradio-6.31.0 (38.2 MB)", True),
        ("gradio-6.31.0: 19 of 38 MB", False),
        ("pluggy-1.7.0 (20 kB)", False),
        ("torch-2.13.0", True),
        ("unpacking 2 packages", True),
    ]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "the disk is full"),
        ("ERROR: No matching distribution found for torch==2.13.0", "there is no torch==2.13.0"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "not the one that was locked"),
        ("ERROR: one\nERROR: the last", "pip failed: the last (all it said: setup.log)"),
    ],
)
def test_a_failed_pip_is_one_sentence(said: str, sentence: str) -> None:
    text = progress.failure(said, "setup.log")
    assert sentence in text
    assert "\n" not in text


def test_no_connection_is_told_apart_from_no_such_package() -> None:
    said = "WARNING: NewConnectionError\nERROR: No matching distribution found for torch==2.13.0"
    assert progress.failure(said, "").startswith("packages could not be downloaded")


# --- what the machine has ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "build", "said"),
    [
        ("NVIDIA", "cpu", "has an NVIDIA card, and the installed torch (cpu) cannot use it"),
        ("AMD", "cuda 13.0", "has an AMD card, and the installed torch (cuda 13.0) cannot use it"),
        ("NVIDIA", "cuda 13.0", None),
        ("AMD", "hip 7.1", None),
        (None, "cpu", None),
    ],
)
def test_a_card_that_torch_cannot_use_is_said_with_the_command(
    make: str | None, build: str, said: str | None
) -> None:
    advice = machine.card_advice(make, build)
    if said is None:
        assert advice is None
    else:
        assert advice is not None
        assert said in advice
        assert "python launch.py --torch-index" in advice


@pytest.mark.parametrize(
    ("there", "make"),
    [("/proc/driver/nvidia/gpus", "NVIDIA"), ("/dev/kfd", "AMD"), ("/dev/null", None)],
)
def test_a_card_is_known_by_its_driver(there: str, make: str | None) -> None:
    assert machine.card(lambda path: path == there, lambda _: None) == make


@pytest.mark.parametrize(
    ("text", "build"),
    [
        ("cuda: Optional[str] = None\nhip: Optional[str] = None", "cpu"),
        ("cuda: Optional[str] = '13.0'\nhip: Optional[str] = None", "cuda 13.0"),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '7.1.2'", "hip 7.1.2"),
    ],
)
def test_what_torch_was_built_for_is_read_from_its_files(
    tmp_path: Path, text: str, build: str
) -> None:
    environment = Environment(tmp_path)
    (environment.packages / "torch").mkdir(parents=True)
    (environment.packages / "torch" / "version.py").write_text(text)
    assert environment.torch_build() == build


@pytest.mark.parametrize(
    ("system", "environ", "seen"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"DISPLAY": ":0", "CI": "true"}, False),
        ("darwin", {}, True),
        ("darwin", {"SSH_CONNECTION": "x"}, False),
        ("win32", {}, True),
    ],
)
def test_a_browser_is_opened_only_where_it_would_be_seen(
    system: str, environ: dict[str, str], seen: bool
) -> None:
    assert machine.has_display(system, environ) is seen


@pytest.mark.parametrize(
    ("arguments", "environ", "file", "settled"),
    [
        ([], {}, "", False),
        (["--no-open-browser"], {}, "", True),
        ([], {"DARKROOM_OPEN_BROWSER": "0"}, "", True),
        ([], {}, "open_browser = false", True),
        ([], {}, "port = 7861", False),
    ],
)
def test_what_was_said_of_the_browser_holds(
    tmp_path: Path, arguments: list[str], environ: dict[str, str], file: str, settled: bool
) -> None:
    (tmp_path / settings.FILE).write_text(file)
    given = settings.read([*arguments, "--data-dir", str(tmp_path)], environ)
    assert start.browser_is_settled(arguments, environ, given) is settled


def test_without_a_browser_the_tests_say_what_to_install() -> None:
    with pytest.raises(StartError, match="install Chromium or Chrome"):
        machine.require_chromium({}, install=False, which=lambda _: None, exists=lambda _: False)


# --- the server's parent -----------------------------------------------------------------------


def server(folder: Path, *codes: int) -> Path:
    """A server that notes its arguments and ends with the next of `codes` at each start."""
    script = folder / "server.py"
    script.write_text(
        "import pathlib, sys\n"
        f"notes = pathlib.Path({str(folder / 'notes')!r})\n"
        "with notes.open('a') as file: file.write(' '.join(sys.argv[1:]) + '\\n')\n"
        f"sys.exit({list(codes)}[len(notes.read_text().splitlines()) - 1])\n"
    )
    return script


def supervised(
    folder: Path, codes: Sequence[int], limits: Limits | None = None
) -> tuple[int, list[str], list[str]]:
    """(exit code, "start number, mode" of each start, what was said)"""
    script, said = server(folder, *codes), list[str]()

    def command(starts: int, safe: bool) -> list[str]:
        return [sys.executable, "-I", str(script), str(starts), "safe" if safe else "full"]

    code = supervise(command, folder, limits or Limits(), said.append)
    return code, (folder / "notes").read_text().splitlines(), said


def test_the_server_is_started_again_when_it_asks(tmp_path: Path) -> None:
    again = settings.RESTART_EXIT_CODE
    code, starts, _ = supervised(tmp_path, [again, again, 0])
    assert (code, starts) == (0, ["0 full", "1 full", "2 full"])


def test_after_two_failed_starts_the_third_is_in_safe_mode(tmp_path: Path) -> None:
    code, starts, said = supervised(tmp_path, [1, 1, 0])
    assert (code, starts) == (0, ["0 full", "1 full", "2 safe"])
    assert said[1].endswith("starting in safe mode, without extensions (--safe-mode).")


def test_a_good_start_resets_the_count(tmp_path: Path) -> None:
    again = settings.RESTART_EXIT_CODE
    code, starts, _ = supervised(tmp_path, [1, again, 1, 1, again, 0])
    assert code == 0
    assert [start.split()[1] for start in starts] == ["full"] * 4 + ["safe", "full"]


def test_a_failed_start_in_safe_mode_is_the_end(tmp_path: Path) -> None:
    code, starts, _ = supervised(tmp_path, [1, 1, 3])
    assert (code, len(starts)) == (3, 3)


def test_a_server_that_cannot_start_as_asked_is_not_tried_again(tmp_path: Path) -> None:
    assert supervised(tmp_path, [2])[:2] == (2, ["0 full"])


def test_a_server_that_fails_late_has_not_failed_to_start(tmp_path: Path) -> None:
    code, starts, said = supervised(tmp_path, [4], Limits(early=0))
    assert (code, starts) == (4, ["0 full"])
    assert said == ["The server ended unexpectedly (exit code 4)."]


def test_a_start_that_is_slow_to_fail_has_failed_all_the_same(tmp_path: Path) -> None:
    """`early` is no time at all here: what counts is whether it was ready."""
    ready, said = tmp_path / "ready", list[str]()

    def command(starts: int, safe: bool) -> list[str]:
        made = f"open({str(ready)!r}, 'w');" if safe else ""
        return [sys.executable, "-I", "-c", f"{made}import sys; sys.exit(5)"]

    ready.touch()  # of a start before
    code = supervise(command, tmp_path, Limits(early=0), said.append, ready=ready)
    assert code == 5
    assert [line.rpartition("; ")[2] for line in said[:2]] == [
        "starting again.",
        "starting in safe mode, without extensions (--safe-mode).",
    ]
    assert said[2:] == ["The server ended unexpectedly (exit code 5)."]
    said.clear()
    ends = [sys.executable, "-I", "-c", f"open({str(ready)!r}, 'w'); raise SystemExit(6)"]
    assert supervise(lambda *_: ends, tmp_path, Limits(early=0), said.append, ready=ready) == 6
    assert said == ["The server ended unexpectedly (exit code 6)."]


def test_the_server_knows_safe_mode() -> None:
    assert settings.parser().parse_args(["--safe-mode"]).safe_mode is True


PARENT = """
import sys
from pathlib import Path
from scripts.supervisor import Limits, supervise
command = [sys.executable, "-I", "-u", "-c", sys.argv[1]]
sys.exit(supervise(lambda starts, safe: command, Path("."), Limits(grace=1), print))
"""
CHILD = """
import signal, sys, time
def stop(number, frame):
    print(f"got {number}")
    if not stubborn: sys.exit(0)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
print("up")
while True: time.sleep(0.1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are passed on by the console there")
@pytest.mark.parametrize(
    ("number", "stubborn", "code"),
    [
        (signal.SIGTERM, False, 0),
        (signal.SIGINT, False, 0),
        (signal.SIGTERM, True, 128 + signal.SIGKILL),
    ],
)
def test_signals_are_passed_on_and_a_stubborn_server_is_killed(
    number: signal.Signals, stubborn: bool, code: int
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, f"stubborn = {stubborn}\n{CHILD}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    with parent:
        assert parent.stdout.readline() == "up\n"
        asked = time.monotonic()
        parent.send_signal(number)
        assert parent.stdout.readline() == f"got {number.value}\n"
        assert parent.wait(timeout=20) == code
        assert time.monotonic() - asked >= (1 if stubborn else 0)
