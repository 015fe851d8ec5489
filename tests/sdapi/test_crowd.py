"""A hundred clients at once on a real server with the stub for an engine, by both APIs."""

import base64
import io
import json
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from PIL import Image

from tests.serving import Server
from tests.stub_engine import signature

CLIENTS, CALLS = 100, 10  # each
ASKED = {"prompt": "", "steps": 1, "width": 64, "height": 64}


def sdapi(server, seed):
    """(job, picture), by A1111's API, which answers when it is there."""
    path = f"{server.address}/sdapi/v1/txt2img"
    body = ASKED | {"seed": seed, "sampler_name": "Euler a", "save_images": True}
    asked = urllib.request.Request(path, json.dumps(body).encode())
    asked.add_header("content-type", "application/json")
    with urllib.request.urlopen(asked, timeout=100) as answer:
        found = json.loads(answer.read())
    return found["job"], base64.b64decode(found["images"][0])


def native(server, seed):
    """(job, picture), by the events of the job and then its picture's address."""
    job = server.ask("jobs", {"request": ASKED | {"seed": seed}})["id"]
    with urllib.request.urlopen(f"{server.address}/api/v1/jobs/{job}/events", timeout=100) as told:
        assert b"event: Finished" in told.read()  # it ends with the job
    [picture] = server.ask(f"jobs/{job}")["pictures"]
    with urllib.request.urlopen(f"{server.address}/{picture['url']}", timeout=100) as answer:
        return job, answer.read()


def all_jobs(server):
    found = []
    while page := server.ask(f"jobs?limit=500&before={found[-1]['id'] if found else ''}")["jobs"]:
        found += page
    return found


@pytest.mark.timeout(400)
def test_a_hundred_clients_with_a_thousand_jobs_each_get_their_own_picture(tmp_path):
    server = Server(tmp_path)
    try:

        def client(number):
            found = []
            for call in range(CALLS):
                seed = number * CALLS + call
                job, data = (sdapi if number % 2 else native)(server, seed)
                with Image.open(io.BytesIO(data)) as image:
                    found.append((job, seed) == signature(image.tobytes()))
            return found

        with ThreadPoolExecutor(CLIENTS) as clients:
            found = list(clients.map(client, range(CLIENTS)))
        assert found == [[True] * CALLS] * CLIENTS
        assert server.ask("health")["waiting"] == 0
        jobs = all_jobs(server)
    finally:
        server.end()
    assert Counter(job["state"] for job in jobs) == {"done": CLIENTS * CALLS}
    assert sorted(job["request"]["seed"] for job in jobs) == list(range(CLIENTS * CALLS))
    accepted = sorted(jobs, key=lambda job: job["created"])
    assert [job["id"] for job in reversed(jobs)] == [job["id"] for job in accepted]
    began = [job["started"] for job in accepted]
    assert all(before <= after for before, after in pairwise(began))
    paths = {picture["path"] for job in jobs for picture in job["pictures"]}
    assert len(paths) == CLIENTS * CALLS == len(list((tmp_path / "out").rglob("*.png")))
