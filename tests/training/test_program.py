"""The program takes what a training makes."""

import shutil
from pathlib import Path

import numpy as np

from tests.engine.conftest import make_engine, play, request
from tests.engine.pictures import results
from training import original_layout


def test_a_folder_and_its_original_layout_make_one_picture(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "checkpoints" / "folder")
    (tmp_path / "Stable-diffusion").mkdir()
    original_layout.write(model, tmp_path / "Stable-diffusion" / "one.safetensors")
    engine = make_engine(tmp_path)
    asked = {"prompt": "red square", "width": 64, "height": 64, "steps": 3, "guidance_scale": 3.0}
    folder, file = (
        results(play(engine, request(model=name, **asked))) for name in ("folder", "one")
    )
    assert folder.std() > 5  # not flat
    assert np.abs(folder - file).max() <= 1
