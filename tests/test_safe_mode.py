"""An extension that ends the server after it came through its trial: launch.py starts twice, then
without any, and the page says so."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.extensions.made import GOOD, make
from tests.launching import stand_in

# what a thread does later no trial can see
BOMB = """
import os, threading, time

def end():
    time.sleep(0.5)
    os._exit(7)

if "webui.app" in __import__("sys").modules:
    threading.Thread(target=end, daemon=True).start()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return stand_in(tmp_path / "project")


def asked(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=30) as answer:
        return json.load(answer)


def safe(port: int, process: "subprocess.Popen[str]") -> Any:
    """The list of extensions of the server that stays."""
    until = time.monotonic() + 240
    while time.monotonic() < until:
        assert process.poll() is None, "launch.py has ended"
        try:
            said = asked(port, "extensions")
        except OSError:
            said = {}
        if said.get("safe_mode"):
            return said
        time.sleep(0.2)
    raise AssertionError("it never came up in safe mode")


@pytest.mark.skipif(sys.platform == "win32", reason="the environment is a shell script")
@pytest.mark.timeout(300)
def test_two_failed_starts_and_the_third_is_without_extensions(
    project: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    make(data / "extensions", "bomb", BOMB, touches=())
    make(data / "extensions", "good", GOOD)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folders = ["--data-dir", str(data), "--outputs", str(tmp_path / "out")]
    folders += ["--models-dir", str(tmp_path / "models"), "--device", "cpu", "--no-open-browser"]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, str(project / "launch.py"), "--port", str(port), *folders],
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    try:
        listed = {each["id"]: each["state"] for each in safe(port, process)["extensions"]}
        assert set(listed.values()) == {"safe mode"}
        assert {"bomb", "good", "wildcards"} <= set(listed)
        assert asked(port, "health")["engine"]["state"] in ("starting", "ready")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    lines = (tmp_path / "said").read_text().splitlines()
    how = [line for line in lines if line.startswith("The server failed to start")]
    assert how == [
        "The server failed to start (exit code 7); starting again.",
        "The server failed to start (exit code 7); starting in safe mode, without extensions "
        "(--safe-mode).",
    ]
