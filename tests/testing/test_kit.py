"""The test kit for authors: an extension's folder run in process, and looked at as at the start."""

import pytest
import torch
from PIL import Image

from tests.extensions.made import make
from webui import InitImage, InvalidRequest
from webui.events import Finished, Queued
from webui.testing import Extension, check

SERVER = """
import threading
from dataclasses import replace
from fastapi import APIRouter
from webui import (ControlGroup, EventListener, FilterContext, FlagField, MetadataField,
                   NumberField, RequestFilter, hookimpl)

HEARD = []

@hookimpl
def register_controls():
    return [ControlGroup(name="all_of_it", title="All", fields=[
        FlagField(name="twice", label="Twice", help="."),
        FlagField(name="broken", label="Broken", help="."),
        NumberField(name="scale", label="Scale", help=".", default=1.0, minimum=0.0, maximum=2.0,
                    step=0.1, metadata="All scale"),
    ])]

def twice(request, context):
    if not context.values["twice"]:
        return [request]
    word = (context.folder / "word").read_text() if context.folder.exists() else "no file"
    return [replace(request, prompt=f"{request.prompt}, {word} {n}") for n in range(2)]

def heard(job, event):
    if job == "bad":
        raise ValueError("deaf")
    HEARD.append((job, type(event).__name__))

def router(services):
    router = APIRouter(prefix="/api/v1/extensions/all_of_it")
    router.add_api_route("/waiting", lambda: {"jobs": services.line.waiting()})
    router.add_api_route("/broken", lambda: 1 / 0)
    return router

@hookimpl
def register_request_filters():
    return [RequestFilter(needs="all_of_it", apply=twice)]

@hookimpl
def register_event_listeners():
    return [EventListener(hear=heard)]

@hookimpl
def register_metadata_fields():
    return [MetadataField(key="Words", of=lambda request: str(len(request.prompt.split())))]

@hookimpl
def register_routes():
    return [router]
"""
ENGINE = """
from PIL import ImageOps
from webui import AttentionProcessor, DenoiserWrapper, ImageOperation, StepListener, hookimpl

def scaled(denoise, view):
    if view.values["broken"]:
        raise ZeroDivisionError("broken here")
    return lambda x, sigma: denoise(x, sigma) * view.values["scale"]

def watched(attend, place, view):
    view.state.setdefault("places", set()).add(place.name)
    return attend

def heard(seen, view):
    if seen is None:
        view.keep.mkdir(parents=True)
        said = [*sorted(view.state["places"]), *(word.text for word in view.words())]
        (view.keep / "seen").write_text("\\n".join(said))

@hookimpl
def register_denoiser_wrappers():
    return [DenoiserWrapper(needs="all_of_it", wrap=scaled)]

@hookimpl
def register_attention_processors():
    return [AttentionProcessor(needs="all_of_it", wrap=watched)]

@hookimpl
def register_step_listeners():
    return [StepListener(needs="all_of_it", hear=heard)]

@hookimpl
def register_image_operations():
    return [ImageOperation(needs="all_of_it", apply=lambda picture, view: ImageOps.flip(picture))]
"""
TOUCHES = (
    "controls", "request_filters", "event_listeners", "metadata_fields", "routes",
    "denoiser_wrappers", "attention_processors", "step_listeners", "image_operations",
)  # fmt: skip
ID = "all_of_it"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make(
        tmp_path_factory.mktemp("made"), ID, SERVER, touches=TOUCHES,
        manifest='engine = "engine"', engine=ENGINE,
    )  # fmt: skip


@pytest.fixture(scope="module")
def extension(folder, tmp_path_factory):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Extension(folder, tmp_path_factory.mktemp("place"))
    torch.set_num_threads(before)


def asked(**values):
    return {ID: values}


def test_a_filter_gives_its_requests_and_finds_its_files(extension):
    plain = extension.filter(prompt="a cat")
    assert (plain.prompts, plain.mishaps) == (("a cat",), ())
    assert extension.filter(prompt="a", extras=asked(twice=True)).prompts == (
        "a, no file 0",
        "a, no file 1",
    )
    extension.files.mkdir(parents=True)
    (extension.files / "word").write_text("dog")
    assert extension.filter(prompt="a", extras=asked(twice=True)).prompts == (
        "a, dog 0",
        "a, dog 1",
    )
    for part in extension.files.iterdir():
        part.unlink()
    extension.files.rmdir()


def test_values_are_checked_as_the_program_does(extension):
    request = extension.request(extras=asked(scale=0.5))
    assert request.extras == asked(twice=False, broken=False, scale=0.5)
    assert extension.request(extras=asked(scale=1.0)).extras == {}
    with pytest.raises(InvalidRequest, match=r"extras.all_of_it.scale: must be from 0 to 2"):
        extension.filter(extras=asked(scale=3.0))


def test_listeners_hear_and_what_fails_is_told(extension):
    assert extension.tell(Queued(0), Finished("done"), job="mine") == ()
    assert extension.module("server").HEARD == [("mine", "Queued"), ("mine", "Finished")]
    (mishap,) = extension.tell(Queued(0), job="bad")
    assert (mishap.owner, mishap.hook, mishap.text) == (ID, "event listener", "ValueError: deaf")


def test_a_run_has_all_hooks_and_a_job_that_does_not_ask_none(extension):
    plain = extension.run(prompt="a red fox", images=2)
    again = extension.run(prompt="a red fox", images=2)
    assert [each.size for each in plain.pictures] == [(64, 64)] * 2
    assert list(map(Image.Image.tobytes, again.pictures)) == [p.tobytes() for p in plain.pictures]
    assert plain.texts == (("Words: 3",),) * 2
    assert not (plain.kept / ID).exists()

    made = extension.run(prompt="a red fox", extras=asked(scale=0.5), steps=3)
    assert [each.step for each in made.steps] == [1, 2, 3]
    assert (made.mishaps, made.warnings) == ((), ())
    assert made.texts == (("All scale: 0.5", "Words: 3"),)
    assert made.pictures[0].tobytes() != plain.pictures[0].tobytes()
    seen = (made.kept / ID / "seen").read_text().split("\n")
    assert seen[-3:] == ["a", "red", "fox"]
    assert "mid_block.attentions.0.transformer_blocks.0.attn2" in seen


def test_a_run_makes_a_picture_for_each_request_of_a_filter(extension):
    made = extension.run(prompt="a", extras=asked(twice=True), steps=1)
    assert [each.prompt for each in made.requests] == ["a, no file 0", "a, no file 1"]
    assert len(made.pictures) == len(made.texts) == 2


def test_what_fails_is_left_out_as_in_the_program(extension):
    made = extension.run(prompt="a red fox", extras=asked(broken=True))
    (mishap,) = made.mishaps
    assert (mishap.hook, mishap.text) == ("denoiser wrapper", "ZeroDivisionError: broken here")
    assert 'raise ZeroDivisionError("broken here")' in mishap.trace
    assert made.texts == (
        ("Words: 3", "Did not run: all_of_it (denoiser wrapper: ZeroDivisionError: broken here)"),
    )
    plain = extension.run(prompt="a red fox")
    flipped = plain.pictures[0].transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    assert made.pictures[0].tobytes() == flipped.tobytes()


def test_a_picture_can_be_begun_with(extension):
    red = extension.picture(Image.new("RGB", (64, 64), "red"))
    made = extension.run(init=InitImage(picture=red, strength=0.5), extras=asked(scale=0.9))
    assert made.requests[0].init.picture == red
    assert len(made.pictures) == 1


def test_its_address_answers_behind_the_same_checks(extension):
    with extension.client() as client:
        assert client.get(f"/api/v1/extensions/{ID}/waiting").json() == {"jobs": 0}
        failed = client.get(f"/api/v1/extensions/{ID}/broken")
        assert (failed.status_code, failed.json()["error"]["kind"]) == (500, "ExtensionFailed")
        other = {"Host": "elsewhere.example"}
        assert client.get(f"/api/v1/extensions/{ID}/waiting", headers=other).status_code == 421


def test_files_are_read_anew(tmp_path):
    for word in ("one", "two"):
        folder = make(tmp_path / word, "same", f"WORD = {word!r}", touches=())
        extension = Extension(folder, tmp_path / word)
        assert extension.module("server").WORD[:5] == word
    (folder / "server.py").write_text("WORD = 'three'  # of another length")
    assert Extension(folder, tmp_path / word).module("server").WORD == "three"


# --- the verdict ---------------------------------------------------------------------------------


def test_a_good_folder_would_be_loaded(folder):
    verdict = check(folder)
    assert (verdict.problem, verdict.trace) == ("", "")
    assert set(verdict.hooks) == set(TOUCHES)
    assert verdict.imports == ()


@pytest.mark.parametrize(
    ("id", "code", "arguments", "part", "hook", "said"),
    [
        ("hard", "1 / 0", {}, "server", "import", "ZeroDivisionError"),
        ("ends", "import os; os._exit(3)", {}, "server", "import", "exit code 3"),
        ("far", "1 / 0", {"part": "engine"}, "engine", "import", "ZeroDivisionError"),
        ("needy", "", {"manifest": 'dependencies = ["nosuch"]'}, "", "extension.toml", "nosuch is"),
        ("wildcards", "", {}, "", "extension.toml", "taken by an extension that ships"),
        (
            "clash",
            "from webui import SamplerInfo, hookimpl\n@hookimpl\ndef register_samplers():\n"
            "    return [SamplerInfo(name='euler')]",
            {"touches": ("samplers",)},
            "server",
            "register_samplers",
            "builtin and clash both register 'euler'",
        ),
        (
            "again",
            "from webui import MetadataField, hookimpl\n"
            "@hookimpl\ndef register_metadata_fields():\n"
            "    return [MetadataField(key='Template', of=str)]",
            {"touches": ("metadata_fields",)},
            "server",
            "register_metadata_fields",
            "wildcards and again both register 'Template'",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)
def test_a_bad_one_is_refused_with_where_and_why(tmp_path, id, code, arguments, part, hook, said):
    verdict = check(make(tmp_path, id, code, **arguments))
    assert said in verdict.problem
    assert (verdict.part, verdict.hook) == (part, hook)


def test_what_is_not_public_is_told(tmp_path):
    code = "from webui.testing import Extension\nimport webui.testing\nimport webui.services\n"
    verdict = check(make(tmp_path, "nosy", "", touches=(), other=code))
    assert verdict.problem == ""
    assert verdict.imports == ("other.py, line 3: webui.services is not public and may change",)
