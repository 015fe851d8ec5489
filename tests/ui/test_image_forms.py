"""What stands in the forms for pictures, and the whole requests that come of it; and back again."""

import json
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from webui import metadata, recipes
from webui.recipes.settled import Tables
from webui.request import (
    GenerationRequest,
    Hires,
    InitImage,
    Loopback,
    Tiles,
    Upscale,
    Variation,
    from_dict,
    to_dict,
)
from webui.ui import form, generating, page, quick_settings, recipe
from webui.ui.tabs.extras import Upscaling
from webui.ui.tabs.img2img import ImageToImage
from webui.ui.tabs.txt2img import TextToImage

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Gradio leaves event loops open
]

Values = dict[str, Any]


@pytest.fixture
def pictures(services: Any) -> list[Values]:
    """Three of different sizes in the input store, as a picker lists them."""
    kept = []
    for number, size in enumerate([(96, 64), (128, 128), (200, 100)]):
        path = services.settings.outputs.with_name(f"{number}.png")
        Image.new("RGB", size, (40 * number, 90, 200)).save(path)
        made = services.inputs.add(path.read_bytes())
        name = f"picture {number}.png"
        kept.append({"sha256": made.sha256, "name": name, "width": size[0], "height": size[1]})
    return kept


def built(services: Any, tab: Any, monkeypatch: pytest.MonkeyPatch) -> form.Form:
    """The form of a tab with all that it has, as the page builds it."""
    found: list[form.Form] = []
    monkeypatch.setattr(generating, "connect", lambda _, fields, desk: found.append(fields))
    with gr.Blocks():
        tab.build(services, quick_settings.build(services))
    return found[0]


@pytest.fixture
def img2img(services: Any, monkeypatch: pytest.MonkeyPatch) -> form.Form:
    return built(services, ImageToImage(), monkeypatch)


@pytest.fixture
def txt2img(services: Any, monkeypatch: pytest.MonkeyPatch) -> form.Form:
    return built(services, TextToImage(), monkeypatch)


@pytest.fixture
def extras(services: Any, monkeypatch: pytest.MonkeyPatch) -> form.Form:
    return built(services, Upscaling(), monkeypatch)


def untouched(fields: form.Form) -> Values:
    """As a browser has it: empty boxes hold no text."""
    return {
        name: "" if each.value is None and isinstance(each, gr.Textbox) else each.value
        for name, each in fields.components.items()
    }


def click(services: Any, fields: form.Form, *, refused: bool = False, **changed: Any) -> Values:
    """What comes of Generate in a form nobody touched but for `changed`, where dots are __."""
    values = untouched(fields)
    values |= {name.replace("__", "."): value for name, value in changed.items()}
    assert set(values) == set(fields.components)
    sent = {component: values[name] for name, component in fields.components.items()}
    answer = generating.queued(services, fields, sent, "tab1")
    assert refused or "error" not in answer, answer
    return answer


def submitted(services: Any) -> list[GenerationRequest]:
    return [request for request, _ in services.line.submitted]


PLAIN = GenerationRequest(
    model="small", prompt="a red car", seed=5, steps=20, width=128, height=128
)


def test_img2img_as_it_stands_makes_the_picture_anew_at_the_forms_size(
    services, img2img, pictures
) -> None:
    one = json.dumps(pictures[:1])
    answer = click(services, img2img, prompt="a red car", seed=5, init__picture=one)
    assert answer["job"] == "job1"
    init = InitImage(picture=pictures[0]["sha256"], strength=0.75)
    assert submitted(services) == [from_dict(to_dict(PLAIN) | {"init": to_dict_of(init)})]


def to_dict_of(init: InitImage) -> Values:
    whole = GenerationRequest(model="any", prompt="", seed=0, init=init)
    return to_dict(whole)["init"]


def test_everything_that_is_set_for_img2img_reaches_the_request(
    services, img2img, pictures
) -> None:
    click(
        services, img2img,
        **{"prompt": "a red car", "seed": 5, "init__picture": json.dumps(pictures[1:2])},
        **{"init__strength": 0.4, "init__exact_steps": True, "init__resize": "resize and fill"},
        **{"width": 256, "height": 192, "variation__strength": 0.3, "variation__seed": 9},
        **{"init__loopback__on": True, "init__loopback__loops": 3.0},
        **{"init__loopback__final_strength": 0.2, "init__loopback__curve": "lazy"},
    )  # fmt: skip
    (request,) = submitted(services)
    assert (request.width, request.height) == (256, 192)
    assert request.variation == Variation(seed=9, strength=0.3)
    assert request.init == InitImage(
        picture=pictures[1]["sha256"],
        strength=0.4,
        exact_steps=True,
        resize="resize and fill",
        loopback=Loopback(loops=3, final_strength=0.2, curve="lazy"),
    )


def test_parts_that_are_switched_off_are_not_asked_for(services, img2img, pictures) -> None:
    one = json.dumps(pictures[1:2])
    click(services, img2img, init__picture=one, init__loopback__loops=9, init__tiles__overlap=8)
    click(services, img2img, init__picture=one, init__tiles__on=True, init__tiles__overlap=8)
    plain, tiled = submitted(services)
    assert (plain.init.loopback, plain.init.tiles) == (None, None)
    assert tiled.init.tiles == Tiles(scale=2.0, upscaler="Lanczos", overlap=8)


@pytest.mark.parametrize(
    ("number", "scale", "size"),
    [(0, 2, (192, 128)), (2, 1.5, (304, 152)), (2, 0.05, (64, 64)), (1, 4, (512, 512))],
)
def test_a_factor_makes_the_size_of_each_picture(
    services, img2img, pictures, number, scale, size
) -> None:
    one = json.dumps([pictures[number]])
    factor = {"size__mode": "by factor", "size__scale": scale}
    click(services, img2img, init__picture=one, width=64, height=64, **factor)
    (request,) = submitted(services)
    assert (request.width, request.height) == size


def test_several_pictures_are_a_job_each_and_a_bad_one_is_named(
    services, img2img, pictures
) -> None:
    gone = {"sha256": "0" * 64, "name": "gone.png", "width": 128, "height": 64}
    listed = json.dumps([pictures[0], gone, pictures[2]])
    answer = click(services, img2img, init__picture=listed, size__mode="by factor", size__scale=1)
    assert [(each["name"], each.get("job")) for each in answer["jobs"]] == [
        ("picture 0.png", "job1"),
        ("gone.png", None),
        ("picture 2.png", "job2"),
    ]
    assert answer["jobs"][1]["error"]["label"] == "Picture"
    assert answer["kind"] == "files"
    made = [(each.init.picture, each.width, each.height) for each in submitted(services)]
    assert made == [(pictures[0]["sha256"], 96, 64), (pictures[2]["sha256"], 200, 104)]


@pytest.mark.parametrize("held", ["", "[]", "junk", '[{"sha256": "short"}]', '{"sha256": 1}', None])
def test_without_a_picture_the_picker_is_marked(services, img2img, held) -> None:
    error = click(services, img2img, refused=True, init__picture=held)["error"]
    assert (error["label"], error["element"]) == ("Picture", "img2img_image")
    assert submitted(services) == []


def test_a_second_pass_is_asked_for_only_where_it_is_switched_on(services, txt2img) -> None:
    click(services, txt2img, prompt="a red car", seed=5, hires__scale=3)
    click(services, txt2img, prompt="a red car", seed=5, hires__on=True)
    click(
        services, txt2img,
        **{"hires__on": True, "hires__upscaler": "Lanczos", "hires__scale": 1.5},
        **{"hires__strength": 0.35, "hires__steps": 7, "hires__sampler": "Euler a"},
        **{"hires__schedule": "Karras", "hires__prompt": "sharp", "hires__negative_prompt": "dull"},
        **{"hires__guidance_scale": "4.5", "hires__width": "256", "hires__height": ""},
    )  # fmt: skip
    off, plain, full = submitted(services)
    assert off == PLAIN
    assert plain.hires == Hires(upscaler="Latent", scale=2.0, strength=0.7)
    assert full.hires == Hires(
        upscaler="Lanczos", scale=1.5, strength=0.35, steps=7, sampler="Euler a",
        schedule="Karras", prompt="sharp", negative_prompt="dull", guidance_scale=4.5, width=256,
    )  # fmt: skip


def test_upscaling_asks_for_nothing_but_a_larger_picture(services, extras, pictures) -> None:
    one = json.dumps(pictures[2:3])
    click(services, extras, upscale__picture=one, upscale__scale=3, upscale__width="50")
    click(
        services, extras,
        **{"upscale__picture": one, "upscale__mode": "to size", "upscale__width": "640"},
        **{"upscale__height": "400", "upscale__crop": True, "upscale__upscaler": "Nearest"},
        **{"upscale__second": "Lanczos", "upscale__second_visibility": 0.25},
    )  # fmt: skip
    by_factor, to_size = submitted(services)
    sha256 = pictures[2]["sha256"]
    assert by_factor.upscale == Upscale(picture=sha256, upscaler="Lanczos", scale=3.0)
    assert to_size.upscale == Upscale(
        picture=sha256, upscaler="Nearest", width=640, height=400, crop=True,
        second="Lanczos", second_visibility=0.25,
    )  # fmt: skip
    assert (by_factor.init, by_factor.hires, by_factor.images) == (None, None, 1)


# --- and back ------------------------------------------------------------------------------------


def back(services: Any, fields: form.Form, request: GenerationRequest, before: Values) -> Values:
    """What stands in a form after the recipe of `request` was restored into it."""
    record = metadata.record_text(request, "", "0.1.0")
    found = recipes.read(services.recipe_tables, None, record)
    order = json.dumps({"recipe": found.values})
    updates = recipe.filled(services.registry, list(fields.components), order)
    return {
        name: each.get("value", before[name])
        for name, each in zip(fields.components, updates, strict=True)
    }


@pytest.mark.parametrize(
    "init",
    [
        {"strength": 0.4, "resize": "latent upscale"},
        {"strength": 0.9, "loopback": Loopback(loops=2, final_strength=0.1, curve="aggressive")},
        {"strength": 0.2, "tiles": Tiles(scale=2.5, upscaler="Nearest", overlap=32)},
    ],
)
def test_a_recipe_fills_the_form_so_that_it_asks_for_the_same_again(
    services, img2img, pictures, init
) -> None:
    services.recipe_tables = recipe_tables(services)
    begins = InitImage(picture=pictures[1]["sha256"], **init)
    request = GenerationRequest(
        model="small", prompt="x", seed=3, width=256, height=128, init=begins
    )
    used = untouched(img2img) | {
        "size.mode": "by factor",
        "init.tiles.on": True,
        "init.loopback.on": True,
    }
    stands = back(services, img2img, request, used)
    click(services, img2img, **{name.replace(".", "__"): v for name, v in stands.items()})
    assert submitted(services) == [request]


def recipe_tables(services: Any) -> Any:
    def kept(sha256: str) -> bool:
        return services.inputs.path(sha256) is not None

    return Tables(services.registry, services.library, services.upscalers, kept)


def test_tabs_have_ids_of_their_own_and_share_the_model_alone(services) -> None:
    config = page.build(services).get_config_file()
    ids = [each["props"].get("elem_id") for each in config["components"]]
    named = [each for each in ids if each]
    assert len(named) == len(set(named))
    for end in ("prompt", "steps", "generate", "width", "seed", "denoising_strength"):
        assert {f"txt2img_{end}", f"img2img_{end}"} <= set(named)
    assert named.count("setting_sd_model_checkpoint") == 1
    assert {"extras_image", "extras_upscaler_1", "img2img_image", "txt2img_hr"} <= set(named)
