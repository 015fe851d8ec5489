"""What an extension's tables may hold: wrong types of attributes are named at the trial, where they
would have stopped the start, or every job, later."""

import re
from pathlib import Path

import pytest

from tests.extensions.made import GOOD, make
from webui import Axis, ControlGroup, EventListener, FlagField, MetadataField, RequestFilter
from webui.errors import ExtensionError
from webui.events import Finished
from webui.extensions import Trials, answers, find, together
from webui.fields import AXES
from webui.metadata import images, keys
from webui.recipes import loras, of_text
from webui.testing import Extension

EXTENSIONS = Path(__file__).parents[2] / "extensions"


def same(request, context):
    return [request]


def group(**changes):
    field = {"name": "on", "label": "Ink", "help": "Blots.", **changes}
    return ControlGroup(name="ink", title="Ink", fields=[FlagField(**field)])


@pytest.mark.parametrize(
    ("hook", "entry", "said"),
    [
        ("request_filters", RequestFilter(needs="ink", apply=same, order="first"),
         "order must be a whole number; lower ones come first"),
        ("request_filters", RequestFilter(needs="ink", apply=same, placed=7),
         "placed must be a function, or left out"),
        ("event_listeners", EventListener(hear=print, kinds=[Finished]),
         "kinds must be a tuple of events' classes, such as (Finished,)"),
        ("event_listeners", EventListener(hear=print, kinds=("Finished",)),
         "kinds must be a tuple of events' classes, such as (Finished,)"),
        ("controls", ControlGroup(name="ink", title=7, fields=group().fields),
         "title must be text, got int"),
        ("controls", group(label=7), "label must be text, got int"),
        ("controls", group(help=None), "help must be text, got NoneType"),
    ],
)  # fmt: skip
def test_an_attribute_of_a_wrong_type_is_named(tmp_path, hook, entry, said):
    with pytest.raises(ExtensionError, match=re.escape(said) + "$"):
        answers.check_own(hook, answers.entries(hook, [entry], engine=False), "ink", tmp_path)


def test_what_is_right_is_taken(tmp_path):
    for hook, entry in (
        ("request_filters", RequestFilter(needs="ink", apply=same, order=-1)),
        ("event_listeners", EventListener(hear=print, kinds=(Finished,))),
        ("controls", group()),
    ):
        made = answers.entries(hook, [entry], engine=False)
        answers.check_own(hook, made, "ink", tmp_path)
        assert [value for _, value in made] == [entry]


def test_every_extension_that_ships_has_a_line_in_the_list():
    listed = set(re.findall(r"^\| `(\w+)` \|", (EXTENSIONS / "README.md").read_text("utf-8"), re.M))
    assert listed == {each.parent.name for each in EXTENSIONS.glob("*/extension.toml")}


# --- keys of a picture's text ---------------------------------------------------------------------

OURS = sorted(
    {key for sampler in ("Euler", "DDIM", "UniPC") for key in keys.fields(sampler)}
    | {*keys.SIZES, *images.SIZES, *images.SAME, images.INIT_HASH, *keys.OTHER_NAMES, loras.KEY}
    | {key for key, _ in images.FLAGS.values()}
    | {each.metadata for each in images.DECLARED.values() if each.metadata}
    | set(of_text._KNOWN)
    | {"Negative prompt", "Model hash", "Version", "Did not run", "Stopped at step", "Branch"}
    | {"VAE decoder", "VAE encoder", "Postprocess anything", "steps", "SEED"}
)


def test_a_key_of_our_own_is_nobodys(tmp_path):
    free = []
    for key in OURS:
        field = MetadataField(key=key, of=lambda request: "1")
        made = [("metadata_fields", key, field), ("controls", "ink", group(metadata=key))]
        for hook, name, entry in made:
            try:
                answers.check_own(hook, [(name, entry)], "ink", tmp_path)
            except ExtensionError as error:
                assert "is a key that Darkroom writes or reads itself" in str(error)
            else:
                free.append((hook, key))
    assert free == []


def test_a_key_that_is_refused_comes_with_one_that_can_be(tmp_path):
    steps = [("Steps", MetadataField(key="Steps", of=lambda request: "1"))]
    with pytest.raises(ExtensionError, match="reads itself; try 'Wet ink steps'$"):
        answers.check_own("metadata_fields", steps, "wet_ink", tmp_path)
    again = [("", MetadataField(key="Wet ink steps", of=lambda request: "1"))]
    answers.check_own("metadata_fields", again, "wet_ink", tmp_path)


# --- needs ----------------------------------------------------------------------------------------


def test_what_needs_a_group_that_is_not_there_is_refused_with_the_nearest_names():
    groups = [(name, ControlGroup(name=name, title="", fields=[])) for name in ("ink", "ink_wash")]
    tables = {
        "controls": groups,
        "request_filters": [("", RequestFilter(needs="ink_wahs", apply=same))],
    }
    said = (
        "register_request_filters: needs 'ink_wahs', which none of its control groups is called; "
        "nearest: 'ink_wash', 'ink'"
    )
    with pytest.raises(ExtensionError, match=f"^{re.escape(said)}$"):
        together.check(tables)
    with pytest.raises(ExtensionError, match="needs the control group 'ink_wahs', but the exten"):
        together.check({"request_filters": tables["request_filters"]})
    together.check(
        tables | {"request_filters": [("", RequestFilter(needs="ink_wash", apply=same))]}
    )


ENGINE = """
from webui import ImageOperation, hookimpl

@hookimpl
def register_image_operations():
    return [ImageOperation(needs="{needs}", apply=lambda picture, view: picture)]
"""


@pytest.mark.parametrize(
    ("server", "needs", "said"),
    [
        (GOOD, "ink", ""),
        (GOOD, "ink_2", "register_image_operations: needs 'ink_2', which none of its control"),
        (None, "ink", "register_image_operations: needs the control group 'ink', but the exten"),
        ("1 / 0", "ink_2", ""),  # which the server says
    ],
    ids=["right", "misspelt", "no other half", "a broken other half"],
)
def test_the_engines_half_is_held_against_the_servers(tmp_path, server, needs, said):
    files = {} if server is None else {"server": server.replace("{id}", "ink")}
    folder = make(
        tmp_path, "ink", ENGINE.replace("{needs}", needs), part="engine",
        touches=("controls", "image_operations"),
        manifest="" if server is None else 'server = "server"', **files,
    )  # fmt: skip
    (found,) = find(tmp_path, tmp_path / "none")
    verdict = Trials("engine").of([found])["ink"]
    assert verdict.text.startswith(said) and bool(verdict.text) == bool(said), verdict
    if said:
        with pytest.raises(ExtensionError, match=re.escape(said)):
            Extension(folder, tmp_path / "place").tables("engine")


def test_an_axis_that_a_field_is_already_is_refused(tmp_path):
    for label in (*AXES.values(), "cfg scale"):
        axis = Axis(label=label, help=".", example="1", put=print)
        with pytest.raises(ExtensionError, match=f"^{re.escape(repr(label))} is the axis of a fie"):
            answers.check_own("axes", [(label, axis)], "ink", tmp_path)
    axis = Axis(label="Ink", help=".", example="1", put=print)
    answers.check_own("axes", [("Ink", axis)], "ink", tmp_path)
    assert len(set(AXES.values())) == len(AXES)
