"""The engine's process: messages in at stdin, messages out at stdout, until stdin closes."""

import argparse
import gc
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch
from transformers.utils import logging as transformers_logging

from webui.embeddings import Embeddings
from webui.engine import builtin
from webui.engine.device import DTYPES, Device, choose, total_main_memory, total_memory
from webui.engine.engine import Engine
from webui.engine.models import Models
from webui.engine.session import DeviceBroken, Session
from webui.errors import StartError
from webui.extensions import Conduct, Trials, load, of_engine, standing_values
from webui.extensions.discovery import named
from webui.interfaces import EngineRegistry
from webui.library import OFFLOADS, Library
from webui.loras import Loras
from webui.upscalers import Upscalers
from webui.wire import Message, read, write

_BROKEN_EXIT_CODE = 70


def main() -> int:
    arguments = _parser().parse_args()
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s", level="INFO")
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    pipe = _claim_stdout()
    lock = threading.Lock()

    def send(message: Message) -> None:
        with lock:
            write(pipe, message)

    try:
        device = choose(arguments.device, arguments.dtype, arguments.offload)
    except StartError as error:
        send(Message({"hello": {"error": str(error)}}))
        return 1
    conduct, trials = Conduct(arguments.blame), Trials("engine", arguments.trials)
    found = named(arguments.extension)
    shelves, standings = load("engine", builtin, found, trials, begun=arguments.begun)
    registry = of_engine(shelves)
    said = [standing_values(each) for each in standings]
    folders = arguments.models_dir
    files = Library(*folders), Embeddings(*folders), Loras(*folders)
    models = Models(*files, registry.families, device, conduct)
    upscalers = Upscalers(folders[0])
    inbox = _inbox(arguments.blame)
    threading.Thread(target=_beat, args=(send,), daemon=True).start()
    told = partial(_conduct, said, conduct)
    send(Message({"hello": {**_hello(device, registry), "extensions": told()}}))
    try:
        engine = Engine(registry, models, device, upscalers, conduct, standings)
        gc.freeze()  # torch and all stay: looking through them for garbage takes 0.3 s each time
        Session(engine, models, device, send, told).serve(inbox)
    except DeviceBroken:
        logging.exception("the device is broken; this process ends, so that a new one can start")
    return _BROKEN_EXIT_CODE


def _inbox(blame: Path | None) -> "queue.Queue[Message]":
    """What comes in at stdin, from now on."""
    inbox: queue.Queue[Message] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, inbox, blame), daemon=True).start()
    return inbox


def _hello(device: Device, registry: EngineRegistry) -> dict[str, Any]:
    """What the server is told of this engine."""
    return {
        "device": device.label,
        "memory": total_memory(device),
        "main_memory": total_main_memory(),
        "offload": device.offload,
        "weight_bytes": device.dtype.itemsize,
        "samplers": list(registry.samplers),
        "schedules": list(registry.schedules),
        "previews": list(registry.previews),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m webui.engine", description=__doc__)
    parser.add_argument("--models-dir", type=Path, required=True, nargs="+")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto", choices=["auto", *DTYPES])
    parser.add_argument("--offload", default="auto", choices=["auto", *OFFLOADS])
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch likes")
    parser.add_argument("--extension", nargs="*", default=[], help="ORIGIN:FOLDER of each")
    parser.add_argument("--trials", type=Path, help="file of the verdicts on extensions")
    parser.add_argument("--blame", type=Path, help="file that says in which extension this is")
    parser.add_argument("--begun", type=Path, help="file that says which one is being loaded")
    return parser


def _conduct(standings: list[dict[str, Any]], conduct: Conduct) -> dict[str, Any]:
    """How the extensions' halves in this process are."""
    return {"standings": standings, "conduct": conduct.report()}


def _claim_stdout() -> BinaryIO:
    """The pipe to the server; whatever a library prints goes to stderr from now on."""
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return pipe


def _listen(stream: BinaryIO, inbox: "queue.Queue[Message]", blame: Path | None) -> None:
    """Fills `inbox`. The pipe's end is the server's end: nobody is left to work for, and no
    extension is to blame."""
    try:
        while (message := read(stream)) is not None:
            inbox.put(message)
    finally:
        if blame is not None:
            with suppress(OSError):
                blame.unlink(missing_ok=True)
        os._exit(0)


def _beat(send: Callable[[Message], None]) -> None:
    while True:
        time.sleep(1)
        send(Message({"beat": True}))


if __name__ == "__main__":
    sys.exit(main())
