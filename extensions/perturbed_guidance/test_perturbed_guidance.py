"""How far a picture moves with the scale."""

from pathlib import Path

import numpy as np
from PIL import Image

from webui.testing import Extension

HERE = Path(__file__).parent


def far(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).mean())


def test_a_picture_moves_with_the_scale(tmp_path: Path) -> None:
    extension = Extension(HERE, tmp_path)
    (plain,) = extension.run().pictures
    moved = []
    for scale in (0.0, 1.0, 3.0):
        made = extension.run(extras={"perturbed_guidance": {"scale": scale}})
        assert made.mishaps == ()
        moved.append(far(made.pictures[0], plain))
    assert 0 == moved[0] < moved[1] < moved[2]
