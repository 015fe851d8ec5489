"""How long it takes to load a model of Stable Diffusion 1.5's size, and how much memory.

    python -m benchmarks.loading [--cases fp16:fp32 fp32:bf16] [--rounds 8] [--folder F] [--quick]

A case is the precision of the files and the one that is loaded. Random weights are written as a
single file and as a folder, into `--folder` or one that is removed afterwards. Each round loads,
each in a process of its own (forked, with everything imported) and in an order that changes: our
engine from the file and from the folder, and diffusers' `from_single_file` and `from_pretrained`,
offline. Printed: seconds from the call to a model that can draw, and the median of the rounds'
ratios to diffusers' way from the same files, with its 95 % interval, of the clock's seconds and of
the processor's (all threads together). The clock decides whether a way is fast enough; the
processor, which others' work on the machine hardly changes, helps to tell why it is not. And the
peak of anonymous memory (a mapped file's pages do not count) beyond what the process had before, to
the weights' size in the precision that is loaded. Then: switching between two models, in memory and
from the file; listing 1,000 files.
"""

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import checkpoint

if TYPE_CHECKING:  # imported late: the forked processes have them then
    import torch

    from webui.engine.models import Models

ROOT = Path(__file__).resolve().parents[1]
THEIRS = {"ours, file": "diffusers, file", "ours, folder": "diffusers, folder"}
WAYS = (*THEIRS, *THEIRS.values())
TIME, MEMORY = 1.05, 1.15  # what may be taken at most, to diffusers' time and to the weights
Taken = dict[str, list[dict[str, float]]]


def main() -> None:
    arguments = _arguments()
    os.environ["HF_HUB_OFFLINE"] = "1"
    _import_all()
    for case in arguments.cases:
        with tempfile.TemporaryDirectory(prefix="darkroom-loading-") as temporary:
            folder = arguments.folder / case.replace(":", "-") if arguments.folder else None
            _case(case, folder or Path(temporary), arguments)
    _listing(100 if arguments.quick else 1000)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--cases", nargs="+", default=["fp16:fp32", "fp32:bf16"])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--folder", type=Path, help="keep the files there; made if not there yet")
    parser.add_argument("--quick", action="store_true", help="a tiny model, to try the script")
    return parser.parse_args()


def _case(case: str, folder: Path, arguments: argparse.Namespace) -> None:
    held, wanted = case.split(":")
    _in_a_process(partial(checkpoint.write, folder, held, arguments.quick))
    taken: Taken = {way: [] for way in WAYS}
    for number in range(arguments.rounds):
        for way in random.Random(number).sample(WAYS, len(WAYS)):
            taken[way].append(_in_a_process(partial(_measured, folder, way, wanted)))
    print(f"{held} files, loaded as {wanted}:")
    for way in WAYS:
        _say(way, taken)
    _in_a_process(partial(_switching, folder, wanted))


def _import_all() -> None:
    """What any way needs; the forked processes have it then."""
    import diffusers  # noqa: F401
    import transformers.models.clip.modeling_clip  # noqa: F401
    from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel  # noqa: F401

    from webui.engine.models import Models  # noqa: F401

    checkpoint.quietly()


def _in_a_process(work: Callable[[], Any]) -> Any:
    """What it gives. Ends the program if it fails."""
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=lambda: writer.send(work()))
    process.start()
    writer.close()
    try:
        made = reader.recv()
    except EOFError:
        sys.exit("a measurement failed")
    process.join()
    return made


# --- one load ------------------------------------------------------------------------------------


def _measured(folder: Path, way: str, wanted: str) -> dict[str, float]:
    dtype = checkpoint.DTYPES[wanted]
    models, name = _models(folder, dtype), way.rpartition(" ")[2]
    _touch(folder / "checkpoints")
    with Watched() as watched:
        began, worked = time.perf_counter(), time.process_time()
        if way.startswith("ours"):
            loaded = models.load(name).model
            networks = [*loaded.networks.values(), loaded.vae.network]
        else:
            load = {"file": checkpoint.from_file, "folder": checkpoint.from_folder}[name]
            pipe = load(folder, dtype)
            networks = [pipe.unet, pipe.vae, pipe.text_encoder]
        seconds, work = time.perf_counter() - began, time.process_time() - worked
    weights = sum(each.nbytes for network in networks for each in network.parameters())
    return {"seconds": seconds, "work": work, "memory": watched.peak, "weights": weights}


def _models(folder: Path, dtype: "torch.dtype") -> "Models":
    import torch

    from webui.embeddings import Embeddings
    from webui.engine.device import Device
    from webui.engine.families import FAMILIES
    from webui.engine.models import Models
    from webui.extensions import BUILTIN
    from webui.interfaces.server_hooks import Owned
    from webui.library import Library
    from webui.loras import Loras

    families = {name: Owned(BUILTIN, family) for name, family in FAMILIES.items()}
    files = Library(folder), Embeddings(folder), Loras(folder)
    return Models(*files, families, Device(torch.device("cpu"), dtype))


def _touch(folder: Path) -> None:
    """All of it in the page cache, for every way alike."""
    for path in folder.rglob("*.safetensors"):
        with path.open("rb") as file:
            while file.read(2**24):
                pass


class Watched:
    """The peak of anonymous memory (RssAnon) while it lasts, beyond what it was."""

    def __enter__(self) -> "Watched":
        self._before, self.peak, self._on = _anonymous(), 0, True
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._on = False
        self._thread.join()
        self.peak = max(self.peak, _anonymous() - self._before)

    def _look(self) -> None:
        while self._on:
            self.peak = max(self.peak, _anonymous() - self._before)
            time.sleep(0.005)


def _anonymous() -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.partition("RssAnon:")[2].split()[0]) * 1024


# --- what is said --------------------------------------------------------------------------------


def _say(way: str, taken: Taken) -> None:
    seconds = [each["seconds"] for each in taken[way]]
    share = max(each["memory"] / each["weights"] for each in taken[way])
    line = f"  {way:18} {median(seconds):6.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"
    line += f", anonymous memory at most {share:.2f} x the weights"
    if way in THEIRS:
        ratios = {name: _ratio(way, taken, name) for name in ("seconds", "work")}
        for name, (ratio, low, high) in ratios.items():
            called = {"seconds": "time", "work": "processor time"}[name]
            line += f", {ratio:.2f} x diffusers' {called} (95 %: {low:.2f} to {high:.2f})"
        line += f"; {_verdict(ratios['seconds'], ratios['work'])}"
        line += "" if share <= MEMORY else f"; ABOVE {MEMORY:g} x the weights"
    print(line, flush=True)


def _verdict(clock: tuple[float, float, float], work: tuple[float, float, float]) -> str:
    """The clock decides; where its interval holds the limit, that it does not tell."""
    ratio, low, high = clock
    if ratio <= TIME:
        sure = "" if high <= TIME else ", though the interval reaches beyond it"
        return f"within {TIME:g} x by the clock{sure}"
    said = f"ABOVE {TIME:g} x by the clock"
    if low <= TIME:
        said += ", whose interval holds that limit"
    return said + (f" (within by the processor: {work[0]:.2f})" if work[0] <= TIME else "")


def _ratio(way: str, taken: Taken, name: str) -> tuple[float, float, float]:
    ours, theirs = ([each[name] for each in taken[one]] for one in (way, THEIRS[way]))
    return ratio_of(ours, theirs)


def ratio_of(ours: list[float], theirs: list[float]) -> tuple[float, float, float]:
    """The median of the rounds' ratios, and its 95 % interval by the bootstrap (2,000 draws)."""
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    draws = sorted(
        median(random.Random(seed).choices(ratios, k=len(ratios))) for seed in range(2000)
    )
    return median(ratios), draws[50], draws[1949]


def _switching(folder: Path, wanted: str) -> None:
    models = _models(folder, checkpoint.DTYPES[wanted])
    models.load("file")
    models.load("second")
    both = models.kept == ["file", "second"]
    began = time.perf_counter()
    for number in range(20):
        models.load(("file", "second")[number % 2])
    each = (time.perf_counter() - began) / 20
    where = "both in memory" if both else "memory holds one of them"
    print(f"  switching between two, {where}: {each * 1000:.1f} ms", flush=True)


def _listing(count: int) -> None:
    from tests import headers
    from webui.library import Library

    keys = headers.published()["sdxl"]
    with tempfile.TemporaryDirectory() as place:
        models = Path(place)
        first = headers.write(models / "checkpoints" / "0.safetensors", keys)
        for number in range(1, count):
            os.link(first, first.with_name(f"{number}.safetensors"))
        library = Library(models)
        began = time.perf_counter()
        found = library.entries()
        listed = time.perf_counter() - began
        read = sum(not entry.unread for entry in found)
        while any(entry.unread for entry in library.entries()):
            time.sleep(0.2)
        whole = time.perf_counter() - began
        began = time.perf_counter()
        library.refresh()
        library.entries()
        again = time.perf_counter() - began
    print(
        f"listing {count:,} SDXL files: {listed:.2f} s with the headers of {read}, "
        f"all headers {whole:.1f} s later, again {again:.2f} s"
    )


if __name__ == "__main__":
    main()
