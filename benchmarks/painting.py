"""How late a step is seen, and what it costs the run to be seen.

    .venv/bin/python -m benchmarks.painting [--steps 80] [--pairs 40] [--size 128] [--unet]

Late: from a step's end, as the server writes it into its log, to the moment at which Chromium has
painted its frame: the picture is decoded, and the animation frame after it has begun. The page
polls as it always does; the engine is the stub of the tests, which waits like a GPU and burns
nothing.
Exits with 1 if the median is above the poll's interval and 100 ms.

Cost: a fast preview of both views at each step, beside the same run without any, pair by pair; the
share is the median with its 95 % interval (bootstrap), and the frames' way into the pipe is part of
it. The shipped model is so small that a share of it says little: `--unet` also times a step of the
UNet of Stable Diffusion 1.5, with random weights, at 256 px, and sets the same frames against that.
Exits with 1 if the share is surely above 3 %, of that UNet's step where it was timed.
"""

import argparse
import io
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import uvicorn
from playwright.sync_api import Page, sync_playwright

from benchmarks.trajectory import interval
from webui import app, settings, wire
from webui.backend import EngineProcess
from webui.embeddings import Embeddings
from webui.engine import builtin
from webui.engine.device import Device, choose
from webui.engine.engine import Engine
from webui.engine.models import Models
from webui.events import Preview, Step
from webui.extensions import engine_registry
from webui.library import Library
from webui.loras import Loras
from webui.request import GenerationRequest
from webui.services import Services
from webui.upscalers import Upscalers

ROOT = Path(__file__).parents[1]
POLL, LATE = 250, 100  # ms: how often the page asks while something runs, and what may be added
MOST = 0.03  # of the run's time
CHROMIUM = os.environ.get("DARKROOM_CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PHASE = 0.31  # seconds a step takes: no multiple of the poll's, so that all of its phases occur
QUICK, QUICK_STEPS = 0.06, 150  # and where frames are left out: steps quicker than the poll


def main() -> int:
    arguments = read_arguments()
    late = painting(arguments.steps)
    dear = previewing(arguments)
    return int(late or dear)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=80, help="whose frames are timed")
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--unet", action="store_true", help="takes about 8 GB of memory")
    return parser.parse_args()


# --- how late ------------------------------------------------------------------------------------

# When each address that an image of the live view is given has been painted, in ms since 1970.
PAINTED = """
window.painted = {};
addEventListener("DOMContentLoaded", () => new MutationObserver((changes) => {
  for (const { target } of changes) {
    const address = target.getAttribute("src");
    if (target.id !== "live-predicted" || !address || painted[address]) continue;
    painted[address] = Infinity;
    target.decode().then(() => requestAnimationFrame(() => {
      const channel = new MessageChannel(); // comes after the frame that has just begun
      channel.port1.onmessage = () => {
        painted[address] = Math.min(painted[address], Date.now());
      };
      channel.port2.postMessage(0);
    }), () => {});
  }
}).observe(document.body, { subtree: true, attributes: true, attributeFilter: ["src"] }));
"""


def painting(steps: int) -> bool:
    """Whether the median is above what it may be."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder)) as (services, address),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.add_init_script(PAINTED)
        page.goto(address)
        page.wait_for_function("document.documentElement.dataset.draft === 'ready'")
        watched(services, page, 0.1, 20)  # warms up
        slow = watched(services, page, PHASE, steps)
        quick = watched(services, page, QUICK, QUICK_STEPS)
        browser.close()
    print(f"late    {said(slow)}; {len(slow)} of {steps} steps of {1000 * PHASE:.0f} ms painted,")
    print(f"        the median at most {POLL + LATE} ms")
    print(f"        {said(quick)}; {len(quick)} of {QUICK_STEPS} of {1000 * QUICK:.0f} ms painted")
    return statistics.median(slow) > POLL + LATE


def said(late: list[float]) -> str:
    high = sorted(late)[int(0.95 * len(late))]
    return f"median {statistics.median(late):.0f} ms, p95 {high:.0f} ms"


def watched(services: Services, page: Page, seconds: float, steps: int) -> list[float]:
    """Milliseconds from the end of each step to its frame on the screen, of those shown."""
    line, ends, seen = services.line, {}, 0
    name = f"late-{random.randrange(10**12):012}"

    def look() -> None:  # called after each event
        nonlocal seen
        numbered, seen = line.read(name, seen)
        now = 1000 * time.time()
        ends.update({event.step: now for _, event in numbered if isinstance(event, Step)})

    request = GenerationRequest(
        model=services.library.default(), prompt=f"sleep={seconds}", seed=1, steps=steps,
        width=512, height=512,
    )  # fmt: skip
    line.submit(request, id=name, owner=page.evaluate("darkroom.owner"))
    page.evaluate("name => darkroom.follow(name)", name)
    unwatch = line.watch(look)
    page.wait_for_selector(f"#live[data-job='{name}'][data-state='done']", timeout=300_000)
    unwatch()
    painted = page.evaluate("painted")
    addresses = {step: f"api/v1/jobs/{name}/frames/0/{step}/predicted?method=fast" for step in ends}
    times = {step: painted.get(addresses[step]) for step in ends}
    return [at - ends[step] for step, at in times.items() if at not in (None, float("inf"))]


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Services, str]]:
    """The whole program, but for the engine."""
    places = {"data-dir": folder / "data", "outputs": folder / "out", "models-dir": ROOT / "models"}
    arguments = [part for name, place in places.items() for part in (f"--{name}", str(place))]
    command = [sys.executable, str(ROOT / "tests" / "stub_engine.py")]
    log = folder / "engine.log"
    built = app.build(
        settings.read(arguments),
        lambda _settings: EngineProcess(command, environ=os.environ, log_path=log),
    )
    server = uvicorn.Server(uvicorn.Config(built, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield built.services, f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
        built.close()


# --- what it costs -------------------------------------------------------------------------------


def previewing(arguments: argparse.Namespace) -> bool:
    """Whether a fast preview of both views surely costs more than it may."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = choose("auto", "auto")
    registry = engine_registry({"builtin": builtin})
    library = Library(ROOT / "models")
    files = Embeddings(ROOT / "models"), Loras(ROOT / "models")
    models = Models(library, *files, registry.families, device)
    engine = Engine(registry, models, device, Upscalers(ROOT / "models"))
    request = GenerationRequest(
        model=library.default(), prompt="a red apple", seed=1, steps=20,
        width=arguments.size, height=arguments.size,
    )  # fmt: skip
    clock = time.process_time if device.where.type == "cpu" else time.perf_counter
    shares, costs = [], []
    for pair in range(-1, arguments.pairs):  # the first one warms up
        drawn = wire.RunOptions(noisy="fast", predicted="fast")
        runs = [(wire.RunOptions(), "plain"), (drawn, "seen")]
        random.shuffle(runs)
        seconds = {name: timed(engine, request, options, clock) for options, name in runs}
        if pair >= 0:
            shares.append(seconds["seen"] / seconds["plain"] - 1)
            costs.append((seconds["seen"] - seconds["plain"]) / request.steps)
    print(
        f"cost    of a pair at each step, {request.model} at {arguments.size} px, {device.label}:"
    )
    print(f"        {percent(shares)} of the run; {1000 * statistics.median(costs):.3f} ms a step")
    if arguments.unet:
        step = unet_step(device)
        shares = [cost / step for cost in costs]
        print(f"        {percent(shares)} of a step of Stable Diffusion 1.5's UNet, {step:.2f} s")
    print(f"        at most {MOST:.0%}")
    return interval(shares)[0] > MOST


def percent(shares: list[float]) -> str:
    low, high = interval(shares)
    return f"{statistics.median(shares):+.2%} ({low:+.2%} to {high:+.2%})"


def timed(
    engine: Engine, request: GenerationRequest, options: wire.RunOptions, clock: Callable[[], float]
) -> float:
    """Seconds, with all events written as they are into the pipe."""
    started, pipe = clock(), io.BytesIO()
    for event in engine.run(request, options):
        if isinstance(event, Preview | Step):
            wire.write(pipe, wire.event_message(event))
    return clock() - started


@torch.no_grad()
def unet_step(device: Device) -> float:
    """Seconds of one step with guidance, at 256 px: the median of three."""
    from diffusers import UNet2DConditionModel

    where, dtype = device.where, device.dtype
    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    unet = unet.to(dtype).to_empty(device=where).eval()
    for parameter in unet.parameters():
        parameter.uniform_(-0.01, 0.01)
    latents = torch.randn(2, 4, 32, 32, device=where, dtype=dtype)
    prompts = torch.randn(2, 77, 768, device=where, dtype=dtype)
    clock = time.process_time if where.type == "cpu" else time.perf_counter
    took = []
    for _ in range(4):
        started = clock()
        unet(latents, 500, prompts).sample.cpu()
        took.append(clock() - started)
    return statistics.median(took[1:])


if __name__ == "__main__":
    sys.exit(main())
