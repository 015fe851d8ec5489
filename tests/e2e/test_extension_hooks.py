"""What extensions add to the page, in a browser: targets, settings, tags in prompts, folds of
controls, files of lines, heat maps on the timeline; and the list of those that are known."""

import io
import json
import os
from contextlib import suppress

import pytest
from PIL import Image, ImageChops, ImageStat

from tests.e2e.conftest import Server, free_port
from tests.extensions.made import make
from tests.hub import Hub

ALBUM = """
import json
from fastapi import APIRouter, Body
from webui import (EventListener, Finished, FlagField, PageFile, SendTarget, SettingsPage,
                   TextField, hookimpl)

@hookimpl
def register_send_targets():
    return (
        SendTarget(name="album", label="Album", help="Into the album", address="take"),
        SendTarget(name="album_frame", label="Frame", help="By a script"),
        SendTarget(name="album_torn", label="Torn", help="By a script that fails"),
    )

@hookimpl
def register_settings_pages():
    return (SettingsPage(title="Album", help="<b>Where</b> pictures go.", fields=(
        TextField(name="title", label="Title", help="On its cover.", max_length=12),
        FlagField(name="shut", label="Shut", help="Takes nothing."),
    )),)

@hookimpl
def register_scripts():
    return (PageFile(file="album.js"),)

def router(services):
    router = APIRouter(prefix="/api/v1/extensions/album")

    @router.post("/take")
    def take(given: dict = Body(...)):
        values = services.extensions.own_settings.values("album")
        path = services.inputs.path(given["picture"])
        size = f"{given['width']} x {given['height']}"
        known = "kept" if path is not None else "lost"
        return {"said": f"{values['title']}: {known}, {size}, {given['values']['prompt']}"}

    return router

@hookimpl
def register_routes():
    return (router,)

def bent(job, event):
    raise ValueError("the shelf is bent")

@hookimpl
def register_event_listeners():
    return (EventListener(hear=bent, kinds=(Finished,)),)
"""
SCRIPT = """
darkroom.receivers.album_frame = async ({ name, answer, keep }) =>
  `${name} of ${answer.values.seed} is framed, ${(await keep()).sha256.length}`;
darkroom.receivers.album_torn = () => { throw new Error("The frame is torn."); };
"""


LOUD = {"id": "shout", "name": "Shout", "description": "Loud.", "source": "https://a.org/shout"}


@pytest.fixture(scope="module")
def hub():
    made = Hub()
    made.add("ann/list", {"index.json": json.dumps({"extensions": [LOUD]}).encode()})
    yield made
    with suppress(OSError):
        made.close()


@pytest.fixture(scope="module")
def album(tmp_path_factory, hub):
    """With an extension that has a bit of everything, and an index from elsewhere."""
    place = tmp_path_factory.mktemp("album")
    touches = ("send_targets", "settings_pages", "scripts", "routes", "event_listeners")
    folder = make(place / "data" / "extensions", "album", ALBUM, touches=touches)
    (folder / "album.js").write_text(SCRIPT)
    index = f"{hub.address}/ann/list/resolve/main/index.json"
    server = Server(place, free_port(), ("--extension-index", index, "--private-downloads"))
    server.start()
    yield server
    assert server.foreign() == []
    server.stop()


def shot(tab, name):
    if folder := os.environ.get("DARKROOM_SHOTS"):
        tab.page.screenshot(path=f"{folder}/{name}.png")


def test_a_picture_is_sent_to_an_extension_whose_settings_were_changed(album, open_tab):
    tab = open_tab(album)
    page = tab.page
    page.get_by_role("tab", name="Extensions", exact=True).click()
    card = page.locator(".dk-ext-card[data-id=album]")
    card.locator("summary", has_text="Settings").click()
    title, said = card.locator("[data-name=title]"), card.locator("[role=status]")
    title.fill("Summer")
    title.press("Tab")
    said.filter(has_text="Title: kept.").wait_for()
    assert card.locator("b").count() == 0  # what it says of itself is text
    card.scroll_into_view_if_needed()
    shot(tab, "settings")
    page.get_by_role("tab", name="txt2img").click()
    tab.fill("txt2img_prompt", "panda <variety:0.25>")
    tab.fill("txt2img_steps", 4)
    tab.fill("txt2img_seed", 7)
    counter = page.locator("#txt2img_token_counter output")
    counter.filter(has_text="1/75").wait_for()
    job = album.finished(tab.generate())
    tab.wait_for(job["id"], "done")
    assert job["request"]["extras"]["variety"]["by_tag"] == 0.25
    assert job["request"]["prompt"] == "panda <variety:0.25>"
    result = page.locator("#result-said")
    page.click("#album_send")
    size = f"{job['request']['width']} x {job['request']['height']}"
    result.filter(has_text=f"Summer: kept, {size}, panda <variety:0.25>").wait_for()
    page.locator("#album_send").scroll_into_view_if_needed()
    shot(tab, "sent")
    page.click("#album_frame_send")
    result.filter(has_text="the picture of 7 is framed, 64").wait_for()
    page.click("#album_torn_send")
    result.filter(has_text="The frame is torn.").wait_for()
    page.click("#img2img_send")  # ours are as they were
    page.locator("#img2img_recipe", has_text="is restored").wait_for()
    held = page.evaluate("darkroom.formValues('img2img')")
    assert held["prompt"] == "panda <variety:0.25>"
    assert held["extras.variety.strength"] == 0
    page.get_by_role("tab", name="Extensions", exact=True).click()
    page.click("#extensions-refresh")
    card.get_by_text("Event listener: ValueError: the shelf is bent.").wait_for()
    assert card.locator(".dk-ext-state").inner_text() == "On, failed"
    assert "1 with a problem." in page.inner_text("#extensions-said")
    card.get_by_text("Traceback", exact=True).click()
    assert 'raise ValueError("the shelf is bent")' in card.locator("pre").inner_text()


def unfolded(page, name):
    """The fold of a group of controls, opened."""
    fold = page.locator(f"#txt2img_{name}_fold")
    if fold.get_attribute("data-open") != "yes":
        fold.locator(".dk-fold-button").click()
    return fold


DROP = """([element, name, text]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name, { type: "text/plain" }));
    for (const type of ["dragover", "drop"]) {
        element.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true }));
    }
}"""
FOLDS = "place => [...place.children].sort((a, b) => a.getBoundingClientRect().top" + (
    " - b.getBoundingClientRect().top).map(each => each.id)"
)


def test_lines_come_out_of_files_and_folds_stay_as_they_were_put(album, open_tab, tmp_path):
    tab = open_tab(album)
    page = tab.page
    fold = unfolded(page, "prompts_from_file")
    box = fold.locator("textarea")
    said = fold.locator(".pff-said")
    (tmp_path / "lines.txt").write_text("a fox\n\n--prompt a cat --steps 3 --seed 9\n", "utf-16")
    fold.locator("input[type=file]").set_input_files(tmp_path / "lines.txt")
    said.filter(has_text="2 lines of").wait_for()
    assert box.input_value() == "a fox\n\n--prompt a cat --steps 3 --seed 9"
    assert fold.locator("#txt2img_prompts_from_file_on input").is_checked()
    page.evaluate(DROP, [box.element_handle(), "noise.bin", "\0\0"])
    said.filter(has_text="is no text; save it as UTF-8.").wait_for()
    page.evaluate(DROP, [box.element_handle(), "other.txt", "a dog"])
    said.filter(has_text="1 line of").wait_for()
    assert box.input_value() == "a dog"
    said.get_by_role("button", name="Put back what stood here").click()
    tab.fill("txt2img_steps", 2)
    tab.fill("txt2img_seed", 7)
    before = {job["id"] for job in album.jobs()}
    page.click("#txt2img_generate")
    album.wait(lambda: len({job["id"] for job in album.jobs()} - before) == 2, 20)
    made = [album.finished(each["id"]) for each in album.jobs() if each["id"] not in before]
    asked = [(each["request"]["prompt"], each["request"]["steps"], each["request"]["seed"])
             for each in reversed(made)]  # fmt: skip
    assert asked == [("a fox", 2, 7), ("a cat", 3, 9)]

    groups = page.locator("#txt2img_groups")
    order = groups.evaluate(FOLDS)
    assert len(order) == len(set(order)) > 5
    grip = page.get_by_role("button", name="Move Prompts from a file or a text")
    for _ in range(order.index("txt2img_prompts_from_file_fold")):
        grip.press("ArrowUp")
    moved = ["txt2img_prompts_from_file_fold"]
    moved += [each for each in order if each not in moved]
    assert groups.evaluate(FOLDS) == moved
    tab.reload()
    page.wait_for_selector("#txt2img_prompts_from_file_fold[data-open=yes]")
    assert groups.evaluate(FOLDS) == moved
    open_now = page.locator("#txt2img_groups > [data-open=yes]")
    assert open_now.evaluate_all("folds => folds.map(each => each.id)") == moved[:1]


def test_a_word_lies_over_the_picture_where_the_network_looks(album, open_tab):
    tab = open_tab(album)
    page = tab.page
    unfolded(page, "heat_maps")
    page.locator("#txt2img_heat_maps_on input").check()
    # two that are drawn: on this model the maps of others are much alike (its card says why)
    for name, value in (("prompt", "panda and rocket"), ("steps", 3), ("seed", 7)):
        tab.fill(f"txt2img_{name}", value)
    tab.wait_for(tab.generate(), "done")
    page.locator("#live-scrub").press("Home")
    words = page.locator("#heat-words")
    words.get_by_role("button", name="panda").wait_for()
    page.wait_for_function(
        "document.querySelector('#live-predicted').src.endsWith('method=vae&position=0')"
    )
    tab.pixels("live-predicted")  # it is there

    def seen():
        page.mouse.move(1, 1)
        before, shot = b"", page.locator("#live-predicted").screenshot()
        while shot != before:  # nothing fades any more
            before, shot = shot, page.locator("#live-predicted").screenshot()
        return Image.open(io.BytesIO(shot)).convert("RGB")

    shots = [seen()]
    for word in ("panda", "rocket"):
        words.get_by_role("button", name=word).click()
        page.wait_for_selector("#heat-map")
        shots.append(seen())
    words.get_by_role("button", name="rocket").click()
    page.wait_for_selector("#heat-map", state="detached")
    picture, panda, rocket = shots
    assert min(far(picture, panda), far(picture, rocket), far(panda, rocket)) > 8
    assert far(picture, seen()) < 3


def far(one, other):
    """How much two pictures differ, of 255, on average."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def test_the_list_of_known_ones_is_fetched_and_stays_without_a_network(album, hub, open_tab):
    tab = open_tab(album)
    page = tab.page
    page.get_by_role("tab", name="Extensions", exact=True).click()
    page.get_by_role("radio", name="Get more").click()
    come_from, known = page.locator("#extensions-known-from"), page.locator("#extensions-known li")
    come_from.filter(has_text="it has not been fetched yet.").wait_for()
    page.get_by_role("button", name="Fetch the list", exact=True).click()
    known.filter(has_text="Shout").wait_for()
    assert come_from.inner_text() == f"The list of {album.options[1]}, fetched just now."
    page.fill("#extensions-search", "quiet")
    page.get_by_text("None has all these words.").wait_for()
    page.fill("#extensions-search", "LOUD")
    known.filter(has_text="Shout").wait_for()
    hub.close()
    page.get_by_role("button", name="Fetch the list anew").click()
    wrong = page.locator("#extensions-known-wrong")
    wrong.filter(
        has_text="cannot be reached; is this computer connected to the network?"
    ).wait_for()
    assert known.count() == 1
    tab.problems.clear()  # Chromium's own word on the 502
