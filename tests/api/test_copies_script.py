"""The script with diffusers: run as it is, it makes the picture that the engine makes."""

import io
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.api.whole import built
from tests.engine.conftest import MODELS, make_engine
from webui import copies
from webui.copies.script_text import SCHEDULERS
from webui.events import Rendered
from webui.sampler_table import SAMPLER_INFOS, SCHEDULE_INFOS

BASE = {
    "prompt": "a red fox",
    "negative_prompt": "blurry",
    "seed": 11,
    "steps": 4,
    "width": 64,
    "height": 64,
    "guidance_scale": 5.0,
}
SAMPLERS = [info.name for info in SAMPLER_INFOS]
SCHEDULES = [info.name for info in SCHEDULE_INFOS if info.name != "Automatic"]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    folder = tmp_path_factory.mktemp("copies")
    with built(folder, "--models-dir", str(MODELS)) as application:
        yield application.services


@pytest.fixture(scope="module")
def engine() -> object:
    return make_engine(MODELS)


def drawn(engine: object, request: object) -> list[np.ndarray]:
    """What the engine makes."""
    pictures = [event.picture for event in engine.run(request) if isinstance(event, Rendered)]
    return [
        np.frombuffer(each.rgb, np.uint8).reshape(each.height, each.width, 3) for each in pictures
    ]


def ran(text: str, folder: Path) -> list[np.ndarray]:
    """What the script makes, when it is run in an empty folder."""
    with chdir(folder), redirect_stderr(io.StringIO()):
        exec(compile(text, "script.py", "exec"), {"__name__": "__main__"})  # ours, just written
    files = sorted(folder.glob("picture-*.png"), key=lambda each: int(each.stem.split("-")[1]))
    return [np.asarray(Image.open(each).convert("RGB")) for each in files]


def apart(one: list[np.ndarray], other: list[np.ndarray]) -> int:
    """The largest difference of any value of any picture, of 255."""
    assert len(one) == len(other) > 0
    return max(
        int(np.abs(a.astype(int) - b.astype(int)).max()) for a, b in zip(one, other, strict=True)
    )


def compare(services: object, engine: object, folder: Path, **values: object) -> copies.Asked:
    asked = copies.asked(services, BASE | values)
    made = copies.script(services, asked)
    assert made.unsaid == ()
    assert apart(ran(made.text, folder), drawn(engine, asked.request)) <= 2
    return made


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_script_makes_the_engines_picture_with_each_sampler(services, engine, tmp_path, sampler):
    made = compare(services, engine, tmp_path, sampler=sampler)
    # where diffusers has the sampler it is diffusers that takes the steps
    assert ("self.timesteps" in made.text) == (sampler in SCHEDULERS)
