"""Pictures in A1111's text and in our record: written, read back, and what is lost said."""

from dataclasses import replace

import pytest

from tests.test_library import make_model
from tests.test_metadata_reader import tables
from webui.library import Library
from webui.metadata import images, parameters_text, record_text
from webui.recipes import read
from webui.request import (
    GenerationRequest,
    Hires,
    InitImage,
    Loopback,
    Mask,
    Outpaint,
    Tiles,
    Upscale,
    Variation,
)

ONE, TWO = "1" * 64, "2" * 64
BASE = GenerationRequest(model="toy", prompt="a cat", seed=1, sampler="Euler a", steps=20)
PLAIN = (
    "Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 1, Size: 512x512, "
)
NOT_IN_TEXT = "the picture itself is not in the text; choose it again"


@pytest.fixture
def library(tmp_path):
    make_model(tmp_path, "toy")
    return Library(tmp_path)


def line(request):
    return parameters_text(request, "", "1").split("\n")[-1]


def written(**parts):
    """The last line without what every text of these has."""
    text = line(replace(BASE, **parts))
    start, end = PLAIN + "Model: toy, ", ", Version: darkroom-1"
    assert text.startswith(start) and text.endswith(end)
    return text.removeprefix(start).removesuffix(end)


def init(**given):
    return InitImage(picture=ONE, **given)


def mask(**given):
    return init(mask=Mask(picture=TWO, **given))


# --- written -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"init": init()}, f"Denoising strength: 0.75, Init image hash: {ONE}, RNG: CPU"),
        (
            {"init": init(strength=0.3, resize="crop and resize", noise_multiplier=1.05,
                          exact_steps=True)},
            f"Denoising strength: 0.3, RNG: CPU, Init image hash: {ONE}, Exact steps: True, "
            "Resize mode: Crop and resize, Noise multiplier: 1.05",
        ),
        (
            {"init": mask()},
            f"Denoising strength: 0.75, RNG: CPU, Init image hash: {ONE}, "
            "Mask mode: Inpaint masked, Mask blur: 4",
        ),
        (
            {"init": mask(inverted=True, blur=0, content="latent noise", area="only masked",
                          padding=48, soft=True)},
            f"Denoising strength: 0.75, RNG: CPU, Init image hash: {ONE}, "
            "Mask mode: Inpaint not masked, Soft inpainting enabled: True, Mask blur: 0, "
            "Masked content: latent noise, Inpaint area: Only masked, Masked area padding: 48",
        ),
        (
            {"init": init(outpaint=Outpaint(left=64, up=8, blend=20))},
            f"Denoising strength: 0.75, RNG: CPU, Init image hash: {ONE}, "
            "Outpaint left: 64, Outpaint up: 8, Outpaint seam: 20",
        ),
        (
            {"init": init(tiles=Tiles(scale=4.0, upscaler="Nearest", overlap=32))},
            f"Denoising strength: 0.75, RNG: CPU, Init image hash: {ONE}, "
            "SD upscale: 4, SD upscale upscaler: Nearest, SD upscale overlap: 32",
        ),
        (
            {"init": init(loopback=Loopback(loops=3, final_strength=0.4, curve="lazy"))},
            f"Denoising strength: 0.75, RNG: CPU, Init image hash: {ONE}, "
            "Loops: 3, Final denoising strength: 0.4, Denoising curve: Lazy",
        ),
        (
            {"hires": Hires()},
            "Denoising strength: 0.7, RNG: CPU, Hires upscaler: Latent, Hires upscale: 2",
        ),
        (
            {"hires": Hires(upscaler="4x-UltraSharp", width=1024, height=768, steps=12,
                            strength=0.4, sampler="DDIM", schedule="Karras",
                            prompt="knight, (gold:1.3)", negative_prompt="grey",
                            guidance_scale=5.0),
             "variation": Variation(seed=9, strength=0.15), "clip_skip": 2},
            "Variation seed: 9, Variation seed strength: 0.15, Denoising strength: 0.4, "
            "Clip skip: 2, RNG: CPU, Hires upscaler: 4x-UltraSharp, Hires steps: 12, "
            "Hires sampler: DDIM, Hires schedule type: Karras, "
            'Hires prompt: "knight, (gold:1.3)", Hires negative prompt: grey, '
            "Hires CFG Scale: 5, Hires resize: 1024x768",
        ),
    ],
)  # fmt: skip
def test_a1111s_keys_and_nothing_that_goes_without_saying(parts, expected) -> None:
    assert sorted(written(**parts).split(", ")) == sorted(expected.split(", "))
    order = [each.partition(":")[0] for each in written(**parts).split(", ")]
    assert order.index("Denoising strength") < order.index("RNG")


def test_a_picture_that_was_only_made_larger_says_so_and_no_more() -> None:
    wanted = Upscale(picture=ONE, upscaler="Lanczos", scale=4.0)
    said = "Postprocess upscaler: Lanczos, Postprocess upscale by: 4, Version: darkroom-1"
    assert line(replace(BASE, prompt="", upscale=wanted)) == said
    sized = replace(wanted, width=800, height=600, crop=True, second="Nearest")
    assert line(replace(BASE, prompt="", upscale=sized)) == (
        "Postprocess crop: True, Postprocess upscaler: Lanczos, Postprocess upscaler 2: Nearest, "
        "Postprocess upscale to: 800x600, Version: darkroom-1"
    )


# --- and read again ----------------------------------------------------------------------------


def values(found):
    return {name: found.values[name] for name in images.NAMES if found.values[name] is not None}


def lost(found):
    return [(each.name, each.value, each.why) for each in found.lost]


MASK = {
    "init.mask.inverted": False, "init.mask.soft": False, "init.mask.blur": 4,
    "init.mask.content": "original", "init.mask.area": "whole picture", "init.mask.padding": 32,
}  # fmt: skip
INIT = {
    "init.strength": 0.75, "init.exact_steps": False, "init.resize": "just resize",
    "init.noise_multiplier": 1.0,
}  # fmt: skip
HIRES = {
    "hires.upscaler": "Latent", "hires.scale": 2.0, "hires.width": 0, "hires.height": 0,
    "hires.steps": 0, "hires.strength": 0.7,
}  # fmt: skip


def test_a1111s_knight_has_a_second_pass(library) -> None:
    found = read(
        tables(library),
        "portrait of a knight, goldleaf\nsecond prompt line\nNegative prompt: easyneg, lowres\n"
        "Steps: 25, Sampler: Euler a, Schedule type: Automatic, CFG scale: 6.5, Seed: 42, "
        "Size: 640x960, Model hash: 31e35c80fc, Model: sd_xl_base_1.0, Variation seed: 99, "
        "Variation seed strength: 0.15, Denoising strength: 0.4, Clip skip: 2, "
        'Hires prompt: "knight, (gold:1.3)", Hires upscale: 2, Hires steps: 12, '
        "Hires upscaler: 4x-UltraSharp, Emphasis: No norm, Version: v1.10.1",
    )
    assert found.tab == "txt2img"
    assert values(found) == HIRES | {
        "hires.strength": 0.4, "hires.steps": 12, "hires.prompt": "knight, (gold:1.3)",
    } | {"hires.upscaler": "Latent"}  # fmt: skip
    assert [each for each in lost(found) if "Hires" in each[0]] == [
        ("Hires upscaler", "4x-UltraSharp", "must be one of: Latent, Lanczos; got '4x-UltraSharp'")
    ]
    assert (found.values["variation.seed"], found.values["variation.strength"]) == (99, 0.15)


def test_a1111s_door_is_inpainted(library) -> None:
    found = read(
        tables(library),
        "wooden door\nSteps: 30, Sampler: DDIM, Schedule type: Automatic, CFG scale: 7, Seed: 7, "
        "Size: 512x512, Model hash: c6bbc15e32, Model: sd-v1-5-inpainting, "
        "Denoising strength: 0.75, Conditional mask weight: 0.5, Mask mode: Inpaint not masked, "
        "Mask blur: 4, Inpaint area: Only masked, Masked area padding: 32, "
        "Masked content: latent noise, Noise multiplier: 1.05, Version: v1.10.1",
    )
    assert found.tab == "inpaint"
    assert values(found) == INIT | MASK | {
        "init.noise_multiplier": 1.05, "init.mask.inverted": True,
        "init.mask.area": "only masked", "init.mask.content": "latent noise",
    }  # fmt: skip
    assert [each for each in lost(found) if each[0] not in ("Model", "Model hash")] == [
        ("Conditional mask weight", "0.5", "there is no such setting here"),
        ("Init image hash", "", NOT_IN_TEXT),
        ("Mask", "", "it is not in the text; paint it again, or load it"),
    ]


PAIRS = "a\nSteps: 20, Sampler: Euler a, Seed: 1, "


@pytest.mark.parametrize(
    ("last", "tab", "expected", "missing"),
    [
        ("Size: 64x64", "txt2img", {}, []),
        ("Denoising strength: 0.4", "img2img", INIT | {"init.strength": 0.4},
         [("Init image hash", "", NOT_IN_TEXT)]),
        ("Denoising strength: 0.4, Init image hash: 0cc175b9c0f1b6a831c399e269772661", "img2img",
         INIT | {"init.strength": 0.4},
         [("Init image hash", "0cc175b9c0f1b6a831c399e269772661", NOT_IN_TEXT)]),
        (f"Denoising strength: 0.4, Init image hash: {ONE}", "img2img",
         INIT | {"init.strength": 0.4, "init.picture": ONE}, []),
        ("Denoising strength: 2", "img2img", INIT | {"init.strength": 1.0},
         [("Denoising strength", "2", "must be from 0 to 1; 1 is set instead"),
          ("Init image hash", "", NOT_IN_TEXT)]),
        ("Denoising strength: 0.5, Hires resize: 1024x0, Hires upscaler: lanczos, "
         "Hires sampler: Use same sampler, Hires schedule type: Use same scheduler",
         "txt2img", HIRES | {"hires.strength": 0.5, "hires.width": 1024,
                             "hires.upscaler": "Lanczos"}, []),
        ("Denoising strength: 0.5, Hires upscale: 1.5, Hires sampler: DPM++ 2M Karras", "txt2img",
         HIRES | {"hires.strength": 0.5, "hires.scale": 1.5, "hires.sampler": "DPM++ 2M",
                  "hires.schedule": "Karras"}, []),
        ("Denoising strength: 0.5, Hires upscale: 9, Hires sampler: Wrong", "txt2img",
         HIRES | {"hires.strength": 0.5, "hires.scale": 4.0},
         [("Hires upscale", "9", "must be from 1 to 4; 4 is set instead"),
          ("Hires sampler", "Wrong", "must be one of")]),
        ("Denoising strength: 0.5, Resize mode: Just resize (latent upscale)", "img2img",
         INIT | {"init.strength": 0.5, "init.resize": "latent upscale"},
         [("Init image hash", "", NOT_IN_TEXT)]),
        ("Denoising strength: 0.6, Final denoising strength: 0.3, Denoising curve: Aggressive",
         "img2img", INIT | {"init.strength": 0.6, "init.loopback.loops": 4,
         "init.loopback.final_strength": 0.3, "init.loopback.curve": "aggressive"},
         [("Init image hash", "", NOT_IN_TEXT)]),
        ("Postprocess upscale by: 2, Postprocess upscaler: Lanczos", "txt2img", {},
         [("Postprocess upscale by", "2",
           "it was done to the finished picture; the Upscale tab does that"),
          ("Postprocess upscaler", "Lanczos",
           "it was done to the finished picture; the Upscale tab does that")]),
        ("Denoising strength: 0.5, Mask mode: Sideways, Mask blur: x", "img2img",
         INIT | {"init.strength": 0.5},
         [("Mask mode", "Sideways", "it is none of Inpaint masked, Inpaint not masked"),
          ("Mask blur", "x", "it cannot be understood"),
          ("Init image hash", "", NOT_IN_TEXT)]),
    ],
)  # fmt: skip
def test_texts_of_other_programs(library, last, tab, expected, missing) -> None:
    found = read(tables(library, kept=(ONE,)), PAIRS + last)
    assert (found.tab, values(found)) == (tab, expected)
    assert [(name, value) for name, value, _ in lost(found)] == [each[:2] for each in missing]
    for said, wanted in zip(lost(found), missing, strict=True):
        assert said[2].startswith(wanted[2])


ALL = [
    {},
    {"init": init()},
    {"init": init(strength=0.31, exact_steps=True, resize="latent upscale", noise_multiplier=0.9)},
    {"init": mask()},
    {"init": mask(inverted=True, blur=64, content="fill", area="only masked", padding=0,
                  soft=True)},
    {"init": init(outpaint=Outpaint(right=8, down=1024, blend=0))},
    {"init": init(tiles=Tiles(scale=1.5, overlap=0))},
    {"init": init(loopback=Loopback(loops=1, final_strength=1.0, curve="aggressive"))},
    {"hires": Hires(scale=1.75)},
    {"hires": Hires(height=768, upscaler="Lanczos", steps=3, sampler="Heun", schedule="Karras",
                    prompt="Steps: 3, Seed: 5", negative_prompt='"quoted"', guidance_scale=1.5)},
    {"upscale": Upscale(picture=ONE, scale=3.3), "prompt": ""},
    {"upscale": Upscale(picture=ONE, width=300, height=200, crop=True, second="Lanczos",
                        second_visibility=0.25), "prompt": ""},
]  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "tab"),
    [
        ({}, "txt2img"),
        ({"hires": Hires()}, "txt2img"),
        ({"init": init(loopback=Loopback())}, "img2img"),
        ({"init": mask()}, "inpaint"),
        ({"init": init(outpaint=Outpaint(left=8))}, "inpaint"),
        ({"upscale": Upscale(picture=ONE)}, "upscale"),
    ],
)
def test_a_recipe_says_which_tab_it_is_for(library, parts, tab) -> None:
    assert read(tables(library), None, record_text(replace(BASE, **parts), "", "1")).tab == tab


@pytest.mark.parametrize("parts", ALL)
def test_our_text_and_our_record_say_the_same(library, parts) -> None:
    request = replace(BASE, **parts)
    known = tables(library, kept=(ONE, TWO))
    exact = read(known, None, record_text(request, "", "1"))
    of_text = read(known, parameters_text(request, "", "1"))
    assert (exact.source, of_text.source) == ("darkroom", "a1111")
    assert exact.lost == () and exact.tab == of_text.tab
    pictures = dict.fromkeys(images.PICTURES)
    said, idle = values(exact), values(of_text)
    for name in pictures:
        said.pop(name, None), idle.pop(name, None)
    unsaid = {  # what another field makes say nothing
        name
        for name in ("init.mask.padding", "hires.scale", "upscale.scale")
        if said.get(name) != idle.get(name)
    }
    assert {name: said[name] for name in said if name not in unsaid} == {
        name: idle[name] for name in idle if name not in unsaid
    }
    assert unsaid <= {"hires.scale", "upscale.scale", "init.mask.padding"}


def test_the_record_names_pictures_that_are_still_here(library) -> None:
    record = record_text(replace(BASE, init=mask()), "", "1")
    both = read(tables(library, kept=(ONE, TWO)), None, record)
    assert (both.values["init.picture"], both.values["init.mask.picture"]) == (ONE, TWO)
    one = read(tables(library, kept=(TWO,)), None, record)
    assert (one.values["init.picture"], one.values["init.mask.picture"]) == (None, TWO)
    assert lost(one) == [
        ("Init image hash", ONE, "the picture that it began with is not kept here; choose it again")
    ]
    assert one.tab == "inpaint" and one.request is not None
    assert one.request["init"]["picture"] == ONE


def test_a_second_passes_own_first_picture_is_made_again(library) -> None:
    record = record_text(replace(BASE, hires=Hires(picture=ONE)), "", "1")
    found = read(tables(library, kept=(ONE,)), None, record)
    assert lost(found) == [("First pass", ONE, "a form's first pass is made again")]
    assert "hires.picture" not in found.values


@pytest.mark.parametrize("last", ["Denoising strength: nan", "Hires upscale: " + "9" * 5000,
                                  "Hires resize: 7x9, Hires upscale: 2", "Outpaint left: -8",
                                  "Hires prompt: " + '"' * 999, "Mask blur: 1e999"])  # fmt: skip
def test_hostile_texts_end_in_values_that_a_request_can_have(library, last) -> None:
    from webui.recipes.settled import request_of

    found = read(tables(library), PAIRS + last)
    assert found.source == "a1111"
    request_of(found.values)
