"""Tiled upscaling against untiled: time and peak memory as ratios, and how far they differ.

An ESRGAN (64 channels) with random weights makes a picture 4 times as large, whole and in tiles,
each in a process of its own. By default it is small enough for a busy CPU; the usual network on a
GPU: --size 1024 --blocks 23 --device cuda.

    .venv/bin/python -m benchmarks.upscaling [--size 160] [--blocks 1] [--device cpu] [--threads 1]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TILES = (256, 128, 64)  # the engine's; those that are smaller than the picture are measured


def main() -> None:
    arguments = read_arguments()
    if arguments.tile is not None:
        print(json.dumps(measured(arguments)))
        return
    tiles = [tile for tile in TILES if tile < arguments.size]
    with tempfile.TemporaryDirectory() as folder:
        made = {tile: run(tile, arguments, folder) for tile in (0, *tiles)}  # 0: whole
    whole = made[0]
    print(f"{arguments.size} x {arguments.size} to 4x, {arguments.blocks} blocks")
    print(f"whole: {whole['seconds']:.1f} s, {whole['bytes'] / 2**20:.0f} MiB beyond the start")
    print(f"{'tile':>6}{'tiles':>7}{'time':>8}{'memory':>9}{'largest difference':>21}")
    for tile in tiles:
        seconds = made[tile]["seconds"] / whole["seconds"]
        memory = made[tile]["bytes"] / whole["bytes"]
        print(f"{tile:6}{made[tile]['tiles']:7}{seconds:8.2f}{memory:9.2f}"
              f"{made[tile]['difference']:15} / 255")  # fmt: skip


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--size", type=int, default=160, help="pixels of the picture's side")
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="0: torch's choice")
    parser.add_argument("--tile", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def run(tile: int, arguments: argparse.Namespace, folder: str) -> dict[str, float]:
    given = ["--size", str(arguments.size), "--blocks", str(arguments.blocks)]
    given += ["--device", arguments.device, "--threads", str(arguments.threads)]
    command = [sys.executable, "-m", "benchmarks.upscaling", *given]
    done = subprocess.run([*command, "--tile", str(tile), "--folder", folder],
                          capture_output=True, text=True, check=True)  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measured(arguments: argparse.Namespace) -> dict[str, float]:
    """Seconds, bytes beyond those before, tiles, and the difference to the first that was made."""
    import resource

    import numpy as np
    import torch
    from PIL import Image

    from webui.engine import upscaling
    from webui.engine.device import choose, peak_memory, reset_peak
    from webui.engine.upscalers.esrgan import RRDBNet
    from webui.engine.weights import LoadedNetwork
    from webui.upscalers import Layout

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    device = choose(arguments.device, "auto")
    layout = Layout("ESRGAN", 4, 64, 32, arguments.blocks, 2, 1, {})
    module = RRDBNet(layout).to(device.where, device.dtype).eval()
    network = LoadedNetwork(module, device.where, device.dtype)
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    image = Image.fromarray(noise).resize((arguments.size,) * 2, Image.Resampling.BICUBIC)

    def peak() -> int:
        if device.where.type == "cuda":
            return peak_memory(device)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    with torch.no_grad():
        network(torch.zeros(1, 3, 16, 16))
        reset_peak(device)
        before, began, tiles = peak(), time.perf_counter(), 0
        side = arguments.tile or arguments.size
        made = upscaling.tiled("benchmark", network, image, side, lambda: False)
        try:
            while True:
                tiles = getattr(next(made), "of", tiles)
        except StopIteration as end:
            pixels = np.asarray(end.value).astype(int)
    seconds, after = time.perf_counter() - began, peak()
    first = arguments.folder / "whole.npy"
    if arguments.tile == 0:
        np.save(first, pixels)
    difference = int(np.abs(np.load(first) - pixels).max())
    return {"seconds": seconds, "bytes": after - before, "tiles": tiles, "difference": difference}


if __name__ == "__main__":
    main()
