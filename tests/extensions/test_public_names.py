"""Whoever writes a hook can import every type that he has to name, and finds it in the docs."""

import ast
import importlib
import re
import sys
import types
import typing
from pathlib import Path

import pytest
import torch

import webui
from tests.api.conftest import puppet, services  # noqa: F401
from webui import hookspecs
from webui.engine.samplers.dpmpp_2m import dpmpp_2m
from webui.engine.samplers.euler import euler
from webui.events import Step
from webui.extensions.discovery import SHIPPED
from webui.interfaces import Step as SamplerStep

ROOT = Path(webui.__file__).parents[1]
DOCS = (ROOT / "docs" / "extensions.md").read_text("utf-8")
SPECS = (hookspecs.ServerHooks, hookspecs.EngineHooks)
# what the library says of a file besides; nobody makes or names one
INSIDE = {"webui.library.entries.Report", "webui.upscalers.layouts.Layout"}
NOT_OURS = {"Mapping", "Sequence", "str"}


def hooks():
    for spec in SPECS:
        for name, function in vars(spec).items():
            if name.startswith("register_"):
                yield name, function


def hints(value):
    """With what its module imports for the type checker alone."""
    module = sys.modules[value.__module__]
    known = dict(vars(module))
    for node in ast.walk(ast.parse(Path(module.__file__).read_text("utf-8"))):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for each in node.body:
                for alias in each.names:
                    place = importlib.import_module(each.module)
                    found = getattr(place, alias.name, None)
                    known[alias.name] = found or importlib.import_module(
                        f"{each.module}.{alias.name}"
                    )
    return typing.get_type_hints(value, known)


def of_ours(hint):
    """Our own classes in an annotation."""
    for each in hint if isinstance(hint, list | tuple) else typing.get_args(hint):
        yield from of_ours(each)
    if isinstance(hint, type) and hint.__module__.split(".")[0] == "webui":
        yield hint


def parts(kind):
    """The annotations of its fields and of its methods."""
    yield from hints(kind).values()
    for name, each in vars(kind).items():
        function = each.fget if isinstance(each, property) else each
        if isinstance(function, types.FunctionType) and (name[0] != "_" or name == "__call__"):
            yield from hints(function).values()


def reached():
    """Every class that stands in a hook's table, in its fields, in theirs ... -> from where."""
    made = {}
    waiting = [(each, name) for name, hook in hooks() for each in of_ours(hints(hook)["return"])]
    while waiting:
        kind, where = waiting.pop()
        if kind not in made and f"{kind.__module__}.{kind.__name__}" not in INSIDE:
            made[kind] = where
            below = f"{where}, {kind.__name__}"
            waiting += [(each, below) for hint in parts(kind) for each in of_ours(hint)]
    return made


def test_every_type_that_a_hook_leads_to_can_be_imported():
    public = {id(getattr(webui, name)) for name in webui.__all__}
    found = reached()
    assert len(found) > 60
    missing = [f"{each.__name__} ({where})" for each, where in found.items()]
    assert [text for text, each in zip(missing, found, strict=True) if id(each) not in public] == []


def test_every_name_in_a_hooks_signature_is_public():
    tree = ast.parse(Path(hookspecs.__file__).read_text("utf-8"))
    named = {
        node.id
        for function in ast.walk(tree) if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function.returns) if isinstance(node, ast.Name)
    }  # fmt: skip
    assert named - NOT_OURS <= set(webui.__all__)


def test_two_steps_are_told_apart():
    assert (webui.SamplerStep, webui.StepMade) == (SamplerStep, Step)
    with pytest.raises(AttributeError, match="has no attribute 'Step'"):
        webui.Step  # noqa: B018


def section(heading, until):
    return DOCS[DOCS.index(heading) : DOCS.index(until)]


def test_the_docs_list_what_is_public_and_nothing_else():
    listed = section("## What can be imported", "### Services").partition("| --- |")[2]
    names = re.findall(r"`(\w+)[`(]", listed)
    assert sorted(names) == sorted(webui.__all__)


def test_what_the_docs_offer_of_the_services_is_there(services):  # noqa: F811
    for path in offered():
        found = services
        for name in path.split("."):
            found = getattr(found, name)


def offered():
    table = section("### Services", "## The test kit")
    return {path.removesuffix("()") for path in re.findall(r"`services\.([\w.]+)", table)}


def test_what_ships_uses_no_more_of_the_services_than_the_docs_offer():
    used = set()
    for path in SHIPPED.rglob("*.py"):
        used |= set(re.findall(r"\bservices\.((?:\w+\.)*\w+)\b", path.read_text("utf-8")))
    allowed = offered() | {"line", "line.order", "registry", "extensions"}
    assert len(used) > 5
    assert used - allowed == set()


def samplers_of_the_docs():
    text = section("### register_samplers", "### register_schedules")
    names = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        if "def " in block and "SamplerInfo" not in block:
            exec(compile("from webui import SamplerStep\n" + block, "docs", "exec"), names)
    return names


@pytest.mark.parametrize(
    ("name", "ours"), [("euler", euler), ("second_order", dpmpp_2m)], ids=["first", "second"]
)
def test_the_samplers_of_the_docs_are_those_that_they_say(name, ours):
    sample = samplers_of_the_docs()[name]
    sigmas = torch.cat([torch.linspace(14.6, 0.03, 9), torch.zeros(1)])
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)) * sigmas[0]

    def denoise(x, sigma):
        return x * 0.5 / (sigma**2 + 0.5) + 0.1

    theirs = list(ours(denoise, x, sigmas, None))
    made = list(sample(denoise, x, sigmas, None))
    assert len(made) == len(theirs) == 9
    for one, other in zip(made, theirs, strict=True):
        assert type(one) is SamplerStep
        assert torch.allclose(one.x, other.x, atol=1e-5)
        assert torch.allclose(one.denoised, other.denoised, atol=1e-5)
    again = list(sample(denoise, made[3].x, sigmas, None, made[:4]))
    assert all(torch.equal(one.x, other.x) for one, other in zip(again, made[4:], strict=True))
