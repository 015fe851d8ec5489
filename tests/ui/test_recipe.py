"""From a recipe's values to what stands in the form, and from there to the same request again."""

import json
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webui import metadata, recipes
from webui.fields import FIELDS
from webui.request import GenerationRequest, SamplingOptions, ScheduleOptions, Variation
from webui.sampler_table import SAMPLER_INFOS, SCHEDULE_INFOS
from webui.services import request_of
from webui.ui import form, options, page, prompts, quick_settings, recipe
from webui.ui.tabs import txt2img
from webui.upscalers import Upscalers

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Gradio leaves event loops open
]

# What a form holds that nobody has touched since another picture was made with it.
USED: dict[str, Any] = {
    **{"prompt": "old", "negative_prompt": "old", "model": "wide", "sampler": "Heun"},
    **{"schedule": "Karras", "steps": 3, "guidance_scale": 2, "width": 64, "height": 72},
    **{"batch_count": 4, "batch_size": 2, "seed": -1, "rng": "cpu"},
    **{"sampling.eta": "0.5", "sampling.s_churn": "3", "sampling.s_tmin": "1"},
    **{"sampling.s_tmax": "9", "sampling.s_noise": "1.01", "sampling.order": "2"},
    **{"sampling.solver_type": "heun", "schedule_options.sigma_min": "0.1"},
    **{
        "schedule_options.sigma_max": "12",
        "schedule_options.rho": "5",
        "schedule_options.shift": "3",
    },
    **{"schedule_options.sigmas": "9, 3, 0", "variation.seed": 8, "variation.strength": 0.5},
    **{"seed_resize.width": "256", "seed_resize.height": "256"},
}


def values_of(services: Any, request: GenerationRequest) -> dict[str, Any]:
    """As `api/v1/recipes` gives them for a picture of that request."""
    record = metadata.record_text(request, "", "0.1.0")
    tables = recipes.Tables(services.registry, services.library, Upscalers(Path("/nowhere")))
    return recipes.read(tables, None, record).values


def after(services: Any, order: dict[str, Any]) -> dict[str, Any]:
    """What stands in a form that was USED, by field, once the order is carried out."""
    updates = recipe.filled(services.registry, list(USED), json.dumps(order))
    changed = {
        name: update["value"]
        for name, update in zip(USED, updates, strict=True)
        if "value" in update
    }
    return USED | changed


@pytest.fixture
def fields() -> form.Form:
    with gr.Blocks():
        return form.Form("txt2img", {name: gr.Textbox() for name in USED})


def asked(services: Any, fields: form.Form, standing: dict[str, Any]) -> GenerationRequest:
    """The request that a click on Generate makes of a form."""
    sent = {component: standing[name] for name, component in fields.components.items()}
    return request_of(services, options.packed(services.registry, fields.values(sent)))


# --- any request ---------------------------------------------------------------------------------


def number(name: str) -> st.SearchStrategy[Any]:
    field = FIELDS[name]
    return st.floats(field.minimum, field.maximum)


@st.composite
def requests(draw: st.DrawFn) -> GenerationRequest:
    sampler = draw(st.sampled_from(SAMPLER_INFOS))
    schedule = draw(st.sampled_from(SCHEDULE_INFOS))
    meant = sampler.automatic if schedule.name == "Automatic" else schedule.name
    has = next(each for each in SCHEDULE_INFOS if each.name == meant).parameters
    menus = {"order": sampler.orders, "solver_type": sampler.solver_types}
    sampling = {
        name: draw(
            st.none()
            | (st.sampled_from(menus[name]) if name in menus else number("sampling." + name))
        )
        for name in sampler.parameters
        if name not in menus or menus[name]
    }
    own = draw(st.none() | st.lists(st.floats(0.01, 1000), min_size=1, max_size=9, unique=True))
    ends = {
        "sigma_min": st.floats(0.001, 1),
        "sigma_max": st.floats(1.5, 1000),
        "rho": st.floats(0.1, 30),
        "shift": st.floats(0.1, 100),
    }
    levels = {name: draw(st.none() | ends[name]) for name in has if name in ends}
    if own is not None:
        levels = {"sigmas": (*sorted(own, reverse=True), 0.0)}
    sides = st.integers(8, 256).map(lambda side: side * 8)
    count, size = draw(st.integers(1, 100)), draw(st.integers(1, 8))
    size = 1 if sampler.one_by_one else size
    return GenerationRequest(
        model="small",
        prompt=draw(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))),
        negative_prompt=draw(st.sampled_from(["", "blurred, <b>&amp;"])),
        seed=draw(st.integers(0, 2**32 - 1)),
        rng=draw(st.sampled_from(["cpu", "nv"])),
        variation=draw(
            st.none()
            | st.builds(
                Variation,
                seed=st.integers(0, 2**32 - 1),
                strength=st.floats(0, 1, exclude_min=True),
            )
        ),
        seed_resize=draw(st.none() | st.tuples(sides, sides)),
        sampler=sampler.name,
        sampling=SamplingOptions(**sampling),
        schedule=schedule.name,
        schedule_options=ScheduleOptions(**levels),
        steps=len(own) if own is not None else draw(st.integers(1, 150)),
        guidance_scale=draw(st.floats(1, 30)),
        width=draw(st.integers(8, 128)) * 8,
        height=draw(st.integers(8, 128)) * 8,
        images=count * size,
        batch_size=size,
    )


@given(made=requests())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_a_form_held_before_a_restored_recipe_asks_for_the_same_again(
    services, fields, made
):
    services.settings.max_pixels = 2**40
    assert asked(services, fields, after(services, {"recipe": values_of(services, made)})) == made


# --- what else becomes of a form -----------------------------------------------------------------


def test_the_whole_form_is_filled_and_old_options_are_emptied(services) -> None:
    made = GenerationRequest(
        model="small", prompt="new", seed=7, sampler="Euler a", rng="nv",
        sampling=SamplingOptions(eta=0.25), images=6, batch_size=3, width=128,
    )  # fmt: skip
    assert after(services, {"recipe": values_of(services, made)}) == {
        **{"prompt": "new", "negative_prompt": "", "model": "small", "sampler": "Euler a"},
        **{"schedule": "Automatic", "steps": 20, "guidance_scale": 7, "width": 128, "height": 512},
        **{"batch_count": 2, "batch_size": 3, "seed": 7, "rng": "nv", "sampling.eta": "0.25"},
        **{name: "" for name in USED if "." in name and name != "sampling.eta"},
        **{"variation.seed": -1, "variation.strength": 0},
    }


def test_what_a_recipe_does_not_say_stays_but_for_options(services) -> None:
    said = {"prompt": "new", "model": None, "width": None, "seed": 5, "sampling.eta": None}
    assert after(services, {"recipe": said}) == USED | {
        "prompt": "new", "seed": 5, "sampling.eta": "",
    }  # fmt: skip


def test_taking_it_back_gives_the_form_as_it_stood_wrong_values_and_all(services) -> None:
    stood = USED | {"steps": None, "sampling.eta": "much", "width": 500, "batch_count": 3}
    assert after(services, {"form": stood}) == stood


def menus_with(services: Any, order: dict[str, Any]) -> dict[str, Any]:
    names = ["sampler", *options.MENUS]
    updates = recipe.filled(services.registry, names, json.dumps(order))
    return dict(zip(names, updates, strict=True))


def test_menus_offer_what_the_restored_sampler_has(services) -> None:
    told = {"sampler": "UniPC", "sampling.order": 2, "sampling.solver_type": "bh2"}
    menus = menus_with(services, {"recipe": told})
    assert menus["sampling.solver_type"] == {
        "__type__": "update",
        "choices": [["Default (bh1)", ""], ["bh1", "bh1"], ["bh2", "bh2"]],
        "value": "bh2",
    }
    assert menus["sampling.order"]["value"] == "2"
    assert ["2", "2"] in menus["sampling.order"]["choices"]


def test_a_hidden_menu_keeps_what_it_held_when_it_is_taken_back(services) -> None:
    held = {"sampler": "Euler", "sampling.order": "", "sampling.solver_type": "bh2"}
    menus = menus_with(services, {"form": held})
    assert menus["sampling.solver_type"]["value"] == "bh2"
    assert menus["sampling.solver_type"]["choices"] == [["Default", ""], ["bh2", "bh2"]]
    assert menus["sampling.order"]["choices"] == [["Default", ""]]


def test_every_component_of_the_form_is_filled(services) -> None:
    """So that a new field cannot be forgotten: values for all, and the form takes each."""
    with gr.Blocks():
        quick = quick_settings.build(services)
        made = txt2img.sheet("txt2img", services, quick)
        components = {**quick.fields, **prompts.build("txt2img"), **made}
    asked = GenerationRequest(model="small", prompt="", seed=0)
    updates = recipe.filled(
        services.registry, list(components), json.dumps({"recipe": values_of(services, asked)})
    )
    left = [name for name, each in zip(components, updates, strict=True) if "value" not in each]
    # a recipe without a second pass turns it off, and leaves how it would be as it was
    assert left == [name for name in components if name.startswith("hires.") and name != "hires.on"]
    assert dict(zip(components, updates, strict=True))["hires.on"]["value"] is False


def test_the_paste_button_and_the_tab_for_pictures_are_there(services) -> None:
    config = page.build(services).get_config_file()
    props = {each["props"].get("elem_id"): each["props"] for each in config["components"]}
    assert props["paste"]["value"].startswith("Restore a recipe")
    assert props["tab_pnginfo"]["label"] == "PNG Info"
    skeleton = props["pnginfo_panel"]["html_template"]
    assert all(f'id="{each}"' in skeleton for each in ("pnginfo_image", "pnginfo-send"))
