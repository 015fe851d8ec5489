"""Pictures that requests begin with, made by rule, and the store they are sent into."""

import hashlib
import io

import numpy as np
from PIL import Image

from webui.events import Rendered


def scene(width=64, height=64):
    """Smooth colours with a disc, RGB: no two rows or columns are alike."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / width, 255 * y / height
    blue = 255 * (np.hypot(x - width / 2, y - height / 3) < width / 4)
    return Image.fromarray(np.stack([red, green, blue], -1).astype(np.uint8))


def box_mask(size, box):
    """White in `box`, black elsewhere."""
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


def sent(folder, image):
    """Into the store; its sha256."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    folder.mkdir(exist_ok=True)
    (folder / f"{sha256}.png").write_bytes(buffer.getvalue())
    return sha256


def results(run):
    """(n, H, W, 3), whole numbers."""
    return np.stack([pixels(event.picture) for event in run.of(Rendered)])


def pixels(picture):
    flat = np.frombuffer(picture.rgb, np.uint8)
    return flat.reshape(picture.height, picture.width, 3).astype(int)
