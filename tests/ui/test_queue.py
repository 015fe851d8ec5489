"""What becomes of a waiting job when the form is saved into it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.ui.test_recipe import USED
from webui.errors import InvalidRequest
from webui.request import GenerationRequest, Variation
from webui.ui import queue

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Gradio's event loops

OLD = GenerationRequest(
    model="small", prompt="old", seed=5, width=128, height=128, images=3, batch_size=1,
    clip_skip=2, variation=Variation(seed=9, strength=0.25),
)  # fmt: skip


class Waiting:
    """A line in which one job waits."""

    def __init__(self) -> None:
        self.request = OLD
        self.order = self

    def job(self, id: str) -> Any:
        assert id == "job-0001"
        return SimpleNamespace(id=id, request=self.request)

    def edit(self, id: str, request: GenerationRequest, instead_of: GenerationRequest) -> bool:
        assert instead_of == self.request
        self.request = request
        return True


@pytest.fixture
def line(services: Any) -> Waiting:
    return Waiting()


def put(services: Any, line: Waiting, values: dict[str, Any]) -> GenerationRequest:
    seen = SimpleNamespace(**{**vars(services), "line": line})
    queue.saved(seen, "job-0001", list(values), values)
    return line.request


def test_all_that_stands_in_the_form_is_put_into_the_job(services: Any, line: Waiting) -> None:
    off = {name: "" for name in USED if name.startswith(("sampling", "schedule_", "seed_resize"))}
    values = USED | off | {"prompt": "new", "variation.strength": 0, "seed": 77, "steps": 3}
    made = put(services, line, values | {"sampler": "Euler", "width": 64, "height": 64})
    assert (made.prompt, made.seed, made.steps, made.model) == ("new", 77, 3, "wide")
    assert (made.images, made.batch_size) == (8, 2)  # 4 batches of 2
    assert made.variation is None  # it was switched off


def test_what_the_form_has_not_stays_in_the_job(services: Any, line: Waiting) -> None:
    made = put(services, line, {"prompt": "new", "batch_count": 2, "batch_size": 1})
    assert made == replace(OLD, prompt="new", images=2)


def test_a_form_that_is_refused_leaves_the_job_alone(services: Any, line: Waiting) -> None:
    with pytest.raises(InvalidRequest) as raised:
        put(services, line, {"prompt": "new", "width": 65})
    assert raised.value.field == "width"
    assert line.request == OLD
