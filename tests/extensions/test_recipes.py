"""A recipe with extensions' values fills the form again, from our record and from the text."""

from dataclasses import replace

import pytest

from tests.extensions.test_prompts import FOUND
from tests.test_library import make_model
from tests.test_metadata_reader import tables
from webui.controls import notes
from webui.extensions import Conduct
from webui.extensions.loading import tables_of
from webui.interfaces.server_hooks import Owned
from webui.library import Library
from webui.metadata import parameters_text, record_text
from webui.recipes import Lost, read
from webui.request import GenerationRequest

PLAIN = {"again": 0.0, "brightness": 1.0, "contrast": 1.0, "colour": 1.0, "sharpness": 1.0}


@pytest.fixture
def shipped(tmp_path):
    """The tables that recipes are held against, with two extensions that ship."""
    make_model(tmp_path, "toy")
    made = tables(Library(tmp_path))
    controls, metadata = {}, {}
    for id in ("finish", "wildcards"):
        own = tables_of(FOUND[id].folder, FOUND[id].manifest, "server")
        controls |= dict(own["controls"])
        metadata |= {key: Owned(id, each) for key, each in own.get("metadata_fields", ())}
    registry = replace(made.registry, controls=controls, metadata_fields=metadata)
    return replace(made, registry=registry)


def extras(recipe, group):
    return {
        name.rpartition(".")[2]: value
        for name, value in recipe.values.items() if name.startswith(f"extras.{group}.")
    }  # fmt: skip


def request(**extras):
    return GenerationRequest(model="toy", prompt="a cat", seed=1, sampler="Euler", extras=extras)


def test_a_record_gives_back_every_value_and_the_rest_at_its_default(shipped):
    asked = request(finish=PLAIN | {"contrast": 1.25})
    recipe = read(shipped, None, record_text(asked, "", "0.1.0"))
    assert extras(recipe, "finish") == PLAIN | {"contrast": 1.25}
    assert extras(recipe, "wildcards") == {"on": False, "mode": "random", "most": 50}
    assert recipe.lost == ()


def test_a_text_gives_them_back_by_their_keys(shipped):
    template = {"on": True, "mode": "random", "most": 50, "template": "a {cat|cat}"}
    asked = request(finish=PLAIN | {"contrast": 1.25, "again": 0.1}, wildcards=template)
    said = notes(shipped.registry, Conduct(), asked)
    assert said == ("Finish second look: 0.1", "Finish contrast: 1.25", "Template: a {cat|cat}")
    recipe = read(shipped, parameters_text(asked, "", "0.1.0", said))
    assert extras(recipe, "finish") == PLAIN | {"contrast": 1.25, "again": 0.1}
    assert [each for each in recipe.lost if each.name != "Model hash"] == []


def test_what_cannot_be_is_lost_by_name(shipped):
    text = "a cat\nSteps: 20, Sampler: Euler, Seed: 1, Finish contrast: 9, Finish colour: much"
    recipe = read(shipped, text)
    assert extras(recipe, "finish") == PLAIN
    assert recipe.lost == (
        Lost("Finish contrast", "9", "must be from 0 to 2, got 9.0; try 2"),
        Lost("Finish colour", "much", "must be a number, got 'much'"),
    )
    gone = read(shipped, None, record_text(request(other={"x": 1}), "", "0.1.0"))
    assert gone.lost == (Lost("other", "{'x': 1}", "there is no such extension here"),)
