"""Tags of extensions in a prompt: what they come to, what is said of them, what fails."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import CAT, REGISTRY
from tests.prompt.conftest import SHIPPED as SHIPPED_TOKENIZER
from webui import ControlGroup, FlagField, InvalidRequest, NumberField, PromptBlock, RequestFilter
from webui.api import server
from webui.controls import DID_NOT_RUN, notes
from webui.errors import ExtensionError
from webui.extensions import Catalogue, Conduct, together
from webui.extensions.answers import check_own
from webui.guard import Guard, Rules
from webui.interfaces.server_hooks import Owned
from webui.services import changed, request_of
from webui.submitting import submit_all

ROW = NumberField(
    name="by_tag", label="By tag", help=".", default=0.0, minimum=0.0, maximum=1.0, step=0.1
)
GROUP = ControlGroup(
    name="soft",
    title="Soft",
    fields=(FlagField(name="on", label="On", help=".", metadata="Soft"),),
    written=(ROW,),
)


def last(tags):
    try:
        value = float(tags[-1].arguments[0])
    except (ValueError, IndexError):
        raise InvalidRequest("prompt", "<soft:...> must have a number") from None
    return {"by_tag": value}


@pytest.fixture
def extended(services):
    made = SimpleNamespace(read=last)
    block = PromptBlock(
        kind="soft", example="<soft:0.5>", help=".", needs="soft", writes=("by_tag",),
        read=lambda tags: made.read(tags),
    )  # fmt: skip
    registry = replace(
        REGISTRY,
        controls={"soft": GROUP},
        prompt_blocks={**REGISTRY.prompt_blocks, "soft": Owned("soft", block)},
    )
    made.services = replace(services, registry=registry, extensions=Catalogue(conduct=Conduct()))
    made.of = lambda prompt, **more: request_of(
        made.services, {**CAT, "model": "toy", "prompt": prompt, **more}
    )
    return made


@pytest.mark.parametrize(
    ("prompt", "extras"),
    [
        ("a cat", {}),
        ("a <soft:0.5> cat", {"soft": {"on": False, "by_tag": 0.5}}),
        ("<soft:0.5> <soft:0.25>", {"soft": {"on": False, "by_tag": 0.25}}),
        ("<soft:0>", {}),  # a default is nothing
        ("<Soft:0.5>", {}),  # capitals matter
        ("a cat # <soft:0.5>", {}),
        ("<soft:0.5", {}),
    ],
)
def test_a_tag_sets_what_its_group_says(extended, prompt, extras):
    request = extended.of(prompt)
    assert request.extras == extras
    assert request.prompt == prompt  # as it was written: so it stands in the recipe


def test_the_controls_of_the_group_stay_what_was_asked(extended):
    request = extended.of("<soft:0.5>", extras={"soft": {"on": True}})
    assert request.extras == {"soft": {"on": True, "by_tag": 0.5}}
    assert notes(extended.services.registry, Conduct(), request) == ("Soft: True",)


def test_a_tag_that_is_gone_has_left_nothing(extended):
    request = extended.of("<soft:0.5> cat", extras={"soft": {"on": True}})
    again = changed(extended.services, request, {"prompt": "cat"})
    assert again.extras == {"soft": {"on": True, "by_tag": 0.0}}
    assert extended.of("cat", extras={"soft": {"by_tag": 0.7}}).extras == {}


def test_a_tag_in_the_negative_prompt_is_words(extended):
    assert extended.of("cat", negative_prompt="<soft:0.5>").extras == {}


def test_a_tag_that_cannot_be_is_refused_for_the_prompt(extended):
    with pytest.raises(InvalidRequest, match="must have a number") as caught:
        extended.of("<soft:much>")
    assert caught.value.field == "prompt"


def raising(tags):
    raise ZeroDivisionError("in read")


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (raising, "ZeroDivisionError: in read"),
        (lambda tags: None, "TypeError: must return a mapping, returned NoneType"),
        (lambda tags: {"on": True}, "ValueError: returned 'on', which is none of by_tag"),
        (
            lambda tags: {"by_tag": 2.0},
            "ValueError: returned a value that cannot be: by_tag: must be from 0 to 1, got 2.0; "
            "try 1",
        ),
    ],
    ids=["raises", "none", "alien", "range"],
)
def test_a_block_that_fails_is_named_and_the_request_is_the_one_without_it(extended, read, said):
    extended.read = read
    request = extended.of("<soft:0.5> cat")
    note = f"Did not run: soft (prompt block: {said})"
    assert request.extras == {DID_NOT_RUN: [note]}
    assert notes(extended.services.registry, Conduct(), request) == (note,)


def test_what_a_filter_writes_into_a_prompt_counts_and_a_failure_is_said_once(extended):
    def tagged(request, context):
        return [replace(request, prompt=f"{request.prompt} <soft:0.{n}>") for n in (1, 2)]

    services = extended.services
    registry = replace(
        services.registry,
        request_filters=(Owned("soft", RequestFilter(needs="soft", apply=tagged)),),
    )
    services = replace(services, registry=registry)
    values = {**CAT, "model": "toy", "extras": {"soft": {"on": True}}}
    jobs = submit_all(services, values)
    assert [job.request.extras["soft"]["by_tag"] for job in jobs] == [0.1, 0.2]
    extended.read = raising
    for job in submit_all(services, {**values, "prompt": "<soft:0.5>"}):
        assert len(job.request.extras[DID_NOT_RUN]) == 1


def test_the_microscope_knows_the_kind_and_counts_no_token_of_it(extended):
    folder = extended.services.settings.models_dir / "checkpoints" / "toy" / "tokenizer"
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(SHIPPED_TOKENIZER / name, folder)
    rules = Rules(
        uploads=extended.services.settings.temp_dir, outputs=extended.services.settings.outputs
    )
    client = TestClient(Guard(server.create(extended.services), rules), "http://localhost:7860")

    def seen(prompt):
        return client.post("/api/v1/prompts/look", json={"prompt": prompt}).json()["prompt"]

    with client:
        plain, tagged, alien = seen("a cat"), seen("a cat<soft:0.5>"), seen("a cat<hard:0.5>")
    assert tagged["counter"] == plain["counter"] == alien["counter"]
    assert tagged["notes"] == []
    assert [note["text"] for note in alien["notes"]] == [
        "Nothing knows what <hard:...> is, so it does nothing; known are lora, lyco, hypernet, "
        "mix, soft."
    ]
    assert [tag["kind"] for tag in tagged["tags"]] == ["soft"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "Soft!"}, "'Soft!' is no kind such as 'variety'"),
        ({"read": None}, "must have read, and name what it writes"),
        ({"writes": ()}, "must have read, and name what it writes"),
        ({"needs": "other"}, "needs must be a control group of its own, got 'other'"),
        ({"writes": ("on",)}, "writes 'on', which is none of the fields"),
    ],
)
def test_a_block_that_cannot_be_is_refused_at_the_start(tmp_path, changes, said):
    given = {"kind": "soft", "example": "", "help": "", "needs": "soft", "writes": ("by_tag",)}
    block = PromptBlock(**{**given, "read": last, **changes})
    tables = {"controls": [("soft", GROUP)], "prompt_blocks": [(block.kind, block)]}
    with pytest.raises(ExtensionError, match=said.replace("(", r"\(")):
        check_own("prompt_blocks", tables["prompt_blocks"], "soft", tmp_path)
        together.check(tables)
