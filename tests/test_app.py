"""The whole server, as a process where that matters; its engine is a stand-in that never runs."""

import asyncio
import base64
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from webui import __main__, app, builtin, guard_rules, settings
from webui.events import Saved
from webui.request import GenerationRequest

ROOT = Path(__file__).parents[1]
LIMIT = 20  # seconds to end, once asked, beside other tests

# `webui` as it is, but for the engine: it says that it starts, and never does.
SERVER = """
import sys
from webui import __main__, app
from webui.backend import EngineState
from webui.errors import EngineDied
class Starting:
    def state(self): return EngineState("starting", text="the engine is starting")
    def call(self, name, args, timeout=30): raise EngineDied("not started")
    def run(self, *_):
        import time
        while True:
            time.sleep(0.05)
            if self.closed: raise EngineDied("closed")
            yield from ()
    closed = False
    def close(self): self.closed = True
app.engine_process = lambda settings: Starting()
if sys.argv[1] == "modules":
    from webui import settings
    built = app.build(settings.read(sys.argv[2:]))
    print(sorted(set(sys.modules) & {"torch", "diffusers", "transformers", "gradio"}))
    built.close()
else:
    sys.exit(__main__.main(sys.argv[1:]))
"""


def command(tmp_path, *arguments):
    folders = ["--data-dir", str(tmp_path / "data"), "--outputs", str(tmp_path / "out")]
    return [sys.executable, "-c", SERVER, *arguments, *folders]


@contextmanager
def serving(tmp_path, *arguments):
    """(process, address, what it printed)"""
    with subprocess.Popen(
        command(tmp_path, "--port", "0", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline() + process.stdout.readline()
        try:
            yield process, said.split()[3], said
        finally:
            if process.poll() is None:
                process.kill()


def fetch(address, data=None):
    headers = {"content-type": "application/json"} if data else {}
    asked = urllib.request.Request(address, data and json.dumps(data).encode(), headers)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.loads(answer.read())


def test_the_server_has_no_torch_in_it(tmp_path):
    ran = subprocess.run(
        command(tmp_path, "modules"), capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert ran.stdout == "['gradio']\n"


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_this_computer_alone_and_ends_when_asked(tmp_path, sent):
    with serving(tmp_path) as (process, address, said):
        assert said == f"Darkroom is at {address}\nLog file: {tmp_path}/data/log/darkroom.log\n"
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
        port = int(address.rpartition(":")[2])
        listening = [
            line.split()[1]
            for line in Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]
            if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
        ]
        assert listening == [f"0100007F:{port:04X}"]
        assert fetch(f"{address}/api/v1/health")["engine"]["state"] == "starting"
        job = fetch(f"{address}/api/v1/jobs", {"request": {"prompt": "p"}})
        assert job["state"] in ("queued", "running")
        stream = urllib.request.urlopen(f"{address}/api/v1/events", timeout=10)  # never read on
        began = time.monotonic()
        process.send_signal(sent)
        assert process.wait(LIMIT + 5) == 0
        assert time.monotonic() - began < LIMIT
        assert stream.read().startswith(b"retry: 2000\n\n")  # it was ended, not cut
        stream.close()
        assert process.stderr is not None and "Traceback" not in process.stderr.read()


def test_a_port_in_use_is_said_in_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = subprocess.run(
            command(tmp_path, "--port", str(port)), capture_output=True, text=True, cwd=ROOT
        )
    assert ran.returncode == 2
    assert ran.stderr == (
        f"darkroom: port {port} of 127.0.0.1 cannot be used (Address already in use); is Darkroom "
        f"running already? Open http://127.0.0.1:{port}, or give another --port\n"
    )
    assert not (tmp_path / "data").exists()


def test_it_starts_whatever_lies_in_its_folders_and_tells_of_pictures_that_were_not_saved(tmp_path):
    kept, unsaved = tmp_path / "data" / "trajectories", tmp_path / "data" / "unsaved"
    kept.mkdir(parents=True)
    unsaved.mkdir()
    (kept / "stray").write_bytes(b"x")
    (kept / "dangling").symlink_to("nowhere")
    (unsaved / "120000-7-aaaaaaaa.png").write_bytes(b"x")
    told = f"1 pictures that could not be saved lie in {unsaved}"
    with serving(tmp_path) as (_, address, _):
        assert fetch(f"{address}/api/v1/health")["notices"] == [told]
    assert told in (tmp_path / "data" / "log" / "darkroom.log").read_text()


def test_sweeping_goes_on_after_an_error(tmp_path, monkeypatch, caplog):
    swept = []

    def sweep(folder, quota):
        swept.append(folder)
        if len(swept) == 1:
            raise PermissionError("not now")

    monkeypatch.setattr(app.data_folder, "sweep", sweep)
    monkeypatch.setattr(app, "_SWEEP", 0)

    async def some_rounds():
        sweeping = asyncio.create_task(app._sweep(tmp_path, 1))
        while len(swept) < 3 and not sweeping.done():
            await asyncio.sleep(0.001)
        assert not sweeping.done()
        sweeping.cancel()

    loop = asyncio.new_event_loop()  # asyncio.run would let go of one that Gradio has made current
    loop.run_until_complete(some_rounds())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert "cannot be swept: not now" in caplog.text


def test_the_log_file_gets_a_pictures_path_and_not_its_prompt(caplog):
    caplog.set_level(logging.INFO)
    asked = GenerationRequest(model="m", prompt="a secret cat", seed=1)
    builtin.log_event("job-0001", Saved(2, "day/x.png", asked, 1.0, 1, 64, 64))
    assert caplog.messages == ["job job-0001: saved picture 2: day/x.png"]


def test_a_second_server_on_the_same_data_is_refused(tmp_path):
    with serving(tmp_path):
        ran = subprocess.run(
            command(tmp_path, "--port", "0"), capture_output=True, text=True, cwd=ROOT
        )
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"darkroom: another server uses the data folder {tmp_path}/data; ")
    assert ran.stderr.count("\n") == 1


def test_it_refuses_to_open_itself_to_the_network(tmp_path):
    ran = subprocess.run(
        command(tmp_path, "--host", "0.0.0.0"), capture_output=True, text=True, cwd=ROOT
    )
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "needs a login" in ran.stderr


def test_a_store_of_a_newer_version_is_refused_and_everything_let_go(tmp_path):
    import sqlite3

    (tmp_path / "data").mkdir()
    with sqlite3.connect(tmp_path / "data" / "jobs.sqlite") as store:
        store.execute("PRAGMA user_version = 99")
    store.close()
    ran = subprocess.run(
        command(tmp_path, "--port", "0"), capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert ran.returncode == 2 and "has version 99" in ran.stderr


# --- on a network --------------------------------------------------------------------------------


def test_on_a_network_it_answers_to_its_own_names_and_those_given(tmp_path):
    given = ["--data-dir", str(tmp_path), "--auth", "ann:sesame", "--host-name", "nas.lan"]
    rules = guard_rules.rules(settings.read([*given, "--listen"], {}), "")
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    assert set(rules.host_names) == {"nas.lan", name, short, f"{short}.local"}
    assert rules.own_addresses and rules.login is not None
    alone = guard_rules.rules(settings.read(["--data-dir", str(tmp_path)], {}), "")
    assert set(alone.host_names) == {"127.0.0.1"}
    assert not alone.own_addresses and alone.login is None


def guess(address, number, client):
    """The status of a wrong login that says it comes from `client`."""
    coded = base64.b64encode(f"ann:guess{number}".encode()).decode()
    headers = {"authorization": f"Basic {coded}", "x-forwarded-for": client}
    asked = urllib.request.Request(f"{address}/api/v1/health", headers=headers)
    with pytest.raises(urllib.error.HTTPError) as caught, urllib.request.urlopen(asked, timeout=20):
        pass
    caught.value.close()
    return caught.value.code


@pytest.mark.parametrize("trusted", [True, False])
def test_only_a_proxy_that_was_named_is_believed_where_a_client_is(tmp_path, trusted):
    named = ["--trusted-proxies", "127.0.0.1"] if trusted else []
    with serving(tmp_path, "--auth", "ann:sesame", *named) as (process, address, _):
        found = [guess(address, i, f"10.0.0.{i}") for i in range(11)]
        assert found == [401] * 10 + [401 if trusted else 429]
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT + 5) == 0


def test_listening_everywhere_it_says_where(tmp_path):
    with serving(tmp_path, "--listen", "--auth", "ann:sesame") as (_, address, _):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
        port = address.rpartition(":")[2]
        with pytest.raises(urllib.error.HTTPError, match="401") as caught:
            fetch(f"http://127.0.0.1:{port}/api/v1/health")
        caught.value.close()
    assert all(each.endswith(":1") for each in __main__._network_addresses("0.0.0.0", 1))
    assert __main__._network_addresses("127.0.0.1", 1) == []
