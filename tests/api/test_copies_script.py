"""The script with diffusers: run as it is, it makes the picture that the engine makes."""

import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
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


@pytest.fixture(scope="module")
def loaded() -> StableDiffusionPipeline:
    folder = str(MODELS / "checkpoints" / "fluent-emoji")
    made = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    return made.to("cpu", torch.float32)


@pytest.fixture
def once(loaded: StableDiffusionPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts find the model loaded: that takes most of the time that they take."""
    scheduler = loaded.scheduler

    def give(folder: str, **options: object) -> StableDiffusionPipeline:
        assert folder == str(MODELS / "checkpoints" / "fluent-emoji")
        loaded.scheduler = scheduler
        return loaded

    monkeypatch.setattr(StableDiffusionPipeline, "from_pretrained", give)


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
    return pictures_in(folder)


def pictures_in(folder: Path) -> list[np.ndarray]:
    """In the order in which the script makes them."""
    files = sorted(folder.glob("picture-*.png"), key=lambda each: each.stat().st_mtime_ns)
    return [np.asarray(Image.open(each).convert("RGB")) for each in files]


def apart(one: list[np.ndarray], other: list[np.ndarray]) -> int:
    """The largest difference of any value of any picture, of 255."""
    assert len(one) == len(other) > 0
    return max(
        int(np.abs(a.astype(int) - b.astype(int)).max()) for a, b in zip(one, other, strict=True)
    )


def compare(services: object, engine: object, folder: Path, **values: object) -> copies.Asked:
    given = {name: each for name, each in BASE.items() if name not in ("steps", *values)}
    given |= values if "schedule_options" in values else {"steps": 4} | values
    asked = copies.asked(services, given)
    made = copies.script(services, asked)
    assert made.unsaid == ()
    assert apart(ran(made.text, folder), drawn(engine, asked.request)) <= 2
    return made


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_sampler_makes_the_engines_picture(services, engine, once, tmp_path, sampler):
    made = compare(services, engine, tmp_path, sampler=sampler)
    # where diffusers has the sampler it is diffusers that takes the steps
    assert ("self.timesteps" in made.text) == (sampler in SCHEDULERS)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("sampler", [*SCHEDULERS, "DDIM"])
def test_each_schedule_too(services, engine, once, tmp_path, sampler, schedule):
    compare(services, engine, tmp_path, sampler=sampler, schedule=schedule)


@pytest.mark.parametrize(
    "values",
    [
        {"images": 2, "batch_size": 2},
        {"guidance_scale": 1.0},
        {"guidance_scale": 1.0, "sampler": "LMS"},
        {"clip_skip": 2},
        {"width": 128, "height": 64, "negative_prompt": ""},
        {"rng": "nv"},
        {"seed": 2**32 - 1, "images": 2, "sampler": "Heun"},
        {"variation": {"seed": 3, "strength": 0.4}, "images": 2},
        {"seed_resize": [128, 64]},
        {"sampler": "Euler a", "sampling": {"eta": 0.5, "s_noise": 1.05}},
        {"sampler": "DPM++ 2M SDE", "sampling": {"solver_type": "heun"}, "rng": "nv"},
        {"sampler": "UniPC", "sampling": {"order": 2, "solver_type": "bh2"}},
        {"schedule_options": {"sigmas": [12.5, 6, 2.25, 0.5, 0.1, 0]}},
        {"sampler": "DPM2", "schedule_options": {"sigmas": [9, 3, 0]}},
        {"schedule": "Karras", "steps": 4, "schedule_options": {"rho": 5.0, "sigma_min": 0.1}},
        {"prompt": "a (red:1.4) fox, [snow]"},
        {"prompt": "a (red:1.4) fox", "sampler": "DDIM", "emphasis": "no norm", "clip_skip": 2},
        {"prompt": "a (red:1.4) fox", "emphasis": "ignore"},
        {"prompt": "a fox (1.2)", "emphasis": "none"},
        {"prompt": "snow, " * 60, "negative_prompt": "green"},
        {"prompt": "a fox BREAK snow", "sampler": "PLMS"},
        {"prompt": r"a \(red\) fox", "negative_prompt": ""},
    ],
)
def test_the_rest_of_a_request_too(services, engine, once, tmp_path, values):
    compare(services, engine, tmp_path, **values)


@pytest.mark.parametrize("sampler", ["DPM++ 2M", "DPM++ SDE"])
def test_the_script_runs_in_a_process_of_its_own(services, engine, tmp_path, sampler):
    asked = copies.asked(services, BASE | {"sampler": sampler})
    (tmp_path / "fox.py").write_text(copies.script(services, asked).text, "utf-8")
    command = [sys.executable, "-I", "fox.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert [each.name for each in tmp_path.glob("*.png")] == ["picture-11.png"]
    assert apart(pictures_in(tmp_path), drawn(engine, asked.request)) <= 2
