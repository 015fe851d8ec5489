"""What an extension's tables may hold: wrong types of attributes are named at the trial, where they
would have stopped the start, or every job, later."""

import re
from pathlib import Path

import pytest

from webui import ControlGroup, EventListener, FlagField, RequestFilter
from webui.errors import ExtensionError
from webui.events import Finished
from webui.extensions import answers

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
