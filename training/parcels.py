"""Trained networks in pieces small enough to be carried.

    python -m training.parcels cut FOLDER PIECES
    python -m training.parcels join PIECES FOLDER --data DATA

Of FOLDER's vae, unet and text_encoder, in fp16; the table of tokens stays out, as it is never
trained, and comes back from DATA.
"""

import argparse
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from training import prepare
from training.diffusion import TABLE_SCALE

PARTS = ("vae", "unet", "text_encoder")
LARGEST = 15_000_000  # bytes
_TABLE = "token_embedding.weight"


def cut(folder: Path, pieces: Path) -> None:
    """Writes 0.safetensors, 1.safetensors, ... and each part's config."""
    pieces.mkdir(parents=True, exist_ok=True)
    filled: list[dict[str, Tensor]] = [{}]
    size = 0
    for part in PARTS:
        shutil.copy(folder / part / "config.json", pieces / f"{part}.json")
        for key, weight in load_file(_weights(folder / part)).items():
            if key.endswith(_TABLE):
                continue
            weight = weight.half()
            if size + weight.nbytes > LARGEST:
                filled.append({})
                size = 0
            filled[-1][f"{part}/{key}"] = weight.contiguous()
            size += weight.nbytes
    for number, piece in enumerate(filled):
        save_file(piece, pieces / f"{number}.safetensors")


def join(pieces: Path, folder: Path, data: Path) -> None:
    """The folder that `cut` was given, its weights as exact as fp16 is."""
    whole = {
        key: weight
        for path in pieces.glob("*.safetensors")
        for key, weight in load_file(path).items()
    }
    for part in PARTS:
        (folder / part).mkdir(parents=True, exist_ok=True)
        shutil.copy(pieces / f"{part}.json", folder / part / "config.json")
        weights = {
            key.removeprefix(f"{part}/"): weight.float()
            for key, weight in whole.items()
            if key.startswith(f"{part}/")
        }
        if part == "text_encoder":
            place = next(key for key in weights if key.endswith("position_embedding.weight"))
            width = weights[place].shape[1]
            name = place.replace("position_embedding", "token_embedding")
            weights[name] = prepare.tokens(data, width) * TABLE_SCALE
        save_file(weights, folder / part / _name(part), {"format": "pt"})


def _name(part: str) -> str:
    return "model.safetensors" if part == "text_encoder" else "diffusion_pytorch_model.safetensors"


def _weights(folder: Path) -> Path:
    return folder / _name(folder.name)


def main() -> None:
    parser = argparse.ArgumentParser(description="Trained networks in pieces, and together again.")
    ways = parser.add_subparsers(dest="way", required=True)
    for way, first, second in (("cut", "folder", "pieces"), ("join", "pieces", "folder")):
        one = ways.add_parser(way)
        one.add_argument(first, type=Path)
        one.add_argument(second, type=Path)
        one.add_argument("--data", type=Path, default=Path("training/work/data"))
    arguments = parser.parse_args()
    if arguments.way == "cut":
        cut(arguments.folder, arguments.pieces)
    else:
        join(arguments.pieces, arguments.folder, arguments.data)


if __name__ == "__main__":
    main()
