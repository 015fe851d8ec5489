"""A1111's script "X/Y/Z plot" by its API: arguments by place, the grid first, what is not here."""

import base64
import io
import json

import pytest
from PIL import Image

from tests.api.test_xyz import plotting
from tests.sdapi.conftest import FULL, Api, Engine, client, puppet, running  # noqa: F401
from webui.api.sdapi import plots
from webui.metadata import read_text


@pytest.fixture
def whole(services):
    from dataclasses import replace

    return replace(plotting(services, FULL), backend=Engine(services.backend))


@pytest.fixture
def api(client, whole, running):  # noqa: F811
    return Api(client, whole)


def arguments(x=("Nothing", "", []), y=("Nothing", "", []), z=("Nothing", "", []), *rest):
    """As A1111 1.10 has them."""
    return [*x, *y, *z, *(rest or (True, True, False, False, False, False, False, 0, False))]


def images(answer):
    data = [base64.b64decode(each) for each in answer.json()["images"]]
    return [Image.open(io.BytesIO(each)) for each in data]


def test_a_plot_is_answered_with_its_grid_and_its_pictures(api):
    said = arguments((4, "2-3", []), ("CFG Scale", "", ["2", "3.5"]))
    answer = api.txt2img(script_name="X/Y/Z plot", script_args=said)
    assert answer.status_code == 200, answer.text
    grid, *cells = images(answer)
    assert [each.size for each in cells] == [(64, 64)] * 4
    assert grid.width > 128 and grid.height > 128
    info = json.loads(answer.json()["info"])
    assert (info["index_of_first_image"], info["all_seeds"]) == (1, [7] * 4)
    told = [dict(read_text(text).pairs) for text in info["infotexts"]]
    assert (told[0]["Script"], told[0]["X Type"], told[0]["X Values"]) == (
        "X/Y/Z plot", "Steps", "2-3",
    )  # fmt: skip
    assert [(each["Steps"], each["CFG scale"]) for each in told[1:]] == [
        ("2", "2"), ("3", "2"), ("2", "3.5"), ("3", "3.5"),
    ]  # fmt: skip
    left = [each for each in api.services.settings.outputs.rglob("*.png")]
    assert left == []  # nothing was to be saved


def test_the_grid_alone_where_the_call_says_so_and_what_is_saved_stays(api):
    said = arguments((1, "1, 2", []), *[("Nothing", "", [])] * 2, True, False, False, False, 0)
    answer = api.img2img(script_name="x/y/z plot", script_args=said, save_images=True)
    (grid,) = images(answer)
    assert json.loads(answer.json()["info"])["infotexts"][0] == grid.text["parameters"]
    assert len(list(api.services.settings.outputs.rglob("*.png"))) == 3


@pytest.mark.parametrize(
    ("img2img", "number", "label"),
    [
        (False, 0, "Nothing"), (False, 1, "Seed"), (False, 4, "Steps"), (False, 5, "Hires steps"),
        (False, 6, "CFG Scale"), (False, 7, "Prompt S/R"), (False, 9, "Sampler"),
        (False, 11, "Checkpoint name"), (False, 17, "Schedule type"), (False, 25, "Denoising"),
        (False, 41, "Size"), (True, 6, "Image CFG Scale"), (True, 9, "Sampler"),
    ],
)  # fmt: skip
def test_axes_are_counted_as_a1111_counts_those_of_a_tab(img2img, number, label):
    assert plots.axes(img2img)[number] == label


def test_arguments_fill_the_controls_of_either_version():
    new, old = {}, {}
    rest = (False, True, False, True, True, False, True, 6, False)
    said = arguments((1, "-1", []), (9, "", ["Euler a", "a,b"]), (0, "", []), *rest)
    plots._fill(False, new, said)
    assert {name.rpartition(".")[2]: value for name, value in new.items()} == {
        "on": True, "x_axis": "Seed", "x_values": "-1", "y_axis": "Sampler",
        "y_values": 'Euler a,"a,b"', "z_axis": "Nothing", "z_values": "", "legend": False,
        "keep_random": True, "vary_x": True, "vary_y": False, "vary_z": True, "margin": 6,
    }  # fmt: skip
    said = arguments((4, "1", []), (0, "", []), (0, "", []), True, False, False, False, 8)
    plots._fill(True, old, said)
    assert old["extras.xyz_plot.margin"] == 8
    assert "extras.xyz_plot.vary_x" not in old


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (("Styles", "a", []), "script_args: x_axis: must be Nothing or one of"),
        ((99, "a", []), "script_args: x_type: must be an axis' name or its number from 0 to 41"),
        ((True, "a", []), "script_args: x_type"),
        ((4, 5, []), "script_args: x_values"),
        ((4, "1, cat", []), "script_args: x_values: of Steps: 'cat' is no number"),
        ((4, "0", []), "script_args: x_values: cannot be made at Steps '0'"),
        ((0, "", []), "script_args: x_axis: is Nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(api, x, said):
    answer = api.txt2img(script_name="X/Y/Z plot", script_args=arguments(x))
    assert answer.status_code == 422
    assert said in api.refusal(answer)
    assert api.services.line.jobs(5) == []


def test_it_is_listed_for_both_tabs(api):
    assert api.get("scripts").json()["txt2img"] == ["x/y/z plot", "xyz_plot"]
    told = [each for each in api.get("script-info").json() if each["name"] == plots.NAME]
    assert [each["is_img2img"] for each in told] == [False, True]
    assert told[0]["args"][0]["choices"] == plots.axes(False)
