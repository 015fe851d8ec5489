"""A folder as `training.prepare` leaves it, of six drawings made here."""

import io
import json
import shutil
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from training.__main__ import main
from training.emoji import Emoji

TOKENIZER = Path(__file__).parents[2] / "models/checkpoints/fluent-emoji/tokenizer"
KNOWN = [
    Emoji("1", "red square", ("block",), ("shape",), True, False),
    Emoji("2", "green disc", (), ("shape", "round"), True, False),
    Emoji("3", "blue bar", (), (), True, False),
    Emoji("4", "orange left half", (), ("half",), False, True),
    Emoji("5", "fire", ("hoop",), (), False, False, ("blazing",)),
    Emoji("6", "black cross", (), (), False, False),
]


def drawing(number: int) -> Image.Image:
    made = Image.new("RGBA", (256, 256))
    pen = ImageDraw.Draw(made)
    if number == 0:
        pen.rectangle((20, 20, 235, 235), fill=(220, 40, 40))
    elif number == 1:
        pen.ellipse((20, 20, 235, 235), fill=(60, 170, 80))
    elif number == 2:
        pen.rectangle((20, 90, 235, 165), fill=(50, 100, 220))
    elif number == 3:
        pen.rectangle((20, 20, 127, 235), fill=(245, 145, 40))
    elif number == 4:
        pen.ellipse((20, 20, 235, 235), outline=(140, 70, 190), width=40)
    else:
        pen.line((20, 20, 235, 235), fill=(20, 20, 20), width=40)
        pen.line((235, 20, 20, 235), fill=(20, 20, 20), width=40)
    return made


def fill(data: Path) -> None:
    """Writes the folder's files."""
    with zipfile.ZipFile(data / "pictures.zip", "w") as archive:
        for number, each in enumerate(KNOWN):
            packed = io.BytesIO()
            drawing(number).save(packed, "WEBP", lossless=True)
            archive.writestr(f"3d/{each.key}.webp", packed.getvalue())
            if number < 2:
                archive.writestr(f"flat/{each.key}.webp", packed.getvalue())
    (data / "classes.json").write_text(json.dumps([asdict(each) for each in KNOWN]), "utf-8")
    rows = torch.randn(49408, 16, generator=torch.Generator().manual_seed(0))
    save_file({"tokens": rows.half()}, data / "tokens.safetensors")
    shutil.copytree(TOKENIZER, data / "tokenizer")


@pytest.fixture(scope="package")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to train in, its data there."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "data").mkdir()
    fill(folder / "data")
    return folder


def trained(work: Path, *steps: str) -> None:
    main(["--preset", "tiny", "--work", str(work), "--threads", "1", *steps])


@pytest.fixture(scope="package")
def model(work: Path) -> Path:
    """What a training of seconds makes."""
    trained(work, "vae", "unet", "tiny", "export")
    return work / "tiny" / "model"
