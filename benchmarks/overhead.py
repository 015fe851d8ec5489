"""What our engine costs beside diffusers' own pipeline: same weights, sampler, steps, size, dtype.

Both run in this process, in turn, pair by pair; a line gives the ratio of times (ours / theirs) as
the median over the pairs with its 95 % interval. Below it, what recording every step and drawing
previews cost beside our own plain run.

    .venv/bin/python -m benchmarks.overhead [--pairs 15] [--steps 20] [--threads 1] [--size 128]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

from webui.embeddings import Embeddings
from webui.engine import builtin
from webui.engine.device import choose
from webui.engine.engine import Engine
from webui.engine.models import Models
from webui.events import Rendered
from webui.extensions import engine_registry
from webui.library import Library
from webui.loras import Loras
from webui.request import GenerationRequest
from webui.upscalers import Upscalers
from webui.wire import RunOptions

MODELS = Path(__file__).parents[1] / "models"
Timed = Callable[[], float]


def main() -> None:
    arguments = read_arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = choose(arguments.device, arguments.dtype)
    registry = engine_registry({"builtin": builtin})
    library = Library(arguments.models_dir)
    embeddings = Embeddings(arguments.models_dir)
    files = embeddings, Loras(arguments.models_dir)
    models = Models(library, *files, registry.families, device)
    engine = Engine(registry, models, device, Upscalers(arguments.models_dir))
    name = arguments.model or library.default()
    request = GenerationRequest(
        model=name,
        prompt="a red apple on a blue background",
        negative_prompt="blurred",
        seed=1,
        sampler="Euler",
        schedule="Karras",
        steps=arguments.steps,
        width=arguments.size,
        height=arguments.size,
    )
    pipe = load_pipeline(library.find(name).folder, device)
    print(
        f"{name}, {request.steps} steps of Euler at {request.width} px on {device.label}, "
        f"{torch.get_num_threads()} thread(s), {arguments.pairs} pairs"
    )
    check_equal(engine, pipe, request)
    ours = timed_engine(engine, request, RunOptions())
    compare("engine / diffusers pipeline", ours, timed_pipeline(pipe, request), arguments.pairs)
    with tempfile.TemporaryDirectory() as folder:
        for label, options in (
            ("recording every step / plain", RunOptions(keep=folder)),
            ("fast previews every step / plain", RunOptions(noisy="fast", predicted="fast")),
            ("VAE previews every step / plain", RunOptions(noisy="vae", predicted="vae")),
        ):
            compare(label, timed_engine(engine, request, options), ours, arguments.pairs)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", type=int, default=128, help="pixels, each way")
    parser.add_argument("--threads", type=int, default=1, help="of torch; 0 leaves its choice")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--models-dir", type=Path, default=MODELS)
    parser.add_argument("--model", help="a name in the models folder; default: the shipped one")
    return parser.parse_args()


def load_pipeline(folder: Path, device: object) -> StableDiffusionPipeline:
    pipe = StableDiffusionPipeline.from_pretrained(
        folder, dtype=device.dtype, local_files_only=True, safety_checker=None
    ).to(device.where)
    pipe.scheduler = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        use_karras_sigmas=True,
        timestep_spacing="linspace",
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def picture_of_pipeline(pipe: StableDiffusionPipeline, request: GenerationRequest) -> np.ndarray:
    image = pipe(
        request.prompt,
        negative_prompt=request.negative_prompt,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance_scale,
        width=request.width,
        height=request.height,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        output_type="pil",
    ).images[0]
    return np.asarray(image).astype(int)


def check_equal(engine: Engine, pipe: StableDiffusionPipeline, request: GenerationRequest) -> None:
    """A comparison of unlike work would be worth nothing."""
    (rendered,) = [each for each in engine.run(request) if isinstance(each, Rendered)]
    ours = np.frombuffer(rendered.picture.rgb, np.uint8).astype(int)
    difference = np.abs(ours - picture_of_pipeline(pipe, request).ravel()).max()
    print(f"largest difference between the two pictures: {difference} of 255")


def timed_engine(engine: Engine, request: GenerationRequest, options: RunOptions) -> Timed:
    def run() -> float:
        start = time.perf_counter()
        for _ in engine.run(request, options):
            pass
        return time.perf_counter() - start

    return run


def timed_pipeline(pipe: StableDiffusionPipeline, request: GenerationRequest) -> Timed:
    def run() -> float:
        start = time.perf_counter()
        picture_of_pipeline(pipe, request)
        return time.perf_counter() - start

    return run


def compare(label: str, first: Timed, second: Timed, pairs: int) -> None:
    """Prints the median ratio first / second with its 95 % bootstrap interval."""
    first(), second()
    ratios, seconds = [], []
    for pair in range(pairs):
        # the order alternates, so that a drift of the machine's speed favours neither
        if pair % 2:
            later, earlier = second(), first()
        else:
            earlier, later = first(), second()
        ratios.append(earlier / later)
        seconds.append(earlier)
    generator = np.random.default_rng(0)
    medians = np.median(generator.choice(ratios, (2000, pairs)), axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    print(
        f"{label:36} {statistics.median(ratios):.3f}  [{low:.3f}, {high:.3f}]"
        f"  {statistics.median(seconds):.3f} s"
    )


if __name__ == "__main__":
    main()
