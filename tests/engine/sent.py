"""Pictures that requests begin with, put where the engine finds them."""

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from webui.events import Picture
from webui.wire import RunOptions


def smooth(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """A picture with large shapes and no noise."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, len(mode)), np.uint8)
    image = Image.fromarray(small.squeeze(), mode)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def sent_in(folder: Path, image: Image.Image) -> str:
    """Keeps the picture in an input store; its name."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{digest}.png").write_bytes(buffer.getvalue())
    return digest


def opened(picture: Picture) -> Image.Image:
    size = (picture.width, picture.height)
    image = Image.frombytes("RGB", size, picture.rgb)
    if picture.alpha:
        image.putalpha(Image.frombytes("L", size, picture.alpha))
    return image


def options(root: Path, keep: str | None = None, **values: object) -> RunOptions:
    """Where a test's pictures lie, and a run's steps if they are to be kept."""
    kept = str(root / keep) if keep else None
    return RunOptions(inputs=str(root / "inputs"), keep=kept, **values)  # type: ignore[arg-type]
