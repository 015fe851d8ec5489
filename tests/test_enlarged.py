"""A picture that is made larger keeps the recipe of the picture it was made from."""

import json
import os
from dataclasses import replace

import pytest
from PIL.PngImagePlugin import PngInfo

from tests.api.whole import Idle, built
from tests.jobs.fakes import eventually
from tests.test_inputs import MANY, file_of, noisy
from tests.test_library import make_model
from tests.test_metadata_reader import tables
from webui import app
from webui.events import Picture, Rendered
from webui.inputs import Inputs, Said, said
from webui.library import Library
from webui.metadata import parameters_text, record_text, with_source
from webui.metadata.reader import MAX_PAIRS, read_text
from webui.outputs import Outputs
from webui.pictures import Format, look
from webui.recipes import read
from webui.request import GenerationRequest, InitImage, Upscale, to_dict
from webui.services import submit

A1111 = (
    "a fox, (sharp:1.2)\nin snow\nNegative prompt: day\n"
    'Steps: 3, Sampler: Euler a, Seed: 9, Size: 64x96, Model: other, Hashes: {"model": "12ab"}, '
    "Version: v1.10.1"
)
MADE = GenerationRequest(
    model="toy", prompt="a cat\nNegative prompt: in it", negative_prompt="dog", seed=4, steps=7
)
DONE = ", Postprocess upscaler: Lanczos, Postprocess upscale by: 2"
ONE = "1" * 64


def with_text(image, **texts):
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    return file_of(image, pnginfo=info)


# --- beside the picture --------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    return Inputs(tmp_path / "inputs", MANY)


def said_of(store, data):
    return said(store.folder, store.add(data).sha256)


def test_what_a_file_says_lies_beside_its_picture(store) -> None:
    picture = noisy(9, 9)
    data = with_text(picture, parameters=A1111, darkroom='{"request": 1}', Comment="mine")
    assert said_of(store, data) == Said(A1111, '{"request": 1}')
    again = Inputs(store.folder, MANY)  # a restart
    (name,) = [path.stem for path in again.folder.glob("*.json")]
    assert said(again.folder, name) == Said(A1111, '{"request": 1}')
    assert again.size("init.picture", name) == (9, 9)


def test_of_the_same_pixels_the_text_that_came_last_counts_and_silence_takes_none_away(store):
    picture = noisy(9, 9)
    assert said_of(store, with_text(picture, parameters="one: 1")) == Said("one: 1")
    assert said_of(store, with_text(picture, parameters="two: 2")) == Said("two: 2")
    assert said_of(store, file_of(picture)) == Said("two: 2")
    assert said_of(store, file_of(noisy(9, 9, 1))) == Said()


def test_a_text_that_is_too_long_is_not_kept_and_the_other_is(store) -> None:
    long = with_text(noisy(9, 9), parameters="a" * (2**18 + 1), darkroom="{}")
    assert said_of(store, long) == Said(None, "{}")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"parameters": 1}'])
def test_a_damaged_one_says_nothing(store, text) -> None:
    kept = store.add(with_text(noisy(9, 9), parameters="one: 1"))
    (store.folder / f"{kept.sha256}.json").write_text(text)
    assert said(store.folder, kept.sha256) == Said()


def test_a_text_goes_with_its_picture_and_counts_in_the_quota(tmp_path) -> None:
    text = "a" * 2**18
    room = 2 * 2**18 + 2_000  # of two such texts with their pictures
    store = Inputs(tmp_path, room)
    kept = [store.add(with_text(noisy(9, 9, seed), parameters=text)) for seed in (0, 1)]
    os.utime(store.path(kept[0].sha256), (1, 1))
    last = store.add(with_text(noisy(9, 9, 2), parameters=text))
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        f"{each.sha256}.{end}" for each in (kept[1], last) for end in ("png", "json")
    }
    store.path(last.sha256).unlink()  # by hand
    Inputs(tmp_path, room)
    assert [path.stem for path in tmp_path.glob("*.json")] == [kept[1].sha256]
    assert not list((tmp_path / ".part").iterdir())


# --- in the picture made of it -------------------------------------------------------------------


def enlarged(tmp_path, says, picture_format=Format(), **upscale):
    """The header of what is saved."""
    make_model(tmp_path / "models")
    asked = Upscale(picture=ONE, **upscale)
    request = GenerationRequest(model="toy", prompt="", seed=0, upscale=asked)
    told = {ONE: says}
    outputs = Outputs(
        tmp_path / "out", Library(tmp_path / "models"), "0.2.0", tmp_path / "unsaved",
        picture_format=picture_format, said=told.__getitem__,
    )  # fmt: skip
    saved = outputs.save(Rendered(0, Picture(8, 8, bytes(192)), request, 1.0, 0))
    return look((tmp_path / "out" / saved.path).read_bytes())


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_our_own_recipe_stays_to_the_letter(tmp_path, kind) -> None:
    text, record = parameters_text(MADE, "ab" * 32, "0.1.0"), record_text(MADE, "ab" * 32, "0.1.0")
    header = enlarged(tmp_path, Said(text, record), Format(kind))
    assert header.format == kind.upper()
    before, version = text.rsplit(", ", 1)
    assert version == "Version: darkroom-0.1.0"
    assert header.parameters == f"{before}{DONE}, {version}"
    made = json.loads(header.text("darkroom"))
    assert made["request"]["upscale"]["picture"] == ONE and made["version"] == "0.2.0"
    assert made["source"] == {
        "request": to_dict(MADE), "version": "0.1.0", "model_hash": "ab" * 32,
    }  # fmt: skip


def test_a1111s_recipe_stays_too(tmp_path) -> None:
    header = enlarged(tmp_path, Said(A1111))
    said = A1111.replace('{"model": "12ab"}', json.dumps('{"model": "12ab"}'))
    assert header.parameters == said + DONE
    assert "source" not in json.loads(header.text("darkroom"))


def test_of_a_picture_made_larger_twice_the_second_time_is_said(tmp_path) -> None:
    text, record = parameters_text(MADE, "", "0.1.0"), record_text(MADE, "", "0.1.0")
    once = enlarged(tmp_path / "1", Said(text, record), upscaler="Nearest", scale=4.0)
    assert "Postprocess upscaler: Nearest, Postprocess upscale by: 4" in once.parameters
    twice = enlarged(tmp_path / "2", Said(once.parameters, once.text("darkroom")))
    assert twice.parameters == enlarged(tmp_path / "3", Said(text, record)).parameters
    made = json.loads(twice.text("darkroom"))
    assert made["source"]["request"] == to_dict(MADE) and "source" not in made["source"]
    assert made["request"]["upscale"]["upscaler"] == "Lanczos"


@pytest.mark.parametrize(
    "says",
    [
        Said(),
        Said("a holiday, with no recipe"),
        Said("Postprocess upscaler: Nearest, Postprocess upscale by: 8, Postprocess crop: True"),
        Said(None, '{"request": {"model": 3}}'),
        Said(None, "x" * 2**17),
    ],
)
def test_one_that_says_nothing_of_use_adds_nothing(tmp_path, says) -> None:
    header = enlarged(tmp_path, says)
    assert header.parameters == "\n" + DONE.removeprefix(", ") + ", Version: darkroom-0.2.0"
    assert "source" not in json.loads(header.text("darkroom"))


def test_a_hostile_text_fails_no_job(tmp_path) -> None:
    text = "a\0b\x1b[31m \ud800\nSteps: 3, Sampler: Euler a, Seed: 1, Evil: \x07\x7f"
    for kind in ("png", "jpeg"):
        header = enlarged(tmp_path / kind, Said(text, "\ud800\0"), Format(kind))
        assert (
            header.parameters == "ab[31m ?\nSteps: 3, Sampler: Euler a, Seed: 1, Evil: \x7f" + DONE
        )


@pytest.mark.parametrize("version", [None, "darkroom-0.1.0"])
def test_what_was_done_is_read_however_much_the_source_says(tmp_path, version) -> None:
    pairs = [f"K{number}: 1" for number in range(MAX_PAIRS - bool(version))]
    text = "a fox\n" + ", ".join([*pairs, f"Version: {version}"] if version else pairs)
    found = read_text(enlarged(tmp_path, Said(text)).parameters).pairs
    done = (("Postprocess upscaler", "Lanczos"), ("Postprocess upscale by", "2"))
    ours = (("Version", version),) if version else ()
    assert found[-len(done) - len(ours) :] == done + ours
    assert len(found) == MAX_PAIRS and found[0] == ("K0", "1")


def test_a_picture_that_is_generated_says_nothing_of_its_source(tmp_path) -> None:
    make_model(tmp_path / "models")

    def asked(sha256):
        raise AssertionError("nobody is to ask")

    outputs = Outputs(tmp_path, Library(tmp_path / "models"), "1", tmp_path / "unsaved", said=asked)
    request = replace(MADE, init=InitImage(picture=ONE))
    saved = outputs.save(Rendered(0, Picture(8, 8, bytes(192)), request, 1.0, 0))
    assert "Postprocess" not in look((tmp_path / saved.path).read_bytes()).parameters


# --- and read again ------------------------------------------------------------------------------

WHY = "it was done to the finished picture; the Upscale tab does that"


@pytest.fixture
def library(tmp_path):
    make_model(tmp_path / "there", "toy")
    return Library(tmp_path / "there")


@pytest.mark.parametrize("exact", [True, False])
def test_its_recipe_is_its_sources(tmp_path, library, exact) -> None:
    made = replace(MADE, sampler="Euler a", init=InitImage(picture=ONE, strength=0.3))
    text = parameters_text(made, "", "0.1.0")
    header = enlarged(tmp_path, Said(text, record_text(made, "", "0.1.0") if exact else None))
    known = tables(library, kept=(ONE,))
    found = read(known, header.parameters, header.text("darkroom"))
    alone = read(known, text, record_text(made, "", "0.1.0") if exact else None)
    assert found.tab == "img2img" and found.source == ("darkroom" if exact else "a1111")
    assert (found.values, found.request) == (alone.values, alone.request)
    assert found.request == (to_dict(made) if exact else None)
    assert [(each.name, each.why) for each in found.lost] == [
        ("Postprocess upscaler", WHY), ("Postprocess upscale by", WHY),
    ]  # fmt: skip


def test_one_without_a_prompt_is_no_upscaling_for_that(library) -> None:
    text = with_source("\nPostprocess upscale by: 2, Postprocess upscaler: Lanczos, Version: "
                       "darkroom-1", "Steps: 3, Sampler: Euler a, Seed: 5")  # fmt: skip
    found = read(tables(library), text)
    assert (found.tab, found.values["seed"]) == ("txt2img", 5)


def test_one_that_was_only_made_larger_is_for_the_upscale_tab(tmp_path, library) -> None:
    header = enlarged(tmp_path, Said("a holiday"), scale=3.0)
    found = read(tables(library, kept=(ONE,)), header.parameters, header.text("darkroom"))
    assert found.tab == "upscale" and found.values["upscale.scale"] == 3.0
    assert found.lost == ()


# --- all of it -----------------------------------------------------------------------------------


class Enlarger(Idle):
    """An engine whose pictures are black."""

    def run(self, job, request, options):
        yield Rendered(0, Picture(8, 8, bytes(192)), request, 0.1, 0)
        return "done"


def test_each_file_of_a_batch_keeps_its_own_recipe_from_upload_to_file(tmp_path, monkeypatch):
    make_model(tmp_path / "models", "toy")
    monkeypatch.setattr("tests.api.whole.Idle", Enlarger)
    with built(tmp_path) as application:
        services: app.Services = application.services
        jobs = []
        for seed in (1, 2):
            text = parameters_text(replace(MADE, seed=seed), "", "0.1.0")
            kept = services.inputs.add(with_text(noisy(8, 8, seed), parameters=text))
            jobs.append(submit(services, {"upscale": {"picture": kept.sha256}}).id)
        for seed, job in zip((1, 2), jobs, strict=True):
            eventually(lambda job=job: services.line.job(job).state == "done")
            (saved,) = services.line.job(job).pictures
            data = (services.settings.outputs / saved.path).read_bytes()
            assert f"Seed: {seed}," in look(data).parameters
            again = services.inputs.add(data)  # "send to" another tab
            found = said(services.inputs.folder, again.sha256)
            assert found.parameters == look(data).parameters
