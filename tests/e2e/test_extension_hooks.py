"""What extensions add to the page, in a browser: targets, settings, tags in prompts."""

import os

import pytest

from tests.e2e.conftest import Server, free_port
from tests.extensions.made import make

ALBUM = """
import json
from fastapi import APIRouter, Body
from webui import PageFile, SendTarget, FlagField, SettingsPage, TextField, hookimpl

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
"""
SCRIPT = """
darkroom.receivers.album_frame = async ({ name, answer, keep }) =>
  `${name} of ${answer.values.seed} is framed, ${(await keep()).sha256.length}`;
darkroom.receivers.album_torn = () => { throw new Error("The frame is torn."); };
"""


@pytest.fixture
def album(tmp_path):
    touches = ("send_targets", "settings_pages", "scripts", "routes")
    folder = make(tmp_path / "data" / "extensions", "album", ALBUM, touches=touches)
    (folder / "album.js").write_text(SCRIPT)
    server = Server(tmp_path, free_port())
    server.start()
    yield server
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
