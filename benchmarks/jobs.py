"""What the job line costs: submitting, being read, being killed.

A server in a process of its own, with the stub engine of the tests, which waits like a GPU and
burns nothing. Ratios are of one run, taken in turn.

    .venv/bin/python -m benchmarks.jobs [--waiting 1000] [--readers 100] [--pairs 7] [--kills 20]
"""

import argparse
import http.client
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.serving import Server, drill

ROOT = Path(__file__).parents[1]
STEPS = 60


def main() -> None:
    arguments = read_arguments()
    with tempfile.TemporaryDirectory() as folder:
        submitting(Path(folder, "submit"), arguments.waiting)
        if arguments.full:
            submitting(Path(folder, "full"), 9_700)
        reading(Path(folder, "read"), arguments.readers, arguments.pairs)
        killing(Path(folder, "kill"), arguments.kills)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, default=1000)
    parser.add_argument("--readers", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--full", action="store_true", help="also with 9,700 jobs waiting")
    return parser.parse_args()


# --- submitting ----------------------------------------------------------------------------------


def submitting(folder: Path, waiting: int) -> None:
    """Beside an empty line, over the same kept connection, and beside the disk's own flush."""
    with serving(folder) as server:
        server.ask("queue/pause", {})
        empty = submitted(server, 200)
        server.ask("queue/clear", {})
        submitted(server, waiting)
        full = submitted(server, 200)
        print(
            f"submit, {waiting} waiting: p50 {percentile(full, 50):.1f} ms, "
            f"p99 {percentile(full, 99):.1f} ms; {percentile(full, 50) / percentile(empty, 50):.2f}"
            f" times that of an empty line (p99 {percentile(empty, 99):.1f} ms); "
            f"the disk's flush: p50 {percentile(flushes(folder), 50):.1f} ms"
        )
        listed = [timed(lambda: server.ask("queue?limit=50")) for _ in range(30)]
        print(f"queue, a page of 50 of {waiting}: p50 {percentile(listed, 50):.1f} ms")


def submitted(server: Server, count: int) -> list[float]:
    """Milliseconds of each."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    body = json.dumps({"request": {"prompt": "p", "steps": 2, "seed": 1}})
    headers = {"content-type": "application/json"}

    def submit() -> None:
        connection.request("POST", "/api/v1/jobs", body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 201, answer.status

    times = [timed(submit) for _ in range(count)]
    connection.close()
    return times


def flushes(folder: Path) -> list[float]:
    with (folder / "flush").open("wb") as file:

        def flush() -> None:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())

        return [timed(flush) for _ in range(100)]


# --- readers -------------------------------------------------------------------------------------


def reading(folder: Path, readers: int, pairs: int) -> None:
    """One job with and without readers, in turn. The readers are another process."""
    with serving(folder) as server:
        run(server)  # warms up
        ratios = []
        for pair in range(pairs):
            order = (True, False) if pair % 2 else (False, True)
            took = {watched: run(server, readers if watched else 0) for watched in order}
            ratios.append(took[True] / took[False])
        middle = statistics.median(ratios)
        print(
            f"{readers} readers on a job of {STEPS} steps of 50 ms: {100 * (middle - 1):+.1f} % "
            f"(median of {pairs}; {100 * (min(ratios) - 1):+.1f} to {100 * (max(ratios) - 1):+.1f})"
        )


def run(server: Server, readers: int = 0) -> float:
    """Seconds from a job's start to its end, as the server has them."""
    server.ask("queue/pause", {})
    job = server.post(f"job-{random.randrange(10**12):012}", prompt="sleep=0.05", steps=STEPS)
    path = f"/api/v1/jobs/{job['id']}/events"
    command = [sys.executable, "-c", READERS, str(server.port), path, str(readers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as reading:
        assert reading.stdout is not None
        reading.stdout.readline()  # all are connected
        server.ask("queue/resume", {})
        said = reading.stdout.readline().split()
    while server.ask(f"jobs/{job['id']}")["finished"] is None:
        time.sleep(0.1)
    done = server.ask(f"jobs/{job['id']}")
    assert done["state"] == "done" and [int(each) for each in said] == [readers, readers * STEPS]
    return float(done["finished"] - done["started"])


READERS = """
import asyncio, sys
port, path, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])

async def read(connected):
    stream, writer = await asyncio.open_connection("127.0.0.1", port)
    head = ["GET " + path + " HTTP/1.1", "Host: localhost", "Connection: close", "", ""]
    writer.write("\\r\\n".join(head).encode())
    await stream.readuntil(b"event: Queued")
    connected.release()
    text = await stream.read()
    writer.close()
    return text.count(b"event: Step"), text.count(b"event: Finished")

async def main():
    connected = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(read(connected)) for _ in range(count)]
    for _ in tasks:
        await connected.acquire()
    print("connected", flush=True)
    ends = await asyncio.gather(*tasks)
    print(sum(end for _, end in ends), sum(steps for steps, _ in ends), flush=True)

asyncio.run(main())
"""


# --- kills ---------------------------------------------------------------------------------------


def killing(folder: Path, kills: int) -> None:
    result = drill(folder, kills, seed=kills)
    print(
        f"kill -9 at {kills} random moments, {len(result.accepted)} jobs accepted, "
        f"{len(result.interrupted)} interrupted and resumed: {len(result.lost)} lost, "
        f"{len(result.doubled)} doubled, {len(result.out_of_order)} out of order"
    )


# --- common --------------------------------------------------------------------------------------


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    folder.mkdir(parents=True)
    server = Server(folder)
    try:
        yield server
    finally:
        server.end(signal.SIGTERM)


def timed(function: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - started)


def percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


if __name__ == "__main__":
    main()
