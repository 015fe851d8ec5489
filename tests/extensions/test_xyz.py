"""X/Y/Z plot: what is written for an axis, the cells, their order and their requests exactly."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.conftest import REGISTRY, puppet, services  # noqa: F401
from webui import Axis, ControlGroup, FilterContext, NumberField, axes_of, to_dict
from webui.errors import InvalidRequest
from webui.extensions import find
from webui.extensions.discovery import SHIPPED
from webui.extensions.loading import tables_of
from webui.interfaces.server_hooks import Owned
from webui.request import GenerationRequest, Hires

(FOUND,) = [each for each in find(SHIPPED / "nowhere") if each.id == "xyz_plot"]
TABLES = tables_of(FOUND.folder, FOUND.manifest, "server")
from darkroom_extensions.xyz_plot import layout, values  # noqa: E402  # loaded by the line before

((_, GROUP),) = TABLES["controls"]
((_, FILTER),) = TABLES["request_filters"]
AXES = dict(TABLES["axes"])


def axis(kind="whole", **more):
    return Axis(label="An axis", help=".", example="1", kind=kind, put=lambda *_: None, **more)


_OWNED = {label: Owned("xyz_plot", each) for label, each in AXES.items()}


@pytest.fixture
def plotted(services, tmp_path):  # noqa: F811
    """(request, controls) -> what the plot makes of it; `asked` is what was sent."""
    there = replace(
        services,
        registry=replace(REGISTRY, axes=_OWNED, controls={"xyz_plot": GROUP}),
        settings=replace(services.settings, max_waiting=10_000),
    )

    def made(request, *, asked=None, **given):
        whole = {each.name: each.default for each in (*GROUP.fields, *GROUP.written)}
        whole |= {"on": True} | given
        context = FilterContext(
            values=whole,
            folder=tmp_path,
            services=there,
            id="plot-0001",
            asked=asked or {"seed": 7},
        )
        return list(FILTER.apply(replace(request, extras={"xyz_plot": whole}), context))

    made.services = there
    return made


def request(prompt="a cat", **more):
    return GenerationRequest(
        model="toy", prompt=prompt, seed=7, width=256, height=256, sampler="Euler a", **more
    )


# --- what is written -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", [5]),
        ("1, 2,  3,", [1, 2, 3]),
        ("1-5", [1, 2, 3, 4, 5]),
        ("1-10 (+2)", [1, 3, 5, 7, 9]),
        ("1 - 10(+3)", [1, 4, 7, 10]),
        ("10-1 (-3)", [10, 7, 4, 1]),
        ("1-10 [5]", [1, 3, 5, 7, 10]),  # as A1111 cuts them
        ("10-1 [4]", [10, 7, 4, 1]),
        ("-1", [-1]),
        ("-3--1", [-3, -2, -1]),
        ("5-5", [5]),
        ("20, 1-3, 7-8 [2]", [20, 1, 2, 3, 7, 8]),
        ("1\n2", [1, 2]),
    ],
)
def test_whole_numbers(text, expected):
    assert values.of_axis(axis("whole"), text, None) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.0-2.0 (+0.25)", [1.0, 1.25, 1.5, 1.75, 2.0]),
        ("0-1 (+0.1)", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        ("0-1 [5]", [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("1-0 (-0.5)", [1.0, 0.5, 0.0]),
        ("0.3-0.9 (+0.2)", [0.3, 0.5, 0.7, 0.9]),
        ("7", [7.0]),
        (".5, 1e-2", [0.5, 0.01]),
        ("1-3", [1.0, 2.0, 3.0]),
    ],
)
def test_numbers_are_added_as_they_are_written(text, expected):
    assert values.of_axis(axis("number"), text, None) == expected


def test_a_list_has_quotes_for_commas_and_keeps_its_order():
    text = 'cat, "a dog, running", "say ""hi""", cat'
    assert values.of_axis(axis("text"), text, None) == ["cat", "a dog, running", 'say "hi"', "cat"]
    assert values.of_axis(axis("flag"), "true, False", None) == [True, False]


def test_nothing_is_all_where_all_are_known_and_capitals_do_not_matter():
    known = axis("text", choices=lambda _: ["Euler a", "DDIM"])
    assert values.of_axis(known, " ", None) == ["Euler a", "DDIM"]
    assert values.of_axis(known, "ddim, other", None) == ["DDIM", "other"]


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("whole", "", "values of An axis are missing; such as 1"),
        ("whole", "cat", "values of An axis: 'cat' is no number and no range"),
        ("whole", "1.5", "values of An axis: '1.5' is no whole number"),
        ("whole", "5-1", "values of An axis: '5-1' never comes to its end; try 5-1 (-1)"),
        ("whole", "1-5 (+0)", "never comes to its end"),
        ("whole", "1-5 [0]", "asks for 0 values"),
        ("whole", "1-900000", "are more than 500"),
        ("number", "0-1 (+0.0001)", "are more than 500"),
        ("number", "nan", "is no number"),
        ("flag", "perhaps", "'perhaps' is neither True nor False"),
        ("whole", "1" * 30_000, "more than 20000 characters"),
    ],
)
def test_a_wrong_value_is_named_with_its_axis(kind, text, said):
    with pytest.raises(InvalidRequest) as raised:
        values.of_axis(axis(kind), text, None)
    assert said in str(raised.value).replace("values: of", "values of")


@given(st.integers(-500, 500), st.integers(0, 400), st.integers(1, 60))
def test_a_range_is_what_range_says_both_ends_included(first, length, step):
    last = first + length
    up = values.of_axis(axis(), f"{first}-{last} (+{step})", None)
    assert up == list(range(first, last + 1, step))
    down = values.of_axis(axis(), f"{last}-{first} (-{step})", None)
    assert down == list(range(last, first - 1, -step))


@given(st.integers(-100, 100), st.integers(-100, 100), st.integers(2, 50))
def test_so_many_numbers_lie_evenly_and_end_at_the_ends(first, last, count):
    made = values.of_axis(axis("number"), f"{first}-{last} [{count}]", None)
    assert made == [float(first + Fraction(last - first) * at / (count - 1)) for at in range(count)]


@given(st.lists(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1), min_size=1))
def test_what_is_quoted_comes_back(entries):
    text = ", ".join('"' + each.replace('"', '""') + '"' for each in entries)
    assert values.of_axis(axis("text"), text, None) == entries


@given(st.text(max_size=200), st.sampled_from(["whole", "number", "flag", "text"]))
def test_any_text_is_values_or_refused(text, kind):
    try:
        made = values.of_axis(axis(kind), text, None)
    except InvalidRequest:
        return
    assert 1 <= len(made) <= values.MOST


# --- the cells -----------------------------------------------------------------------------------


def test_every_cell_is_the_request_with_its_values_and_nothing_else(plotted):
    made = plotted(request(), x_axis="Steps", x_values="1-3", y_axis="cfg scale", y_values="1, 4.5")
    assert made == [
        request(steps=steps, guidance_scale=scale) for scale in (1.0, 4.5) for steps in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("axes", "order"),
    [
        ("Steps Seed Eta", "zyx"),
        ("Checkpoint name Steps Seed", "xzy"),
        ("Steps Checkpoint name VAE", "yzx"),
        ("VAE Checkpoint name Steps", "yxz"),
        ("Steps VAE Checkpoint name", "zyx"),
    ],
)
def test_what_is_costly_to_change_changes_least_often(axes, order):
    costs = {"Checkpoint name": 1.0, "VAE": 0.7}
    names = [each for each in axes.replace("Checkpoint name", "Checkpoint_name").split()]
    lines = tuple(
        layout.Line(
            letter,
            Axis(label=name, help=".", example=".", put=print,
                 cost=costs.get(name.replace("_", " "), 0.0)),
            (1, 2),
        )
        for letter, name in zip("xyz", names, strict=True)
    )  # fmt: skip
    cells = list(layout.Layout(lines, None).cells())
    changes = {
        letter: sum(one["xyz".index(letter)] != other["xyz".index(letter)]
                    for one, other in pairwise(cells))
        for letter in "xyz"
    }  # fmt: skip
    assert "".join(sorted("xyz", key=changes.get)) == order
    assert sorted(cells) == [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]


def prompts(made):
    return [each.prompt for each in made]


def test_words_are_found_and_replaced_in_both_prompts(plotted):
    asked = request("a cat, cat food", negative_prompt="dead cat")
    made = plotted(asked, x_axis="Prompt S/R", x_values='cat, dog, "cow, brown"')
    assert prompts(made) == ["a cat, cat food", "a dog, dog food", "a cow, brown, cow, brown food"]
    assert made[1].negative_prompt == "dead dog"


def test_words_are_put_in_every_order_in_the_places_that_they_have(plotted):
    made = plotted(request("a, then b; c!"), x_axis="Prompt order", x_values="a, b, c")
    assert prompts(made) == [
        "a, then b; c!", "a, then c; b!", "b, then a; c!",
        "b, then c; a!", "c, then a; b!", "c, then b; a!",
    ]  # fmt: skip


def test_loras_take_the_first_ones_place_and_weights_are_all(plotted):
    asked = request("x <lora:old:0.7> y")
    made = []
    for value in ("new", "None"):
        told = to_dict(asked)
        AXES["LoRA"].put(told, value, ())
        made.append(told["prompt"])
    assert made == ["x <lora:new:0.7> y", "x  y"]
    told = to_dict(request("x"))
    AXES["LoRA"].put(told, "new", ())
    assert told["prompt"] == "x <lora:new:1>"
    told = to_dict(request("<lora:a> <lora:b:0.2> <lora:c:0.2:1> <lora:d:te=1:unet=0>"))
    AXES["LoRA weight"].put(told, 0.5, ())
    assert told["prompt"] == "<lora:a:0.5> <lora:b:0.5> <lora:c:0.5:1> <lora:d:0.5:te=1:unet=0>"


def test_sizes_samplers_seeds_and_the_second_pass(plotted):
    assert [
        (each.width, each.height) for each in plotted(request(), x_axis="Size", x_values="128x256")
    ] == [(128, 256)]
    made = plotted(request(), x_axis="Sampler", x_values="", y_axis="Schedule type", y_values="")
    assert [(each.sampler, each.schedule) for each in made] == [
        ("DPM++ 2M", "Automatic"), ("Euler a", "Automatic"),
        ("DPM++ 2M", "Karras"), ("Euler a", "Karras"),
    ]  # fmt: skip
    second = request(hires=Hires(upscaler="Latent"))
    made = plotted(second, x_axis="Hires steps", x_values="3", y_axis="Denoising", y_values="0.5")
    assert [(each.hires.steps, each.hires.strength) for each in made] == [(3, 0.5)]


def test_a_random_seed_is_drawn_once_for_all_or_for_each(plotted):
    once = plotted(request(), asked={"seed": -1}, x_axis="Steps", x_values="1-4")
    assert {each.seed for each in once} == {7}
    each = plotted(request(), asked={"seed": -1}, x_axis="Steps", x_values="1-4", keep_random=True)
    assert len({one.seed for one in each}) == 4
    again = plotted(request(), asked={"seed": -1}, x_axis="Steps", x_values="1-4", keep_random=True)
    assert again == each
    kept = plotted(request(), asked={"seed": 7}, x_axis="Steps", x_values="1-4", keep_random=True)
    assert {one.seed for one in kept} == {7}


def test_random_seeds_on_an_axis_are_the_same_all_along_the_other(plotted):
    given = {"x_axis": "Seed", "x_values": "-1, 5, -1", "y_axis": "Steps", "y_values": "1, 2"}
    made = [each.seed for each in plotted(request(), **given)]
    assert made[:3] == made[3:] and made[1] == 5 and len(set(made)) == 3
    assert len({each.seed for each in plotted(request(), **given, keep_random=True)}) == 5


def test_seeds_count_up_along_the_axes_that_vary_them(plotted):
    given = {"x_axis": "Steps", "x_values": "1-3", "y_axis": "CFG Scale", "y_values": "2, 3"}
    for vary, seeds in (
        ({"vary_x": True}, [7, 8, 9, 7, 8, 9]),
        ({"vary_y": True}, [7, 7, 7, 8, 8, 8]),
        ({"vary_x": True, "vary_y": True}, [7, 8, 9, 10, 11, 12]),
    ):
        assert [each.seed for each in plotted(request(), **given, **vary)] == seeds


@pytest.mark.parametrize(
    ("controls", "field", "said"),
    [
        ({}, "x_axis", "is Nothing, and so are Y and Z"),
        ({"x_axis": "Stepps", "x_values": "1"}, "x_axis", "got 'Stepps'"),
        ({"y_axis": "Steps", "y_values": "1, zwei"}, "y_values", "of Steps: 'zwei' is no number"),
        ({"x_axis": "Steps", "x_values": "1, 0"}, "x_values",
         "cannot be made at Steps '0': steps: must be from 1 to 150, got 0; try 1"),
        ({"x_axis": "Sampler", "x_values": "Euler a, Eular"}, "x_values", "Sampler 'Eular'"),
        ({"x_axis": "CFG Scale", "x_values": "2", "z_axis": "Steps", "z_values": "1, 999"},
         "z_values", "cannot be made at Steps '999'"),
        ({"x_axis": "Prompt S/R", "x_values": "dog, cat"}, "x_values", "has no 'dog'"),
        ({"x_axis": "Hires steps", "x_values": "4"}, "x_values", "needs Hires. fix; switch it on"),
        ({"x_axis": "LoRA weight", "x_values": "1"}, "x_values", "has no <lora:...>"),
        ({"x_axis": "Steps", "x_values": "1", "y_axis": "Steps", "y_values": "2"}, "y_axis",
         "is Steps, as another is"),
        ({"x_axis": "Seed", "x_values": "1-100", "y_axis": "Steps", "y_values": "1-6"},
         "x_values", "would make 600 pictures (100 x 6); at most 500"),
        ({"x_axis": "Seed", "x_values": "4294967296"}, "x_values", "Seed '4294967296'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named_with_axis_and_value(plotted, controls, field, said):
    with pytest.raises(InvalidRequest) as raised:
        plotted(request(), **controls)
    assert raised.value.field == f"extras.xyz_plot.{field}"
    assert said in raised.value.problem


def test_every_field_of_a_request_is_an_axis_and_each_says_what_its_values_look_like(plotted):
    known = axes_of(plotted.services)
    assert list(known)[:7] == [
        "Seed", "Steps", "CFG Scale", "Sampler", "Schedule type", "Checkpoint name", "VAE",
    ]  # fmt: skip
    assert {"Prompt S/R", "Hires upscaler", "Clip skip", "RNG source", "Mask blur"} <= set(known)
    assert all(each.help and each.example for each in known.values())
    assert not any(label.startswith("X/Y/Z plot") for label in known)


def test_a_plot_that_is_off_changes_nothing(plotted):
    asked = request()
    (same,) = plotted(asked, on=False, x_axis="Steps", x_values="1-3")
    assert same.steps == asked.steps


def test_a_registered_axis_and_a_control_of_another_extension_are_axes(plotted):
    def put(told, value, listed):
        told["prompt"] = f"{told['prompt']} {value} of {listed[-1]}"

    group = ControlGroup(
        name="toy",
        title="Toy",
        fields=(
            NumberField(
                name="power", label="Power", default=1.0, minimum=0.0, maximum=2.0, step=0.1,
                help=".",
            ),
        ),
    )  # fmt: skip
    registry = plotted.services.registry
    there = replace(
        registry,
        axes={
            **registry.axes,
            "Ending": Owned("toy", Axis(label="Ending", help=".", example="1", put=put)),
        },
        controls={**registry.controls, "toy": group},
    )
    object.__setattr__(plotted.services, "registry", there)
    made = plotted(
        request(), x_axis="Ending", x_values="1, 2", y_axis="toy: power", y_values="0, 1.5"
    )
    assert [(each.prompt, each.extras) for each in made] == [
        ("a cat 1 of 2", {"toy": {"power": 0.0}}), ("a cat 2 of 2", {"toy": {"power": 0.0}}),
        ("a cat 1 of 2", {"toy": {"power": 1.5}}), ("a cat 2 of 2", {"toy": {"power": 1.5}}),
    ]  # fmt: skip
    with pytest.raises(InvalidRequest, match=r"cannot be made at Toy: Power '3': extras.toy.power"):
        plotted(request(), x_axis="Toy: Power", x_values="3")


def test_controls_that_are_called_the_same_are_axes_all_the_same(plotted):
    def group(name, title):
        field = NumberField(
            name="power", label="Power", default=1.0, minimum=0.0, maximum=2.0, step=0.1, help="."
        )
        return ControlGroup(name=name, title=title, fields=(field,))

    there = replace(
        plotted.services.registry, controls={"toy": group("toy", "Toy"), "two": group("two", "toy")}
    )
    known = axes_of(replace(plotted.services, registry=there))
    assert [label for label in known if "oy" in label] == ["Toy: Power", "toy: Power (two)"]
    assert known["toy: Power (two)"].label == "toy: Power (two)"
    values = to_dict(request())
    known["toy: Power (two)"].put(values, 1.5, [1.5])
    assert values["extras"] == {"two": {"power": 1.5}}


def failing_axis(**more):
    def put(told, value, listed):
        raise KeyError("planted")

    made = Axis(**{"label": "Ending", "help": ".", "example": "1", "put": put} | more)
    return Owned("toy", made)


def with_axis(plotted, owned):
    registry = plotted.services.registry
    there = replace(registry, axes={**registry.axes, owned.value.label: owned})
    object.__setattr__(plotted.services, "registry", there)


@pytest.mark.parametrize("at", ["put", "expand", "choices", "choices_of_what"])
def test_an_axis_that_fails_is_its_owners_fault_and_not_the_plots(plotted, at):
    def raises(*_):
        raise KeyError("planted")

    fault = {"put": {}, "expand": {"expand": raises}, "choices": {"choices": raises}}
    with_axis(plotted, failing_axis(**fault.get(at, {"choices": lambda there: 7})))
    written = "" if at.startswith("choices") else "1, 2"
    said = "TypeError: choices must give a sequence, gave int" if "what" in at else "KeyError: 'pl"
    with pytest.raises(InvalidRequest) as caught:
        plotted(request(), x_axis="Ending", x_values=written)
    assert caught.value.field == "extras.xyz_plot.x_values"
    assert f"Ending: the axis of the extension toy did not run: {said}" in str(caught.value)
    report = plotted.services.extensions.conduct.report()
    mishap = report["toy"]["mishap"]
    assert (mishap["owner"], mishap["hook"], "xyz_plot" in report) == ("toy", "axis", False)
    assert "Traceback" in mishap["trace"]


def test_an_axis_without_its_choices_takes_what_is_written(plotted):
    def put(told, value, listed):
        told["prompt"] = value

    def choices(there):
        raise KeyError("planted")

    with_axis(plotted, failing_axis(put=put, choices=choices))
    made = plotted(request(), x_axis="Ending", x_values="one, two")
    assert [each.prompt for each in made] == ["one", "two"]
