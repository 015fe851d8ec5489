"""How long it takes to list the files under models/, as the Models tab and the cards ask for them.

    python benchmarks/listing.py [--files 1000] [--rounds 5]

Writes LoRAs and SDXL checkpoints with the published keys and no content, half of them with a text
beside them, and asks the API in process. Cold is a new library, warm the same one again; printed
are medians of the clock's time and of the processor's (of all threads, also the one that reads on
meanwhile), and each as a multiple of what reading every header of that kind once takes, told by
fifty of them. A list answers before all headers are read, and says which are not.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from fastapi import FastAPI  # noqa: E402
from fastapi.testclient import TestClient  # noqa: E402

from tests import headers  # noqa: E402
from tests.test_loras import FILES  # noqa: E402
from webui.api.routes import shelf  # noqa: E402
from webui.backend import EngineState  # noqa: E402
from webui.embeddings import Embeddings  # noqa: E402
from webui.library import Library  # noqa: E402
from webui.loras import Loras  # noqa: E402
from webui.safetensors_header import read  # noqa: E402
from webui.upscalers import Upscalers  # noqa: E402

SAMPLED = 50  # headers of a checkpoint take tens of milliseconds
KINDS = {"loras": "Lora", "checkpoints": "checkpoints"}


@dataclass(frozen=True, slots=True)
class Backend:
    def state(self) -> EngineState:
        return EngineState("ready", "CPU", "", None, {"weight_bytes": 2, "memory": 2**34})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        models = Path(place) / "models"
        for kind, folder in KINDS.items():
            paths = list(_written(models / folder, kind, arguments.files))
            some = paths[:SAMPLED]
            headers_alone, _ = _seconds(lambda some=some: [read(path) for path in some])
            headers_alone *= len(paths) / len(some)
            for name, taken in _rounds(models, kind, arguments.rounds).items():
                middle, work = (median(each) for each in zip(*taken, strict=True))
                print(
                    f"{arguments.files} {kind}, {name}: {middle * 1000:.0f} ms "
                    f"({work * 1000:.0f} ms of the processor), "
                    f"{middle / headers_alone:.2f} times all headers ({headers_alone:.2f} s)"
                )


def _written(folder: Path, kind: str, count: int) -> Iterator[Path]:
    keys = FILES["sd1"][0] if kind == "loras" else headers.published()["sdxl"]
    first = headers.write(folder / "0.safetensors", keys)
    for number in range(count):
        path = folder / f"{number}.safetensors"
        if number:
            os.link(first, path)
        if number % 2:
            said = {"description": "words", "activation text": "some, words"}
            path.with_suffix(".json").write_text(json.dumps(said))
        yield path


def _rounds(models: Path, kind: str, rounds: int) -> dict[str, list[tuple[float, float]]]:
    taken: dict[str, list[tuple[float, float]]] = {"cold": [], "warm": []}
    for _ in range(rounds):
        client = _client(models)
        for name in taken:
            taken[name].append(_seconds(lambda client=client: _asked(client, kind)))
    return taken


def _client(models: Path) -> TestClient:
    services: Any = SimpleNamespace(
        settings=SimpleNamespace(models_dirs=(models,)),
        library=Library(models),
        loras=Loras(models),
        embeddings=Embeddings(models),
        upscalers=Upscalers(models),
        backend=Backend(),
    )
    app = FastAPI()
    app.include_router(shelf.router(services))
    return TestClient(app)


def _asked(client: TestClient, kind: str) -> None:
    answer = client.get(f"/api/v1/shelf/{kind}")
    assert answer.status_code == 200 and len(answer.json()["items"]) > 0


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """By the clock and by the processor."""
    began, worked = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - worked


if __name__ == "__main__":
    main()
