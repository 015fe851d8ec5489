"""What hangs in an extension while somebody waits: it is left alone after its time, named, switched
off; nobody else is held, and everything goes on without it."""

import threading
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from fastapi import APIRouter

from tests.api.conftest import CAT, REGISTRY, puppet, services  # noqa: F401
from webui import (
    Axis,
    ControlGroup,
    FlagField,
    InvalidRequest,
    NumberField,
    PromptBlock,
    RequestFilter,
    TextField,
    axes_of,
)
from webui.api import own_routes
from webui.controls import DID_NOT_RUN, notes
from webui.extensions import Catalogue, Conduct, MishapError
from webui.interfaces.server_hooks import MetadataField, Owned
from webui.recipes import read
from webui.services import request_of
from webui.submitting import sheet_of, submit_all
from webui.ui import groups

LIMIT = 0.3  # seconds
LATE = f"took longer than {LIMIT:g} s"


class Hasty(Conduct):
    """Has no patience with what hangs, and much with the rest, however busy the machine is."""

    def __init__(self):
        super().__init__(patience=60.0)
        self.calls = Counter()
        self.hangs = ("", 1)  # hook, and which call of it

    def attempt_soon(self, owner, hook, call, passing=(), patience=None):
        self.calls[hook] += 1
        if (hook, self.calls[hook]) == self.hangs:
            patience = LIMIT
        return super().attempt_soon(owner, hook, call, passing, patience)


@pytest.fixture
def hang():
    """Hangs until the test is over."""
    over = threading.Event()
    yield lambda *given: over.wait(600)
    over.set()


@pytest.fixture
def slow(services, tmp_path):  # noqa: F811
    """Services with one extension whose functions are `made`'s attributes."""
    made = SimpleNamespace(
        apply=lambda request, context: [request], placed=lambda *of: None, sheet=lambda *of: None,
        read=lambda tags: {"row": 0.5}, of=lambda request: None, means=lambda text: None,
        menu=lambda *of: ["one"], route=lambda services: APIRouter(),
    )  # fmt: skip
    row = NumberField(
        name="row", label="Row", help=".", default=0.0, minimum=0.0, maximum=1.0, step=0.1
    )
    group = ControlGroup(
        name="slow", title="Slow", written=[row],
        fields=[FlagField(name="on", label="On", help="."),
                TextField(name="kind", label="Kind", help=".", default="one")],
        menus={"kind": lambda *of: made.menu(*of)},
    )  # fmt: skip
    asked = RequestFilter(
        needs="slow", apply=lambda *of: made.apply(*of), placed=lambda *of: made.placed(*of),
        sheet=lambda *of: made.sheet(*of),
    )  # fmt: skip
    block = PromptBlock(
        kind="slow", example="<slow:1>", help=".", needs="slow", writes=["row"],
        read=lambda tags: made.read(tags),
    )  # fmt: skip
    field = MetadataField(
        key="Slow", of=lambda request: made.of(request), means=lambda text: made.means(text)
    )
    axis = Axis(label="Slowly", help=".", example="1", put=lambda *of: made.put(*of))
    registry = replace(
        REGISTRY,
        controls={"slow": group},
        owners={"slow": "slow"},
        request_filters=(Owned("slow", asked),),
        prompt_blocks={**REGISTRY.prompt_blocks, "slow": Owned("slow", block)},
        metadata_fields={"Slow": Owned("slow", field)},
        own_routes=(Owned("slow", lambda services: made.route(services)),),
        axes={"Slowly": Owned("slow", axis)},
    )
    made.conduct = Hasty()
    catalogue = Catalogue(conduct=made.conduct, data_dir=tmp_path / "data")
    made.services = replace(services, registry=registry, extensions=catalogue)
    made.values = CAT | {"model": "toy", "extras": {"slow": {"on": True}}}
    return made


def is_blamed(made):
    hook, calls = made.conduct.hangs
    said = made.conduct.report()["slow"]
    assert said["off"] == f"switched off: its {hook} {LATE}"
    assert (said["mishap"]["hook"], said["mishap"]["text"]) == (hook, f"TimeoutError: {LATE}")
    assert "over.wait(600)" in said["mishap"]["trace"]  # where it hangs
    assert said["hooks"][hook]["calls"] == calls
    return True


def test_a_request_filter(slow, hang):
    slow.apply = hang
    slow.conduct.hangs = ("request filter", 1)
    (job,) = submit_all(slow.services, slow.values)
    assert job.request.extras[DID_NOT_RUN] == [
        f"Did not run: slow (request filter: TimeoutError: {LATE})"
    ]
    assert is_blamed(slow)


def test_who_is_told_of_its_jobs(slow, hang):
    slow.placed = hang
    slow.conduct.hangs = ("request filter", 2)
    (job,) = submit_all(slow.services, slow.values, id="job-0001")
    assert (job.id, slow.services.line.job("job-0001").request.prompt) == ("job-0001", "a cat")
    assert is_blamed(slow)


def test_a_tag(slow, hang):
    slow.read = hang
    slow.conduct.hangs = ("prompt block", 1)
    request = request_of(slow.services, slow.values | {"prompt": "<slow:1>", "extras": {}})
    assert request.extras == {
        DID_NOT_RUN: [f"Did not run: slow (prompt block: TimeoutError: {LATE})"]
    }
    assert is_blamed(slow)


def test_what_a_picture_says(slow, hang):
    slow.of = hang
    slow.conduct.hangs = ("metadata field", 1)
    request = request_of(slow.services, slow.values)
    assert notes(slow.services.registry, slow.conduct, request) == (
        f"Did not run: slow (metadata field: TimeoutError: {LATE})",
    )
    assert is_blamed(slow)


TEXT = "a cat\nSteps: 5, Sampler: Euler a, Seed: 3, Slow: much"


def test_what_a_text_means(slow, hang):
    slow.means = hang
    slow.conduct.hangs = ("metadata field", 1)
    recipe = read(slow.services.recipe_tables, TEXT)
    assert recipe.values["seed"] == 3
    (lost,) = [each for each in recipe.lost if each.name == "Slow"]
    assert (lost.value, lost.why) == ("much", f"slow failed: TimeoutError: {LATE}")
    assert is_blamed(slow)


@pytest.mark.parametrize(
    ("means", "said"),
    [
        (lambda text: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda text: [text], "TypeError: must give a mapping or None, gave list"),
    ],
    ids=["raises", "no mapping"],
)
def test_what_a_text_means_may_fail_too(slow, means, said):
    slow.means = means
    (lost,) = [each for each in read(slow.services.recipe_tables, TEXT).lost if each.name == "Slow"]
    assert lost.why == f"slow failed: {said}"
    assert slow.conduct.report()["slow"]["mishap"]["text"] == said


def test_a_menu(slow, hang):
    import gradio as gr

    slow.menu = hang
    slow.conduct.hangs = ("menu", 1)
    with gr.Blocks(analytics_enabled=False):
        parts = groups.build("txt2img", slow.services)
    assert [*parts] == ["extras.slow.on", "extras.slow.kind"]
    assert parts["extras.slow.kind"].choices == []
    assert is_blamed(slow)


def test_a_menu_without_end(slow):
    from itertools import count

    import gradio as gr

    slow.menu = lambda *of: count()
    with gr.Blocks(analytics_enabled=False):
        parts = groups.build("txt2img", slow.services)
    assert parts["extras.slow.kind"].choices[-1] == ("999", "999")


def test_the_sheet_of_several_jobs(slow, hang):
    slow.sheet = hang
    slow.conduct.hangs = ("request filter", 1)
    assert sheet_of(slow.services, "job-0001", slow.values) is None
    assert is_blamed(slow)


def test_what_makes_its_addresses(slow, hang):
    slow.route = hang
    slow.conduct.hangs = ("API routes", 1)
    taken = []
    own_routes.include(SimpleNamespace(include_router=taken.append), slow.services)
    assert taken == []
    assert is_blamed(slow)


def test_an_axis_of_a_plot(slow, hang):
    slow.put = hang
    slow.conduct.hangs = ("axis", 1)
    axis = axes_of(slow.services)["Slowly"]
    with pytest.raises(InvalidRequest, match=f"extension slow did not run: TimeoutError: {LATE}"):
        axis.put({}, "1", ["1"])
    assert is_blamed(slow)


@pytest.mark.parametrize("name", ["apply", "placed", "read"])
def test_nobody_else_is_held_meanwhile(slow, name):
    """While it has not come back yet, another request becomes a job."""
    inside, over = threading.Event(), threading.Event()
    was = getattr(slow, name)

    def waits(*given):
        inside.set()
        over.wait(60)
        return was(*given)

    setattr(slow, name, waits)
    patient = replace(slow.services.extensions, conduct=Conduct(patience=60.0))
    there = replace(slow.services, extensions=patient)
    made = []
    values = slow.values | {"prompt": "<slow:1>"}
    first = threading.Thread(target=lambda: made.extend(submit_all(there, values, id="job-0001")))
    first.start()
    assert inside.wait(60)
    (second,) = submit_all(there, slow.values | {"extras": {}}, id="job-0002")
    assert (second.id, made) == ("job-0002", [])
    over.set()
    first.join(60)
    assert [job.id for job in made] == ["job-0001"]


# --- the clock -----------------------------------------------------------------------------------


def test_who_waits_for_another_that_hangs_is_not_to_blame(hang):
    conduct = Conduct(patience=3.0)

    def asks_another():
        with pytest.raises(MishapError, match="took longer"):
            conduct.attempt_soon("inner", "tag", hang, patience=4.0)
        return "went on"

    assert conduct.attempt_soon("outer", "filter", asks_another) == "went on"
    assert conduct.off("outer") == ""
    assert conduct.off("inner") == "switched off: its tag took longer than 4 s"
    spent = {owner: said["hooks"] for owner, said in conduct.report().items()}
    assert spent["outer"]["filter"]["seconds"] < 4 <= spent["inner"]["tag"]["seconds"]


def test_what_is_switched_off_is_not_asked_again(hang):
    conduct, asked = Conduct(patience=LIMIT), []

    def late():
        asked.append(1)
        hang()

    for _ in range(3):
        with pytest.raises(MishapError, match=LATE):
            conduct.attempt_soon("one", "tag", late)
    assert asked == [1]


def test_what_comes_in_time_comes_as_it_is(hang):
    import queue

    conduct = Conduct()
    assert conduct.attempt_soon("one", "tag", lambda: 5) == 5
    assert conduct.attempt_soon("one", "tag", lambda: None) is None
    with pytest.raises(KeyError, match="mine"):
        conduct.attempt_soon("one", "tag", lambda: {}["mine"], (KeyError,))
    for error in (queue.Empty(), TimeoutError("its own"), SystemExit(3)):
        with pytest.raises(MishapError, match=type(error).__name__):
            conduct.attempt_soon(type(error).__name__, "tag", raising(error))
    assert all("off" not in said for said in conduct.report().values())


def raising(error):
    def call():
        raise error

    return call
