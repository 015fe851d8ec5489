"""The API in process: real line, store, log, outputs and guard; the engine is a puppet."""

from dataclasses import replace

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.jobs.fakes import Puppet
from tests.test_library import make_model
from webui.api import server
from webui.api.routes import ROUTES
from webui.backend import EngineState
from webui.downloads import Access, Downloads
from webui.embeddings import Embeddings
from webui.events import Picture
from webui.guard import Guard, Rules
from webui.inputs import Inputs
from webui.interfaces import (
    PreviewInfo,
    SamplerInfo,
    ScheduleInfo,
    ServerRegistry,
    UpscalerInfo,
)
from webui.interfaces.server_hooks import Owned
from webui.jobs import origins
from webui.jobs.line import JobLine
from webui.jobs.log import Log
from webui.jobs.store import Store
from webui.library import Library
from webui.loras import Loras
from webui.outputs import Outputs
from webui.prompt_blocks import SHIPPED
from webui.services import Services
from webui.settings import read
from webui.trajectories import Header, KeptStep, Spool, Trajectories
from webui.upscalers import Upscalers

REGISTRY = ServerRegistry(
    samplers={
        "DPM++ 2M": SamplerInfo(name="DPM++ 2M", aliases=("k_dpmpp_2m",), order=2),
        "Euler a": SamplerInfo(name="Euler a", aliases=("k_euler_a",), random=True),
    },
    schedules={name: ScheduleInfo(name=name) for name in ("Automatic", "Karras")},
    previews={
        "fast": PreviewInfo(name="fast", label="Fast"),
        "tiny": PreviewInfo(name="tiny", label="Tiny", by_tiny_decoder=True),
    },
    upscalers={
        "Latent": UpscalerInfo(name="Latent", kind="latent"),
        "Lanczos": UpscalerInfo(name="Lanczos", kind="interpolation"),
    },
    tabs=(),
    routes=ROUTES,
    prompt_blocks={each.kind: Owned("builtin", each) for each in SHIPPED},
)


class IdleBackend:
    """Says that it is ready; everything that runs goes through the puppet."""

    restarts = 0

    def state(self):
        return EngineState("ready", "CPU", "ready on CPU", 1, {})

    def restart(self):
        self.restarts += 1


@pytest.fixture
def puppet(tmp_path):
    return Puppet(tmp_path / "kept")


@pytest.fixture
def services(tmp_path, puppet):
    models = tmp_path / "models"
    make_model(models, "toy", sample_size=32)  # 256 px
    make_model(models, "broken", index={})
    folders = ["--data-dir", str(tmp_path / "data"), "--outputs", str(tmp_path / "out")]
    settings = read([*folders, "--models-dir", str(models), "--max-waiting", "3"], {})
    settings = replace(settings, max_pixels=512 * 512)
    library = Library(models)
    outputs = Outputs(settings.outputs, library, "0.1.0", tmp_path / "unsaved")

    def again(folder, look):
        """Made again from what was kept: of batch 0 alone."""
        return Picture(2, 1, b"abcdef") if look.batch == 0 else None

    puppet.again = again
    workshop = puppet.workshop(
        save=lambda job, rendered: outputs.save(rendered),
        save_grid=lambda job, pictures: outputs.save_grid(job.request, pictures),
        preview=lambda *asked: puppet.again(*asked),
        inputs=str(settings.inputs_dir),
    )
    store = Store(settings.data_dir / "jobs.sqlite")
    line = JobLine(store, Log(), workshop, max_waiting=settings.max_waiting)
    trajectories = Trajectories(settings.data_dir / "kept", 0)
    downloads = Downloads(models, settings.data_dir / "downloads", Access(), forbidden="not here")
    yield Services(
        settings,
        REGISTRY,
        library,
        line,
        IdleBackend(),
        trajectories,
        Embeddings(models),
        Loras(models),
        Upscalers(models),
        Inputs(settings.inputs_dir, 2**20, lambda: origins.pictures(store.database)),
        downloads,
        server_id="start-1",
        outputs=outputs,
    )
    line.close()
    store.close()


@pytest.fixture
def client(services):
    rules = Rules(uploads=services.settings.temp_dir, outputs=services.settings.outputs)
    guarded = Guard(server.create(services), rules)
    with TestClient(guarded, "http://localhost:7860", raise_server_exceptions=False) as client:
        yield client


CAT = {"prompt": "a cat", "seed": 5, "steps": 4, "sampler": "Euler a"}


@pytest.fixture
def kept(client, services):
    """A job of two pictures in one batch, with four steps kept."""
    body = {"request": CAT | {"images": 2, "batch_size": 2}, "id": "original", "owner": "tab"}
    job = client.post("/api/v1/jobs", json=body).json()
    keep(services, job)
    return job


def keep(services, job, count=4, batch=0, size=2, turn=0, turns=1):
    sigmas = (8.0, 4.0, 2.0, 1.0, 0.0)
    shape = (size, 4, 2, 2)
    header = Header(job["request"], batch, shape, sigmas, turn=turn, turns=turns)
    spool = Spool(services.trajectories.folder(job["id"]), header)
    for step in range(1, count + 1):
        latents = [np.full(shape, 1 + kind / step, np.float32) for kind in (0, 1)]
        spool.append(KeptStep(step, step, sigmas[step], 0.5, *latents, None, 4))
    spool.finish()
