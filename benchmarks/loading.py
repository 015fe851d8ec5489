"""How long it takes to load a model of Stable Diffusion 1.5's size, and how much memory.

    python benchmarks/loading.py [--folder /tmp/darkroom-loading] [--rounds 8] [--dtype fp32]

Writes random weights as a single file and as a folder, once. Then each round loads, each in a new
process and in an order that changes: our engine from the file, from the folder, and diffusers'
`StableDiffusionPipeline.from_single_file` with the same configs, offline. Printed: seconds from
the call to a model that can draw, medians and the 95 % interval of our median to theirs; the peak
of anonymous memory beyond what the process had before, to the weights' size in that precision.
Also: switching between two models, and listing 1,000 files.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
WAYS = ("ours, file", "ours, folder", "diffusers, file")


def main() -> None:
    arguments = _arguments()
    if arguments.way:
        print(json.dumps(_measured(arguments)))
        return
    _write(arguments.folder)
    taken: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for number in range(arguments.rounds):
        for way in random.Random(number).sample(WAYS, len(WAYS)):
            taken[way].append(_in_a_process(arguments, way))
    _say(taken)
    _switching(arguments)
    _listing()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/darkroom-loading"))
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--dtype", choices=["fp32", "fp16", "bf16"], default="fp32")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _in_a_process(arguments: argparse.Namespace, way: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--way", way, "--dtype", arguments.dtype]
    command += ["--folder", str(arguments.folder)]
    environ = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=True)
    made: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return made


# --- the files -----------------------------------------------------------------------------------


def _write(folder: Path) -> None:
    """Random weights of the published shapes, in fp16 as such files are mostly had."""
    if (folder / "done").exists():
        return
    import torch
    from safetensors.torch import save_file

    from tests import headers

    torch.manual_seed(0)
    tensors = {
        key: torch.full(shape, 0.01, dtype=torch.float16).uniform_(-0.02, 0.02)
        for key, shape in headers.published()["sd1"].items()
        if not key.endswith("position_ids")
    }
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "checkpoints" / "file.safetensors", {"format": "pt"})
    pipe = _by_diffusers(folder, torch.float16)
    pipe.save_pretrained(folder / "checkpoints" / "folder")
    (folder / "checkpoints" / "second.safetensors").unlink(missing_ok=True)
    os.link(
        folder / "checkpoints" / "file.safetensors", folder / "checkpoints" / "second.safetensors"
    )
    (folder / "done").touch()


def _configs(folder: Path) -> Path:
    """What diffusers' loader needs beside the file: configs as ours, and a tokenizer."""
    from webui.library import Library

    place = folder / "configs"
    if place.exists():
        return place
    entry = Library(folder).find("file")
    parts = {
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
    }
    index = {"_class_name": "StableDiffusionPipeline", **parts}
    index |= {"safety_checker": [None, None], "feature_extractor": [None, None]}
    for part in parts:
        (place / part).mkdir(parents=True)
        if part == "tokenizer":
            for file in entry.tokenizer.iterdir():
                (place / part / file.name).write_bytes(file.read_bytes())
            continue
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        extra = {"model_type": "clip_text_model"} if part == "text_encoder" else {}
        (place / part / name).write_text(json.dumps({**entry.configs[part], **extra}))
    (place / "model_index.json").write_text(json.dumps(index))
    return place


def _by_diffusers(folder: Path, dtype):  # type: ignore[no-untyped-def]
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline.from_single_file(
        str(folder / "checkpoints" / "file.safetensors"),
        config=str(_configs(folder)),
        local_files_only=True,
        torch_dtype=dtype,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


# --- one load ------------------------------------------------------------------------------------


def _measured(arguments: argparse.Namespace) -> dict[str, float]:
    import torch

    from webui.engine.device import DTYPES, Device

    dtype = DTYPES[arguments.dtype]
    device = Device(torch.device("cpu"), dtype)
    models, name = _models(arguments.folder, device), arguments.way.rpartition(" ")[2]
    import diffusers  # noqa: F401  both have it imported before the clock starts
    import transformers.models.clip.modeling_clip  # noqa: F401

    _touch(arguments.folder / "checkpoints")
    with Watched() as watched:
        began = time.perf_counter()
        if arguments.way.startswith("ours"):
            loaded = models.load(name).model
            networks = [loaded.unet, loaded.vae._network]
            networks += [each._network for each in loaded.text_encoders]
        else:
            pipe = _by_diffusers(arguments.folder, dtype)
            networks = [pipe.unet, pipe.vae, pipe.text_encoder]
        seconds = time.perf_counter() - began
    weights = sum(each.nbytes for network in networks for each in network.parameters())
    return {"seconds": seconds, "memory": watched.peak, "weights": weights}


def _models(folder: Path, device):  # type: ignore[no-untyped-def]
    from webui.embeddings import Embeddings
    from webui.engine.families import FAMILIES
    from webui.engine.models import Models
    from webui.library import Library
    from webui.loras import Loras

    return Models(Library(folder), Embeddings(folder), Loras(folder), FAMILIES, device)


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


def _say(taken: dict[str, list[dict[str, float]]]) -> None:
    theirs = [each["seconds"] for each in taken[WAYS[2]]]
    for way, rounds in taken.items():
        seconds = [each["seconds"] for each in rounds]
        share = max(each["memory"] / each["weights"] for each in rounds)
        ratios = sorted(
            median(random.Random(n).choices(seconds, k=len(seconds)))
            / median(random.Random(-n - 1).choices(theirs, k=len(theirs)))
            for n in range(2000)
        )
        low, high = ratios[50], ratios[1949]
        print(
            f"{way:16} {median(seconds):6.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), "
            f"{median(seconds) / median(theirs):.2f} x diffusers (95 %: {low:.2f} to {high:.2f}), "
            f"anonymous memory at most {share:.2f} x the weights"
        )


def _switching(arguments: argparse.Namespace) -> None:
    import torch

    from webui.engine.device import DTYPES, Device

    models = _models(arguments.folder, Device(torch.device("cpu"), DTYPES[arguments.dtype]))
    models.load("file")
    models.load("second")
    began = time.perf_counter()
    for number in range(20):
        models.load(("file", "second")[number % 2])
    each = (time.perf_counter() - began) / 20
    print(f"switching between two that are in memory: {each * 1000:.1f} ms")


def _listing() -> None:
    from tests import headers
    from webui.library import Library

    keys = headers.published()["sdxl"]
    with tempfile.TemporaryDirectory() as place:
        models = Path(place)
        first = headers.write(models / "checkpoints" / "0.safetensors", keys)
        for number in range(1, 1000):
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
        f"listing 1,000 SDXL files: {listed:.2f} s with the headers of {read}, "
        f"all headers {whole:.1f} s later, again {again:.2f} s"
    )


if __name__ == "__main__":
    main()
