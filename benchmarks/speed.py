"""Seconds per step of a model of Stable Diffusion 1.5's size, ours beside diffusers' pipeline.

    python -m benchmarks.speed [--dtypes fp32 bf16] [--rounds 8] [--seconds 240] [--steps 3]
                               [--size 256] [--threads 0] [--folder F] [--quick]

The same random weights, Euler, with guidance, on the CPU. For each dtype one process holds both,
and they take turns, in an order that changes; a run's seconds per step are those between its first
and its last step, so that neither text nor VAE counts. Rounds end when their share of `--seconds`
is over, but not before the third. Printed: medians, and the median of the rounds' ratios with its
95 % interval; with few rounds, or on a machine that others use, that is wide, and only what it
excludes is known. `--folder` keeps the files.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks import checkpoint
from benchmarks.loading import ROOT, ratio_of

FEWEST = 3  # rounds
PROMPT = "a red apple on a blue background"


def main() -> None:
    arguments = _arguments()
    if arguments.measure:
        _measure(arguments, arguments.dtypes[0])
        return
    with tempfile.TemporaryDirectory(prefix="darkroom-speed-") as temporary:
        folder = arguments.folder or Path(temporary)
        checkpoint.write(folder, "fp16", arguments.quick)
        share = arguments.seconds / len(arguments.dtypes)
        for dtype in arguments.dtypes:
            command = [sys.executable, "-m", "benchmarks.speed", "--measure", "--dtypes", dtype]
            command += ["--seconds", str(share)]
            for name in ("rounds", "steps", "size", "threads"):
                command += [f"--{name}", str(getattr(arguments, name))]
            command += ["--folder", str(folder)]
            environ = {**os.environ, "HF_HUB_OFFLINE": "1"}
            subprocess.run(command, env=environ, cwd=ROOT, check=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--dtypes", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=240, help="for all rounds together")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=0, help="0: as torch chooses")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--quick", action="store_true", help="a tiny model, to try the script")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(arguments: argparse.Namespace, dtype: str) -> None:
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    checkpoint.quietly()
    ways = {"ours": _ours(arguments, dtype), "theirs": _theirs(arguments, dtype)}
    for way in ways.values():
        way()  # the first run is slower than any other
    taken: dict[str, list[float]] = {name: [] for name in ways}
    until = time.monotonic() + arguments.seconds
    for number in range(arguments.rounds):
        if number >= FEWEST and time.monotonic() > until:
            break
        for name in random.Random(number).sample(list(ways), 2):
            taken[name].append(ways[name]())
    ratio, low, high = ratio_of(taken["ours"], taken["theirs"])
    print(
        f"{dtype}, {arguments.size} px, {torch.get_num_threads()} threads, "
        f"{len(taken['ours'])} rounds: ours "
        f"{median(taken['ours']):.3f} s a step, diffusers' {median(taken['theirs']):.3f} s, "
        f"ratio {ratio:.3f} (95 %: {low:.3f} to {high:.3f})",
        flush=True,
    )


def _ours(arguments: argparse.Namespace, dtype: str) -> Callable[[], float]:
    from webui.embeddings import Embeddings
    from webui.engine import builtin
    from webui.engine.device import choose
    from webui.engine.engine import Engine
    from webui.engine.models import Models
    from webui.events import Step
    from webui.extensions import engine_registry
    from webui.library import Library
    from webui.loras import Loras
    from webui.request import GenerationRequest
    from webui.upscalers import Upscalers

    folder, device = arguments.folder, choose("cpu", dtype)
    registry = engine_registry({"builtin": builtin})
    files = Library(folder), Embeddings(folder), Loras(folder)
    models = Models(*files, registry.families, device)
    engine = Engine(registry, models, device, Upscalers(folder))
    request = GenerationRequest(
        model="folder", prompt=PROMPT, negative_prompt="blurred", seed=1, sampler="Euler",
        steps=arguments.steps, width=arguments.size, height=arguments.size,
    )  # fmt: skip

    def run() -> float:
        times = []
        events = engine.run(request)
        for event in events:
            if isinstance(event, Step):
                times.append(time.perf_counter())
                if len(times) == request.steps:
                    events.close()
                    break
        return (times[-1] - times[0]) / (len(times) - 1)

    return run


def _theirs(arguments: argparse.Namespace, dtype: str) -> Callable[[], float]:
    import torch
    from diffusers import EulerDiscreteScheduler

    pipe = checkpoint.from_folder(arguments.folder, checkpoint.DTYPES[dtype])
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)

    def run() -> float:
        times = []

        def after(pipe: object, step: int, t: object, given: dict[str, object]) -> dict:  # type: ignore[type-arg]
            times.append(time.perf_counter())
            return {}

        pipe(
            PROMPT, negative_prompt="blurred", num_inference_steps=arguments.steps,
            width=arguments.size, height=arguments.size, callback_on_step_end=after,
            generator=torch.Generator("cpu").manual_seed(1), output_type="latent",
        )  # fmt: skip
        return (times[-1] - times[0]) / (len(times) - 1)

    return run


if __name__ == "__main__":
    main()
