"""A1111's API in process: the real line, store, outputs and guard; the engine is a puppet."""

import base64
import io
import json
from dataclasses import replace

import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.api.conftest import REGISTRY, services  # noqa: F401
from tests.jobs.fakes import Puppet
from webui.api import sdapi, server
from webui.api.routes import ROUTES
from webui.events import Picture, Rendered
from webui.guard import Guard, Rules
from webui.interfaces import UpscalerInfo
from webui.sampler_table import SAMPLER_INFOS, SCHEDULE_INFOS

FULL = replace(
    REGISTRY,
    samplers={each.name: each for each in SAMPLER_INFOS},
    schedules={each.name: each for each in SCHEDULE_INFOS},
    upscalers={
        **REGISTRY.upscalers,
        "Latent (nearest)": UpscalerInfo(name="Latent (nearest)", kind="latent"),
        "Nearest": UpscalerInfo(name="Nearest", kind="interpolation"),
    },
    routes=(*ROUTES, sdapi.router),
)
SMALL = {"prompt": "a fox", "steps": 3, "width": 64, "height": 64, "seed": 7}


class Painter(Puppet):
    """Its pictures have the size that was asked for, in the colour of their seed."""

    def _render(self, asked, batch):
        first = batch * asked.batch_size
        for image, alone in enumerate(asked.batch(batch), first):
            varied = alone.variation.seed if alone.variation else alone.seed
            rgb = (varied % 2**24).to_bytes(3, "big") * (alone.width * alone.height)
            yield Rendered(image, Picture(alone.width, alone.height, rgb), alone, 0.5, 9)


class Engine:
    """Says that it is ready, and remembers what it was told."""

    def __init__(self, idle):
        self._idle = idle
        self.calls = []

    def __getattr__(self, name):
        return getattr(self._idle, name)

    def call(self, name, arguments, timeout=30):
        self.calls.append((name, arguments))


@pytest.fixture
def puppet(tmp_path):
    return Painter(tmp_path / "kept")


@pytest.fixture
def whole(services):  # noqa: F811
    return replace(services, registry=FULL, backend=Engine(services.backend))


@pytest.fixture
def client(whole):
    rules = Rules(uploads=whole.settings.temp_dir, outputs=whole.settings.outputs)
    guarded = Guard(server.create(whole), rules)
    with TestClient(guarded, "http://localhost:7860", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def running(puppet):
    """Jobs run to their end by themselves."""
    puppet.order(*["finish"] * 2000)
    return puppet


class Api:
    """Posts and gets, and says what the job was."""

    def __init__(self, client, whole):
        self.client, self.services = client, whole
        self.calls = []  # threads that wait

    def post(self, path, body=None, **others):
        return self.client.post(f"/sdapi/v1/{path}", json=body, **others)

    def get(self, path, **others):
        return self.client.get(f"/sdapi/v1/{path}", **others)

    def txt2img(self, **body):
        return self.post("txt2img", SMALL | body)

    def img2img(self, **body):
        return self.post("img2img", SMALL | {"init_images": [coded()]} | body)

    def request(self, answer):
        """Of the job that a call became."""
        assert answer.status_code == 200, answer.text
        return self.services.line.job(answer.json()["job"]).request

    def refusal(self, answer):
        """The sentence, of an error in A1111's form."""
        assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
        error = answer.json()
        assert set(error) == {"error", "detail", "body", "errors"}
        assert error["detail"] == error["errors"] and error["body"] == ""
        return error["detail"]


@pytest.fixture
def api(client, whole, running):
    return Api(client, whole)


@pytest.fixture
def slow(client, whole, puppet):
    """With an engine that waits for orders."""
    api = Api(client, whole)
    yield api
    puppet.order(*["finish"] * 50)  # calls of a test that failed still wait
    for call in api.calls:
        call.join(20)


def picture(size=(64, 64), mode="RGB", colour=(200, 30, 30)):
    return Image.new(mode, size, colour)


def coded(image=None, prefix="", **options):
    buffer = io.BytesIO()
    (image or picture()).save(buffer, "PNG", **options)
    return prefix + base64.b64encode(buffer.getvalue()).decode()


def opened(text):
    return Image.open(io.BytesIO(base64.b64decode(text)))


def info(answer):
    assert answer.status_code == 200, answer.text
    text = answer.json()["info"]
    assert isinstance(text, str)
    return json.loads(text)
