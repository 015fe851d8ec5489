"""How near each sampler comes to its answer in how many steps, on the model that ships.

The distance is the root mean square between final latents, over that of the reference: 0 is the
same picture, 1 or more another one. What solves the ODE is held against 200 steps of Heun; what
draws noise, and CFG++, against its own 200 steps with the same seeds. Prints the table of
docs/samplers.md; with --plot FILE draws it (needs matplotlib, which the extra "benchmark" names).

    .venv/bin/python -m benchmarks.samplers [--images 2] [--size 128] [--plot docs/samplers.png]
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from webui.embeddings import Embeddings
from webui.engine import builtin
from webui.engine.device import choose
from webui.engine.models import Models
from webui.engine.plan import Plan, plan_of
from webui.engine.samplers import SAMPLERS
from webui.engine.schedules import karras
from webui.extensions import engine_registry
from webui.interfaces import EngineRegistry
from webui.library import Library
from webui.loras import Loras
from webui.request import GenerationRequest
from webui.sampler_table import SAMPLER_INFOS

STEPS, REFERENCE = (5, 8, 12, 20, 30, 50), 200
INFOS = {info.name: info for info in SAMPLER_INFOS}
PROMPT, NEGATIVE = "a red apple on a blue background", "blurred"
# their guidance means something else, so that they have an answer of their own
APART = {"DDIM CFG++", "DPM++ 2M CFG++"}


class Bench:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._device = choose(arguments.device, arguments.dtype)
        self._registry: EngineRegistry = engine_registry({"builtin": builtin})
        library = Library(arguments.models_dir)
        embeddings = Embeddings(arguments.models_dir)
        models = Models(
            library, embeddings, Loras(arguments.models_dir), self._registry.families, self._device
        )
        self._name = arguments.model or library.default()
        self._loaded = models.load(self._name)
        print(f"{self._name}, {arguments.images} pictures of {arguments.size} px on", end=" ")
        print(f"{self._device.label}")

    def plan(self, sampler: str, steps: int) -> Plan:
        images = self._arguments.images
        request = GenerationRequest(
            model=self._name,
            prompt=PROMPT,
            negative_prompt=NEGATIVE,
            seed=1,
            sampler=sampler,
            guidance_scale=5.0,
            width=self._arguments.size,
            height=self._arguments.size,
            images=images,
            batch_size=images,
        )
        timeline = self._loaded.reader.read(request).timeline
        plan = plan_of(self._registry, request, self._loaded.model, timeline)
        # Karras' levels for all of them; more steps than a request may have
        return replace(plan, sigmas=karras(steps, plan.model.levels))

    @torch.no_grad()
    def run(self, sampler: str, steps: int) -> tuple[Tensor, int]:
        """The final latents (B, C, h, w), and the model calls they took."""
        plan, calls = self.plan(sampler, steps), 0

        def counted(x: Tensor, sigma: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            return plan.denoise(x, sigma)

        seeded, start = plan.start(0, self._device.where)
        noise = plan.noise(0, seeded, self._device.where)
        x = plan.model.noised(torch.zeros_like(start), start, plan.sigmas[0])
        *_, last = plan.sample(counted, x, plan.sigmas, noise)
        return last.x.cpu(), calls

    def distances(self, sampler: str, reference: Tensor) -> list[tuple[int, float]]:
        """(model calls, distance) for each of STEPS."""
        made = [self.run(sampler, steps) for steps in STEPS]
        size = reference.square().mean().sqrt()
        return [
            (calls, ((x - reference).square().mean().sqrt() / size).item()) for x, calls in made
        ]


def main() -> None:
    arguments = read_arguments()
    torch.set_num_threads(arguments.threads)
    bench = Bench(arguments)
    exact, _ = bench.run("Heun", REFERENCE)
    print("| Sampler | calls a step | " + " | ".join(f"{n} steps" for n in STEPS) + " |")
    print("|---|---|" + "---|" * len(STEPS))
    found = {}
    for sampler in SAMPLERS:
        own = INFOS[sampler].random or sampler in APART
        reference = bench.run(sampler, REFERENCE)[0] if own else exact
        found[sampler] = bench.distances(sampler, reference)
        cells = " | ".join(f"{distance:.3f}" for _, distance in found[sampler])
        print(f"| {sampler} | {calls_a_step(found[sampler])} | {cells} |", flush=True)
    if arguments.plot:
        plot(found, arguments.plot)


def calls_a_step(found: list[tuple[int, float]]) -> str:
    """In the longest run; a sampler that chooses its own steps has only their sum."""
    calls = [each for each, _ in found]
    return f"{calls[0]} in all" if len(set(calls)) == 1 else f"{calls[-1] / STEPS[-1]:.2g}"


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--size", type=int, default=128, help="pixels, each way")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--models-dir", type=Path, default=Path(__file__).parents[1] / "models")
    parser.add_argument("--model", help="a name in the models folder; default: the shipped one")
    parser.add_argument("--plot", type=Path, help="where to draw it")
    return parser.parse_args()


def plot(found: dict[str, list[tuple[int, float]]], path: Path) -> None:
    """Two panels, by model calls: what solves the ODE, and what draws noise."""
    from matplotlib import figure  # only here: nothing else needs it

    sheet = figure.Figure(figsize=(11, 5.2), layout="constrained")
    panels = sheet.subplots(1, 2, sharey=True)
    for panel, random in zip(panels, (False, True), strict=True):
        names = [name for name in found if INFOS[name].random == random]
        for number, name in enumerate(names):
            calls, distances = zip(*found[name], strict=True)
            look = {"color": f"C{number % 10}", "linestyle": ("-", "--", ":")[number // 10]}
            panel.plot(calls, distances, marker=".", label=name, lw=1.2, **look)
        panel.set(xscale="log", yscale="log", xlabel="model calls", ylim=(6e-5, 6))
        panel.set_xticks([5, 10, 20, 50, 100], ["5", "10", "20", "50", "100"], minor=False)
        panel.minorticks_off()
        panel.grid(alpha=0.25)
        panel.legend(fontsize=7, ncols=3, loc="lower left")
    panels[0].set(title="no fresh noise: to 200 steps of Heun", ylabel="distance")
    panels[1].set(title="fresh noise: to their own 200 steps")
    sheet.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
