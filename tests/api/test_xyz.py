"""X/Y/Z plot over HTTP: cells as jobs, the grid with its recipe, restarts, limits."""

import json
from dataclasses import replace

import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.api.conftest import CAT, REGISTRY
from tests.jobs.fakes import Puppet
from webui import Axis, recipes
from webui.api import server
from webui.events import Picture, Rendered
from webui.extensions import Catalogue, find
from webui.extensions.discovery import SHIPPED
from webui.extensions.loading import tables_of
from webui.guard import Guard, Rules
from webui.interfaces.server_hooks import Owned
from webui.jobs.line import JobLine
from webui.jobs.log import Log
from webui.jobs.store import Store
from webui.metadata import read_parameters, read_text
from webui.request import from_dict

(FOUND,) = [each for each in find(SHIPPED / "nowhere") if each.id == "xyz_plot"]
TABLES = tables_of(FOUND.folder, FOUND.manifest, "server")
from darkroom_extensions.xyz_plot import keeper  # noqa: E402  # loaded by the line before

ASK = "/api/v1/extensions/xyz_plot"
STEPS = {"x_axis": "Steps", "x_values": "1-3", "y_axis": "CFG Scale", "y_values": "2, 3.5"}
PLOT = {"on": True, **STEPS}


def registry(base=REGISTRY):
    return replace(
        base,
        axes={label: Owned("xyz_plot", each) for label, each in TABLES["axes"]},
        controls=dict(TABLES["controls"]),
        request_filters=tuple(Owned("xyz_plot", each) for _, each in TABLES["request_filters"]),
        metadata_fields={key: Owned("xyz_plot", each) for key, each in TABLES["metadata_fields"]},
        own_routes=tuple(Owned("xyz_plot", each) for _, each in TABLES["routes"]),
    )


def plotting(services, base=REGISTRY):
    settings = replace(services.settings, max_waiting=1000)
    services.line.order._max_waiting = 1000
    catalogue = Catalogue(data_dir=settings.data_dir)
    return replace(services, settings=settings, registry=registry(base), extensions=catalogue)


def client_of(services):
    rules = Rules(uploads=services.settings.temp_dir, outputs=services.settings.outputs)
    guarded = Guard(server.create(services), rules)
    return TestClient(guarded, "http://localhost:7860", raise_server_exceptions=False)


class Painter(Puppet):
    """Its pictures are 32 pixels wide, in the colour of their seed."""

    def _render(self, asked, batch):
        for image, alone in enumerate(asked.batch(batch), batch * asked.batch_size):
            rgb = (alone.seed % 2**24).to_bytes(3, "big") * (32 * 24)
            yield Rendered(image, Picture(32, 24, rgb), alone, 0.5, 9)


@pytest.fixture
def puppet(tmp_path):
    return Painter(tmp_path / "kept")


@pytest.fixture
def plots(services):
    there = plotting(services)
    with client_of(there) as client:
        client.services = there
        yield client


def begin(client, id="plot-0001", extras=PLOT, **values):
    body = {"request": CAT | values | {"extras": {"xyz_plot": extras}}, "id": id, "owner": "tab"}
    return client.post("/api/v1/jobs", json=body)


def seen(client, until, id="plot-0001"):
    for _ in range(2000):
        said = client.get(f"{ASK}/plots/{id}").json()
        if until(said):
            return said
        client.services.line.wait_a_moment()
    raise AssertionError(said)


@pytest.fixture(autouse=True)
def moment(monkeypatch):
    """A look at the line that lets its thread go on."""
    import time

    monkeypatch.setattr(JobLine, "wait_a_moment", lambda line: time.sleep(0.01), raising=False)


def test_every_cell_is_a_job_and_the_grid_grows(plots, puppet):
    answer = begin(plots)
    assert answer.status_code == 201
    ids = ["plot-0001", *(f"plot-0001-{number}" for number in range(1, 6))]
    assert [answer.json()["id"], *answer.json()["others"]] == ids
    asked = [plots.services.line.job(id).request for id in ids]
    assert [(each.steps, each.guidance_scale, each.seed, each.extras) for each in asked] == [
        (steps, scale, 5, {}) for scale in (2.0, 3.5) for steps in (1, 2, 3)
    ]
    said = seen(plots, lambda said: said["cells"][0]["state"] == "running")
    assert (said["done"], said["of"], said["sizes"], said["over"]) == (0, 6, [3, 2, 1], False)
    assert [each["values"] for each in said["axes"]] == [
        ["Steps: 1", "Steps: 2", "Steps: 3"], ["CFG Scale: 2", "CFG Scale: 3.5"],
    ]  # fmt: skip
    assert [(each["job"], each["place"]) for each in said["cells"]] == [
        (id, [number % 3, number // 3, 0]) for number, id in enumerate(ids)
    ]
    puppet.order("finish", "finish")
    said = seen(plots, lambda said: said["done"] == 2)
    picture = plots.get("/" + said["cells"][1]["url"])
    assert (picture.status_code, said["grid"], said["over"]) == (200, "", False)


def test_the_finished_grid_is_a_picture_with_the_recipe_of_all(plots, puppet):
    begin(plots, seed=-1, extras=PLOT | {"x_axis": "Seed", "x_values": "-1, 2", "margin": 4})
    puppet.order(*["finish"] * 4)
    said = seen(plots, lambda said: said["over"])
    path = plots.services.settings.outputs / said["grid"].removeprefix("api/v1/pictures/")
    with Image.open(path) as image:
        text, record = image.text["parameters"], image.text["darkroom"]
        size = image.size
    cell = plots.services.line.job("plot-0001").pictures[0]
    assert size[0] > 2 * cell.width + 4 and size[1] > 2 * cell.height + 4
    pairs = dict(read_text(text).pairs)
    fixed = pairs["Fixed X Values"].split(", ")
    drawn = [plots.services.line.job(f"plot-0001{end}").request.seed for end in ("", "-1")]
    assert fixed == [str(drawn[0]), "2"] == [str(each) for each in drawn]
    assert {key: pairs[key] for key in pairs if key[:2] in ("X ", "Y ", "Z ", "Sc")
            and key != "Schedule type"} == {
        "Script": "X/Y/Z plot", "X Type": "Seed", "X Values": "-1, 2",
        "Y Type": "CFG Scale", "Y Values": "2, 3.5",
    }  # fmt: skip
    for given in ((text, record), (text, None)):
        found = recipes.read(plots.services.recipe_tables, *given)
        kept = {name: found.values[f"extras.xyz_plot.{name}"] for name in (*PLOT, "margin")}
        assert [each.key for each in found.lost if "Plot" in each.key or "X" in each.key] == []
        if given[1]:
            assert kept == PLOT | {"x_axis": "Seed", "x_values": "-1, 2", "margin": 4}
        else:
            assert kept | {"margin": 4} == PLOT | {"x_axis": "Seed", "x_values": "-1, 2",
                                                   "margin": 4}  # fmt: skip


def test_a_cells_recipe_is_its_own_and_says_nothing_of_the_plot(plots, puppet):
    begin(plots)
    puppet.order(*["finish"] * 6)
    said = seen(plots, lambda said: said["over"])
    for cell in said["cells"]:
        path = plots.services.settings.outputs / cell["picture"]
        with Image.open(path) as image:
            record = json.loads(image.text["darkroom"])["request"]
        assert from_dict(record) == plots.services.line.job(cell["job"]).request
        assert "X Type" not in read_parameters(path)


def test_a_cell_that_fails_leaves_its_place_empty(plots, puppet):
    begin(plots, extras=PLOT | {"y_axis": "Nothing", "legend": False})
    puppet.order("finish", "fail", "finish")
    said = seen(plots, lambda said: said["over"])
    assert [each["state"] for each in said["cells"]] == ["done", "failed", "done"]
    with Image.open(plots.services.settings.outputs / said["grid"][16:]) as image:
        cell = plots.services.line.job("plot-0001").pictures[0]
        assert image.size == (3 * cell.width, cell.height)
        assert image.getpixel((cell.width + 1, 0)) == (226, 226, 230)


def test_a_grid_that_cannot_be_saved_is_said_and_not_tried_at_each_look(plots, puppet, monkeypatch):
    tried = []

    def full(*given):
        tried.append(given)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keeper, "save_sheet", full)
    begin(plots)
    puppet.order(*["finish"] * 6)
    said = seen(plots, lambda said: said["over"])
    assert (said["grid"], said["problem"]) == ("", "[Errno 28] No space left on device")
    for _ in range(5):
        assert plots.get(f"{ASK}/plots/plot-0001").json() == said
    assert plots.get(f"{ASK}/plots").json()["plots"] == [{"id": "plot-0001", "over": True}]
    assert len(tried) == 1
    monkeypatch.undo()
    with client_of(plots.services) as again:  # as a start does
        said = again.get(f"{ASK}/plots/plot-0001").json()
    assert (said["over"], said["problem"], said["grid"] != "") == (True, "", True)


def test_who_asks_for_a_plot_writes_nothing(plots, puppet, monkeypatch):
    monkeypatch.setattr(keeper.Keeper, "_try", lambda self, plot: None)
    begin(plots)
    puppet.order(*["finish"] * 6)
    said = seen(plots, lambda said: said["done"] == 6)
    folder = plots.services.settings.data_dir / "extension-data" / "xyz_plot" / "plots"
    before = {each: each.stat().st_mtime_ns for each in folder.iterdir()}
    for _ in range(3):
        assert plots.get(f"{ASK}/plots/plot-0001").json() == said
    assert (said["over"], said["active"]) == (False, 0)
    assert {each: each.stat().st_mtime_ns for each in folder.iterdir()} == before


def test_all_of_it_is_cancelled_at_once(plots, puppet):
    begin(plots)
    seen(plots, lambda said: said["cells"][0]["state"] == "running")
    assert plots.post(f"{ASK}/plots/plot-0001/cancel").json() == {"cancelled": 6}
    said = seen(plots, lambda said: said["over"])
    assert {each["state"] for each in said["cells"]} == {"cancelled"}
    assert said["grid"] == ""


def test_sent_twice_it_is_one_plot(plots, puppet):
    first = begin(plots, seed=-1).json()
    assert begin(plots, seed=-1).json()["others"] == first["others"]
    assert len(plots.services.line.jobs(50)) == 6
    assert plots.get(f"{ASK}/plots").json()["plots"] == [{"id": "plot-0001", "over": False}]


def test_after_a_restart_the_interrupted_cell_and_the_rest_go_on(services, puppet):
    there = plotting(services)
    with client_of(there) as client:
        client.services = there
        begin(client)
        puppet.order("finish")
        seen(client, lambda said: said["done"] == 1 and said["cells"][1]["state"] == "running")
    services.line.close()  # as the server's end does
    states = [services.line.job(f"plot-0001-{n}").state for n in (1, 2)]
    assert states == ["interrupted", "queued"]
    store = Store(services.settings.data_dir / "jobs.sqlite")
    line = JobLine(store, Log(), services.line._workshop, max_waiting=1000)
    try:
        again = replace(there, line=line)
        with client_of(again) as client:
            client.services = again
            puppet.order(*["finish"] * 5)
            said = seen(client, lambda said: said["over"])
        assert [each["state"] for each in said["cells"]] == ["done"] * 6
        assert (said["done"], said["grid"] != "") == (6, True)
    finally:
        line.close()
        store.close()


def test_what_does_not_fit_is_refused_before_anything_is_queued(plots):
    plots.services.line.pause()
    for extras, said in (
        (PLOT | {"x_values": "1-150", "y_values": "1-4"}, "would make 600 pictures (150 x 4)"),
        (PLOT | {"x_values": "1, 200"}, "cannot be made at Steps '200'"),
        ({"on": True}, "is Nothing, and so are Y and Z"),
    ):
        answer = begin(plots, extras=extras)
        assert answer.status_code == 422
        assert said in answer.json()["error"]["text"]
        assert answer.json()["error"]["field"].startswith("extras.xyz_plot.x_")
    tight = replace(plots.services, settings=replace(plots.services.settings, max_waiting=5))
    with client_of(tight) as client:
        answer = begin(client)
    assert "would make 6 jobs, but 5 more have room in the queue" in answer.text
    assert plots.services.line.jobs(5) == []
    assert plots.get(f"{ASK}/plots").json() == {"plots": []}


def test_before_it_begins_it_says_what_it_would_be(plots, puppet):
    said = plots.post(f"{ASK}/look", json=STEPS).json()
    assert (said["cells"], said["sizes"], said["seconds"], said["free"]) == (
        6,
        [3, 2, 1],
        None,
        1000,
    )
    begin(plots, "single-1", extras={})
    puppet.order("finish")
    plots.services.line.wait_a_moment()
    while plots.services.line.job("single-1").state != "done":
        plots.services.line.wait_a_moment()
    each = plots.services.line.job("single-1").pictures[0].seconds
    assert plots.post(f"{ASK}/look", json=STEPS).json()["seconds"] == pytest.approx(6 * each)
    wrong = plots.post(f"{ASK}/look", json=STEPS | {"y_values": "x"}).json()
    assert (wrong["cells"], wrong["field"]) == (0, "extras.xyz_plot.y_values")
    wrong = plots.post(f"{ASK}/look", json=STEPS | {"x_values": "2, 900"}).json()
    assert (wrong["cells"], wrong["field"]) == (0, "extras.xyz_plot.x_values")
    assert wrong["problem"].startswith("cannot be made at Steps '900': steps: must be from 1 to ")
    assert plots.post(f"{ASK}/look", json={"x_axis": 5}).status_code == 422


def test_the_axes_of_a_tab_say_what_their_values_look_like(plots):
    listed = {each["label"]: each for each in plots.get(f"{ASK}/axes?tab=txt2img").json()["axes"]}
    assert listed["Sampler"]["choices"] == "DPM++ 2M, Euler a"
    assert listed["Steps"]["example"] == "18, 20 or 18-24 (+2)"
    assert "Mask blur" not in listed and "Hires steps" in listed
    masks = {each["label"] for each in plots.get(f"{ASK}/axes?tab=inpaint").json()["axes"]}
    assert "Mask blur" in masks and "Hires steps" not in masks


def test_an_axis_whose_choices_fail_is_without_them_and_names_its_extension(services, tmp_path):
    def choices(services):
        raise KeyError("planted")

    axis = Axis(label="Ending", help=".", example="1", put=lambda *_: None, choices=choices)
    there = plotting(services)
    registered = there.registry
    owned = {**registered.axes, "Ending": Owned("toy", axis)}
    with client_of(replace(there, registry=replace(registered, axes=owned))) as client:
        listed = client.get(f"{ASK}/axes?tab=txt2img").json()["axes"]
    known = {each["label"]: each for each in listed}
    assert known["Sampler"]["choices"] == "DPM++ 2M, Euler a"
    assert (known["Sampler"]["problem"], known["Ending"]["choices"]) == ("", "")
    assert known["Ending"]["problem"] == (
        "Ending: the axis of the extension toy did not run: KeyError: 'planted'; "
        "the Extensions tab has the traceback"
    )


@pytest.mark.parametrize("id", ["nobody-1", "a" * 65, "x%2f..%2fy"])
def test_a_plot_that_is_not_there_is_none(plots, id):
    assert plots.get(f"{ASK}/plots/{id}").status_code == 404


def test_a_damaged_plot_is_none_and_harms_nobody(plots):
    begin(plots)
    folder = plots.services.settings.data_dir / "extension-data" / "xyz_plot" / "plots"
    for text in ("", "[]", "{}", '{"axes": 5}', '{"id": "plot-0001"'):
        (folder / "plot-0001.json").write_text(text)
        assert plots.get(f"{ASK}/plots/plot-0001").status_code == 404
        assert plots.get(f"{ASK}/plots").json() == {"plots": []}
