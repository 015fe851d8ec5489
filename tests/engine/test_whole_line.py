"""The line, its routes and a real engine process over tiny models: branches, films, cancels."""

import io
import os
import signal

import av
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.jobs.fakes import eventually
from webui import app, settings
from webui.api import server
from webui.api.routes import ROUTES
from webui.downloads import Access, Downloads
from webui.embeddings import Embeddings
from webui.inputs import Inputs
from webui.interfaces import PreviewInfo, ServerRegistry
from webui.jobs.line import JobLine
from webui.jobs.log import Log
from webui.jobs.store import Store
from webui.library import Library
from webui.loras import Loras
from webui.outputs import Outputs
from webui.sampler_table import SAMPLER_INFOS, SCHEDULE_INFOS
from webui.services import Services
from webui.trajectories import Trajectories
from webui.upscalers import Upscalers

REGISTRY = ServerRegistry(
    samplers={each.name: each for each in SAMPLER_INFOS},
    schedules={each.name: each for each in SCHEDULE_INFOS},
    previews={name: PreviewInfo(name=name, label=name) for name in ("fast", "vae")},
    upscalers={},
    tabs=(),
    routes=ROUTES,
)
ASKED = {
    "model": "tiny", "prompt": "a red apple", "negative_prompt": "blue", "seed": 11, "steps": 8,
    "width": 64, "height": 64, "guidance_scale": 5.0,
}  # fmt: skip


class Whole:
    """Everything but page and guard, over a folder."""

    def __init__(self, folder, models):
        places = ["--data-dir", f"{folder}/data", "--outputs", f"{folder}/out"]
        given = ["--models-dir", str(models), "--device", "cpu", "--threads", "1"]
        wanted = settings.read([*places, *given], {})
        self.outputs = wanted.outputs
        library = Library(models)
        saved = Outputs(wanted.outputs, library, "0.1.0", folder / "unsaved")
        kept = Trajectories(wanted.data_dir / "trajectories", 10**9)
        self.engine = app.engine_process(wanted)
        self.store = Store(wanted.data_dir / "jobs.sqlite")
        workshop = app._workshop(self.engine, saved, kept, wanted.inputs_dir)
        self.line = JobLine(self.store, Log(), workshop)
        files = Embeddings(models), Loras(models), Upscalers(models)
        away = Downloads(models, folder / "downloads", Access(), forbidden="not here")
        files = *files, Inputs(wanted.inputs_dir, 10**9), away
        parts = (wanted, REGISTRY, library, self.line, self.engine, kept, *files)
        self.client = TestClient(server.create(Services(*parts)), "http://localhost:7860")

    def ask(self, path, **body):
        answer = self.client.post(f"/api/v1/{path}", json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def get(self, path, **query):
        answer = self.client.get(f"/api/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer

    def job(self, id):
        return self.get(f"jobs/{id}").json()

    def ended(self, id):
        eventually(lambda: self.job(id)["finished"] is not None, 60)
        return self.job(id)

    def made(self, **changes):
        """An ended job, and its pictures' pixels without the grid's."""
        return self.pictures(self.ask("jobs", request=ASKED | changes)["id"])

    def branch(self, job, step, image=0, **changes):
        asked = {"image": image, "step": step, "changes": changes}
        return self.pictures(self.ask(f"jobs/{job['id']}/branch", **asked)["id"])

    def pictures(self, id):
        job = self.ended(id)
        paths = [each["path"] for each in job["pictures"] if each["image"] >= 0]
        return job, [np.asarray(Image.open(self.outputs / path)).astype(int) for path in paths]

    def steps(self, id):
        events = self.get("live", job=id).json()["events"]
        return [(each["batch"], each["step"]) for each in events if each["type"] == "Step"]

    def close(self):
        self.line.close()
        self.engine.close()
        self.store.close()


@pytest.fixture(scope="module")
def whole(models_dir, tmp_path_factory):
    whole = Whole(tmp_path_factory.mktemp("whole"), models_dir)
    yield whole
    whole.close()


def same(one, other):
    return len(one) == len(other) and all(map(np.array_equal, one, other))


@pytest.mark.parametrize(
    "sampler", ["DPM++ 2M", "Euler a", "DPM++ 3M SDE", "UniPC", "PLMS", "DPM adaptive", "Restart"]
)
def test_a_branch_with_nothing_changed_is_the_picture_to_the_bit(whole, sampler):
    origin, pictures = whole.made(sampler=sampler)
    kept = whole.get(f"jobs/{origin['id']}/trajectory").json()
    assert kept["alone"] and kept["whole"]
    for step in (1, len(kept["steps"]) - 1):
        branch, again = whole.branch(origin, step)
        assert (branch["state"], branch["pictures"][0]["seed"]) == ("done", 11)
        assert same(again, pictures)
    _, other = whole.branch(origin, 1, prompt="a green frog")
    assert not same(other, pictures)


def test_a_branch_of_a_batchs_picture_says_that_it_is_one_and_differs_by_rounding(whole):
    origin, pictures = whole.made(sampler="Euler a", images=3, batch_size=2)
    for image, alone in ((0, False), (1, False), (2, True)):
        kept = whole.get(f"jobs/{origin['id']}/trajectory", image=image).json()
        assert kept["alone"] is alone
        branch, [again] = whole.branch(origin, 3, image)
        assert branch["request"]["seed"] == 11 + image
        assert np.abs(again - pictures[image]).max() <= (0 if alone else 2)


def test_options_of_another_sampler_or_schedule_are_its_defaults(whole):
    options = {"sampling": {"eta": 0.5}, "schedule": "Karras", "schedule_options": {"rho": 5.0}}
    origin, _ = whole.made(sampler="Euler a", **options)

    def asked(**changes):
        body = {"image": 0, "step": 2, "changes": changes}
        values = whole.ask(f"jobs/{origin['id']}/branch", **body)["request"]
        return values["sampling"]["eta"], values["schedule_options"]["rho"]

    assert asked() == asked(sampler="Euler a") == (0.5, 5.0)
    assert asked(sampler="DPM++ 2M") == (None, 5.0)
    assert asked(schedule="Exponential") == (0.5, None)


def test_a_branch_whose_engine_is_killed_and_one_after_a_restart_are_the_same_too(
    models_dir, tmp_path
):
    first = Whole(tmp_path, models_dir)
    origin, pictures = first.made(sampler="DPM++ 2M SDE", steps=120)
    branch = first.ask(f"jobs/{origin['id']}/branch", image=0, step=20)["id"]
    eventually(lambda: (0, 40) in first.steps(branch), 60)
    os.kill(first.engine.state().pid, signal.SIGKILL)
    ended, again = first.pictures(branch)
    assert (ended["state"], ended["attempts"], ended["crashes"]) == ("done", 2, 1)
    assert same(again, pictures)
    first.close()
    second = Whole(tmp_path, models_dir)
    _, again = second.branch(origin, 60)
    second.close()
    assert same(again, pictures)


# --- films ----------------------------------------------------------------------------------------


def frames_of(data, kind):
    """Each frame, RGB, and for how many milliseconds it is shown."""
    if kind == "mp4":
        with av.open(io.BytesIO(data)) as film:
            stream = film.streams.video[0]
            each = float(1000 / stream.average_rate)
            return [(np.asarray(frame.to_image()), each) for frame in film.decode(stream)]
    image, found = Image.open(io.BytesIO(data)), []
    for number in range(image.n_frames):
        image.seek(number)
        image.load()
        found.append((np.asarray(image.convert("RGB")), image.info["duration"]))
    return found


def shown_at(found, moment):
    """The frame that is seen so many milliseconds after the start."""
    for frame, shown in found:
        moment -= shown
        if moment < 0:
            return frame
    raise AssertionError("the film is over")


def grey(pixels):
    """Of a small model's noise a film keeps the light, and half of the colour."""
    return np.asarray(Image.fromarray(pixels).convert("L")).astype(int)


@pytest.mark.parametrize("kind", ["mp4", "gif", "webp"])
def test_a_film_of_a_real_run_shows_every_step_as_its_frame(whole, kind):
    job, _ = whole.made(sampler="Euler a", steps=9)
    id = job["id"]
    asked = {"format": kind, "view": "both", "method": "vae", "size": 64, "rate": 4}
    found = frames_of(whole.get(f"jobs/{id}/export", **asked).content, kind)
    if kind != "webp":  # which shows a frame for longer instead of one that is nearly the same
        assert len(found) == 9
    assert sum(shown for _, shown in found) == (9 * 250 if kind == "mp4" else 8 * 250 + 1500)
    seen = [grey(shown_at(found, 250 * step + 125)) for step in range(9)]
    stills = []
    for step in range(1, 10):
        drawn = []
        for view in ("noisy", "predicted"):
            path = f"jobs/{id}/frames/0/{step}/{view}"
            still = whole.get(path, method="vae", position=0).content
            drawn.append(np.asarray(Image.open(io.BytesIO(still)).convert("RGB")))
        stills.append(grey(np.concatenate(drawn, axis=1)))
    for number, frame in enumerate(seen):
        assert frame.shape == (64, 128)
        apart = [np.abs(frame - still).mean() for still in stills]
        assert apart[number] < min(apart) + 0.5 and apart[number] < 5


def test_a_film_of_guidance_and_a_sheet_of_a_real_run(whole):
    whole.client.put("/api/v1/previews", json={"guidance": True})
    job, pictures = whole.made(steps=5)
    whole.client.put("/api/v1/previews", json={"guidance": False})
    plain, others = whole.made(steps=5)
    assert same(pictures, others)
    for id, guided in ((job["id"], True), (plain["id"], False)):
        kept = whole.get(f"jobs/{id}/trajectory").json()
        assert [step["guided"] for step in kept["steps"]] == [guided] * 5
    film = whole.get(f"jobs/{job['id']}/export", format="gif", view="guidance", size=64)
    found = frames_of(film.content, "gif")
    assert [frame.shape for frame, _ in found] == [(64, 192, 3)] * 5
    refused = whole.client.get(f"/api/v1/jobs/{plain['id']}/export?format=gif&view=guidance")
    assert refused.status_code == 409
    sheet = Image.open(io.BytesIO(whole.get(f"jobs/{job['id']}/export", format="sheet").content))
    assert (sheet.format, sheet.size) == ("JPEG", (2 * 174 + 4, 3 * 190 + 4))


# --- cancelling -----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["cancel", "stop", "skip"])
@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M SDE", "Heun"])
def test_after_every_kind_of_cancel_the_next_picture_is_the_same_to_the_bit(whole, verb, sampler):
    _, before = whole.made(sampler=sampler)
    # two texts, longer than a window, that change on the way: much to leave behind
    text = "a [blue:yellow:0.4] (pear:1.4) AND a frog " + "of glass " * 80
    asked = ASKED | {"prompt": text, "sampler": sampler, "steps": 150, "images": 2, "seed": 5}
    job = whole.ask("jobs", request=asked)["id"]
    eventually(lambda: whole.steps(job), 60)
    whole.ask(f"jobs/{job}/{verb}")
    known = len(whole.steps(job))
    eventually(lambda: (1, 1) in whole.steps(job) or whole.job(job)["finished"] is not None, 60)
    first = [step for batch, step in whole.steps(job) if batch == 0]
    # at once, as far as a busy machine can tell: of 150
    assert first == list(range(1, len(first) + 1)) and len(first) <= known + 50
    if verb == "skip":
        assert whole.job(job)["skipped"] == [0]
        whole.ask(f"jobs/{job}/cancel")
    ended = whole.ended(job)
    assert ended["state"] == ("stopped" if verb == "stop" else "cancelled")
    assert len(ended["pictures"]) == (1 if verb == "stop" else 0)
    _, after = whole.made(sampler=sampler)
    assert same(after, before)
