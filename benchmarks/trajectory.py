"""What recording every step costs: time beside the same run without it, and bytes beside the least.

    .venv/bin/python -m benchmarks.trajectory [--pairs 15] [--steps 20] [--size 128] [--guidance]

Runs go in turn, pair by pair; the share is the median over the pairs, with its 95 % interval
(bootstrap). On a processor its time is counted, not the clock's, which others' work would disturb.
The bytes that it must are those of x and x0 of each step, float32, and of what else the sampler
needs. Exits with 1 if the cost is surely above 1 %, or the bytes, but for the file's head of a few
KiB, are more than 1 % above.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from webui.embeddings import Embeddings
from webui.engine import builtin
from webui.engine.device import choose
from webui.engine.engine import Engine
from webui.engine.models import Models
from webui.extensions import engine_registry
from webui.library import Library
from webui.loras import Loras
from webui.request import GenerationRequest
from webui.trajectories import read_header, read_step
from webui.upscalers import Upscalers
from webui.wire import RunOptions

MODELS = Path(__file__).parents[1] / "models"
HEAD = 4096  # bytes
MOST = 0.01  # of the run's time, and of the bytes


def main() -> int:
    arguments = read_arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = choose(arguments.device, arguments.dtype)
    registry = engine_registry({"builtin": builtin})
    library = Library(arguments.models_dir)
    files = Embeddings(arguments.models_dir), Loras(arguments.models_dir)
    models = Models(library, *files, registry.families, device)
    engine = Engine(registry, models, device, Upscalers(arguments.models_dir))
    request = GenerationRequest(
        model=arguments.model or library.default(), prompt="a red apple", seed=1,
        sampler=arguments.sampler, steps=arguments.steps, width=arguments.size,
        height=arguments.size,
    )  # fmt: skip
    print(f"{request.model}, {request.steps} steps of {request.sampler} at {request.width} px on")
    print(f"{device.label}, {torch.get_num_threads()} thread(s), {arguments.pairs} pairs")
    clock = time.process_time if device.where.type == "cpu" else time.perf_counter
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        for pair in range(-1, arguments.pairs):  # the first one warms up
            keep = Path(folder, f"run-{pair}")
            recorded = RunOptions(keep=str(keep), guidance=arguments.guidance)
            runs = [(RunOptions(), "plain"), (recorded, "recorded")]
            random.shuffle(runs)
            seconds = {name: timed(engine, request, options, clock) for options, name in runs}
            if pair >= 0:
                shares.append(seconds["recorded"] / seconds["plain"] - 1)
        bytes_share = say_bytes(keep, request.steps)
    low, high = interval(shares)
    print(
        f"time    {statistics.median(shares):+.2%} ({low:+.2%} to {high:+.2%}); at most {MOST:.0%}"
    )
    return int(low > MOST or bytes_share > MOST)


def timed(
    engine: Engine, request: GenerationRequest, options: RunOptions, clock: Callable[[], float]
) -> float:
    started = clock()
    for _ in engine.run(request, options):
        pass
    return clock() - started


def say_bytes(keep: Path, steps: int) -> float:
    """How much more than it must is on disk, as a share."""
    header, step = read_header(keep, 0), read_step(keep, 0, 1)
    assert header is not None and step is not None
    must = steps * sum(latent.nbytes for latent in step.latents())
    by_kind = {path.suffix: path.stat().st_size for path in keep.iterdir()}
    kept = by_kind[".safetensors"]
    print(
        f"bytes   {kept:,} kept, {must:,} needed ({kept / must - 1:+.2%}): {kept // steps:,} a step"
    )
    if ".guidance" in by_kind:
        print(f"        {by_kind['.guidance']:,} of guidance beside them")
    return (kept - HEAD) / must - 1


def interval(values: list[float]) -> tuple[float, float]:
    """Of the median, 95 %, by bootstrap."""
    chance = random.Random(0)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(2000))
    return medians[49], medians[1949]


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--sampler", default="Euler a")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--model")
    parser.add_argument("--models-dir", type=Path, default=MODELS)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--guidance", action="store_true", help="record that too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
