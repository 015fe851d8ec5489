"""A server in a process of its own, with everything but the page, and the stub for an engine.

    python -m tests.serving FOLDER [argument of the stub ...] [-- argument of the server ...]

prints its port and serves the API until it is killed. `Server` starts and kills it, `drill` does so
at random moments and counts what is lost.
"""

import base64
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main(folder, *arguments):
    import uvicorn

    from tests.sdapi.conftest import FULL
    from tests.test_library import make_model
    from webui import app, settings
    from webui.api import server
    from webui.backend import EngineProcess
    from webui.embeddings import Embeddings
    from webui.guard import Guard
    from webui.guard_rules import rules
    from webui.inputs import Inputs
    from webui.jobs.line import JobLine
    from webui.jobs.log import Log
    from webui.jobs.store import Store
    from webui.library import Library
    from webui.loras import Loras
    from webui.outputs import Outputs
    from webui.services import Services
    from webui.trajectories import Trajectories
    from webui.upscalers import Upscalers

    data = Path(folder)
    split = arguments.index("--")
    stub, asked = arguments[:split], arguments[split + 1 :]
    if not (data / "models").exists():
        make_model(data / "models", "toy", sample_size=32)
    places = {"data-dir": data / "data", "outputs": data / "out", "models-dir": data / "models"}
    named = [part for name in places for part in (f"--{name}", str(places[name]))]
    wanted = settings.read([*named, *asked])
    library = Library(wanted.models_dir)
    outputs = Outputs(wanted.outputs, library, "0.1.0", data / "unsaved")
    trajectories = Trajectories(data / "kept", wanted.trajectory_quota)
    command = [sys.executable, str(ROOT / "tests" / "stub_engine.py"), *stub]
    engine = EngineProcess(command, environ=os.environ, log_path=data / "engine.log")
    store = Store(wanted.data_dir / "jobs.sqlite")
    workshop = app._workshop(engine, outputs, trajectories, wanted.data_dir / "inputs")
    line = JobLine(store, Log(), workshop, max_waiting=wanted.max_waiting)
    services = Services(
        wanted,
        FULL,
        library,
        line,
        engine,
        trajectories,
        Embeddings(wanted.models_dir),
        Loras(wanted.models_dir),
        Upscalers(wanted.models_dir),
        Inputs(wanted.inputs_dir, wanted.input_quota),
        app._downloads(wanted, library, ExitStack()),
    )
    guarded = Guard(server.create(services), rules(wanted, ""))
    config = uvicorn.Config(guarded, port=0, log_level="warning", timeout_keep_alive=75)
    serving = uvicorn.Server(config)
    started = serving.startup

    async def startup(sockets=None):
        await started(sockets)
        sys.stdout.write(f"{serving.servers[0].sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()

    serving.startup = startup
    serving.run()
    line.close()
    engine.close()
    store.close()


class Server:
    """One life of the server over a folder."""

    def __init__(self, folder, *stub, settings=(), auth=None):
        """`auth`, a name and a password, is what `ask` logs in with."""
        command = [sys.executable, "-m", "tests.serving", str(folder), *stub, "--", *settings]
        self.auth = auth
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        said = self.process.stdout.readline()
        if not said:
            self.end()
            raise AssertionError("the server did not start; what it said is above")
        self.port = int(said)
        self.address = f"http://127.0.0.1:{self.port}"

    def ask(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"} if data else {}
        asked = urllib.request.Request(f"{self.address}/api/v1/{path}", data, headers)
        if self.auth:
            name = base64.b64encode(":".join(self.auth).encode()).decode()
            asked.add_header("authorization", f"Basic {name}")
        asked.method = method or ("POST" if data else "GET")
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.loads(answer.read())

    def post(self, job_id, **request):
        return self.ask("jobs", {"id": job_id, "request": request})

    def end(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait(20)
        self.process.stdout.close()


@dataclass
class Drill:
    """What came of the kills."""

    accepted: list = field(default_factory=list)  # ids, in the order of the answers
    interrupted: set = field(default_factory=set)
    lost: list = field(default_factory=list)
    doubled: list = field(default_factory=list)
    out_of_order: list = field(default_factory=list)


def drill(folder, kills, seed, per_life=6):
    """Kills a server at random moments, while jobs come in and run, and resumes what was running;
    in the end lets all of them finish, and counts."""
    chance, result = random.Random(seed), Drill()
    for life in range(kills):
        server = Server(folder)
        resume(server, result)
        moment = time.monotonic() + chance.uniform(0.02, 0.8)
        for _ in range(per_life):
            job_id = f"job-{life:03}-{len(result.accepted):05}"
            server.post(job_id, prompt="sleep=0.01", steps=4, images=2, seed=1)
            result.accepted.append(job_id)
            if time.monotonic() > moment:
                break
        time.sleep(max(0.0, moment - time.monotonic()))
        server.end()
    server = Server(folder)
    try:
        resume(server, result)
        while not all_ended(server):
            time.sleep(0.05)
        count(server, result)
    finally:
        server.end(signal.SIGTERM)
    return result


def resume(server, result):
    for job in server.ask("jobs?state=interrupted&limit=500")["jobs"]:
        result.interrupted.add(job["id"])
        server.ask(f"jobs/{job['id']}/resume", {})


def all_ended(server):
    seen = server.ask("queue?limit=1")
    return seen["total"] == 0 and seen["running"] is None


def count(server, result):
    jobs = {job["id"]: job for job in server.ask("jobs?limit=500")["jobs"]}
    for job_id in result.accepted:
        job = jobs.get(job_id)
        if job is None or job["state"] != "done" or len(job["pictures"]) < 3:
            result.lost.append(job_id)
    paths = Counter(picture["path"] for job in jobs.values() for picture in job["pictures"])
    result.doubled += [path for path, times in paths.items() if times > 1]
    for job in jobs.values():
        images = Counter(picture["image"] for picture in job["pictures"])
        result.doubled += [job["id"] for times in images.values() if times > 1]
    steady = [jobs[id]["started"] for id in result.accepted if id not in result.interrupted]
    result.out_of_order += [now for before, now in pairwise(steady) if now < before]


if __name__ == "__main__":
    main(*sys.argv[1:])
