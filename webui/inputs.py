"""Pictures that requests begin with: kept under the sha256 of their file, as plain PNGs.

What comes in is checked and settled once, here (size, turning, colours, transparency), so that the
engine only ever reads 8-bit PNGs of ours. Knows no requests and no jobs.
"""

import hashlib
from io import BytesIO
from pathlib import Path

from PIL import Image

from webui.errors import InvalidRequest


def read(folder: Path, field: str, sha256: str) -> Image.Image:
    """A kept picture, mode L, RGB or RGBA. Raises InvalidRequest, naming `field`, if it is not
    there any more, or not what its name says."""
    try:
        data = (folder / f"{sha256}.png").read_bytes()
    except OSError:
        raise InvalidRequest(
            field, "names a picture that is not kept here; send it again"
        ) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise InvalidRequest(field, "names a picture whose file was changed; send it again")
    image = Image.open(BytesIO(data), formats=["PNG"])
    image.load()
    return image
