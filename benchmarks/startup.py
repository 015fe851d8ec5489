"""How soon the page is there, and how soon the first picture.

In turn, several times: `import gradio` alone in a process of its own, and the whole server until it
answers with the page. Printed are the difference and the ratio of the two, then how long the engine
takes to get ready behind the page, and how long the first picture takes from the click: pressed at
once, while the engine is still warming up, and pressed when it is ready.

    .venv/bin/python -m benchmarks.startup [--rounds 5] [--threads 0]
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUEST = {
    "model": "fluent-emoji",
    "prompt": "panda on a blue background",
    "seed": 1,
    "width": 128,
    "height": 128,
}


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the server; seconds from the start of the process."""

    page: float
    ready: float
    picture: float  # seconds from the click


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves its choice")
    arguments = parser.parse_args()
    imports, waiting, warm = [], [], []
    import_gradio()  # the first one reads everything from the disk
    for _ in range(arguments.rounds):
        imports.append(import_gradio())
        waiting.append(start(arguments.threads, click_when_ready=False))
        warm.append(start(arguments.threads, click_when_ready=True))
    pages = [each.page for each in waiting]
    show("import gradio", imports)
    show("process start to page", pages)
    show("  of it beyond import gradio", [a - b for a, b in zip(pages, imports, strict=True)])
    ratios = [page / alone for page, alone in zip(pages, imports, strict=True)]
    show("  page / import gradio", ratios, unit="x")
    show("process start to engine ready", [each.ready for each in warm])
    show("click at once to first picture", [each.picture for each in waiting])
    show("click when ready to first picture", [each.picture for each in warm])


def import_gradio() -> float:
    begin = time.perf_counter()
    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
    subprocess.run([sys.executable, "-c", "import gradio"], check=True, env=environment)
    return time.perf_counter() - begin


def start(threads: int, click_when_ready: bool) -> Start:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        options = {"port": port, "data-dir": f"{folder}/data", "outputs": f"{folder}/outputs"}
        arguments = [f"--{name}={value}" for name, value in options.items()]
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "webui", *arguments, f"--threads={threads}"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            until(lambda: b"Darkroom" in get(f"{address}/"))
            page = time.perf_counter() - begin
            ready = page
            if click_when_ready:
                until(lambda: engine_state(address) == "ready")
                ready = time.perf_counter() - begin
                time.sleep(3)  # the engine loads the model as soon as it is ready
            clicked = time.perf_counter()
            job = post(f"{address}/api/v1/jobs", {"request": REQUEST})["id"]
            until(lambda: json.loads(get(f"{address}/api/v1/jobs/{job}"))["state"] == "done")
            return Start(page, ready, time.perf_counter() - clicked)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15)


def engine_state(address: str) -> str:
    state: str = json.loads(get(f"{address}/api/v1/health"))["engine"]["state"]
    return state


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            if true():
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise TimeoutError("the server did not answer in two minutes")


def get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=10) as answer:
        data: bytes = answer.read()
        return data


def post(address: str, value: object) -> dict:
    request = urllib.request.Request(
        address, json.dumps(value).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def show(label: str, values: list[float], unit: str = "s") -> None:
    print(
        f"{label:36} median {statistics.median(values):6.2f} {unit}"
        f"   from {min(values):.2f} to {max(values):.2f}"
    )


if __name__ == "__main__":
    main()
