"""A part of a picture made anew, more made around it, a sketch: from the mouse to the file."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.e2e.easel import Easel, along, chequered, kept, overlap

PICTURE = (128, 128)
ZIGZAG = [(30, 30), (100, 40), (40, 90)]


@pytest.fixture
def easel(server, open_tab):
    made = Easel(open_tab(server))
    made.load(chequered(*PICTURE))
    made.tab.fill("inpaint_prompt", "red apple")
    made.tab.fill("inpaint_steps", 4)
    made.tab.fill("inpaint_seed", 7)
    return made


def generate(easel):
    """Clicks Generate; the job once it is done."""
    server = easel.tab.server
    before = {job["id"] for job in server.jobs()}
    easel.page.click("#inpaint_generate")
    server.wait(lambda: {job["id"] for job in server.jobs()} != before, 20)
    (new,) = {job["id"] for job in server.jobs()} - before
    job = server.finished(new)
    assert job["state"] == "done", job
    return job


def saved(server, job):
    return np.asarray(Image.open(io.BytesIO(server.picture(job))).convert("RGB")).astype(int)


def sent(server, sha256):
    image = Image.open(server.folder / "data" / "inputs" / f"{sha256}.png")
    return np.asarray(image.convert("RGB")).astype(int)


def test_the_mask_arrives_as_it_was_drawn_and_only_there_is_the_picture_made_anew(server, easel):
    easel.take("brush", size=24)
    easel.stroke(ZIGZAG)
    easel.tab.fill("inpaint_denoising_strength", 0.9)
    job = generate(easel)  # at once: the drawing is sent first
    init = job["request"]["init"]
    assert (init["strength"], init["outpaint"]) == (0.9, None)
    drawn = along(PICTURE, ZIGZAG, 12)
    mask = sent(server, init["mask"]["picture"])[..., 0]
    assert overlap(mask > 127, drawn) >= 0.95
    before = np.asarray(chequered(*PICTURE)).astype(int)
    assert (sent(server, init["picture"]) == before).all()
    after = saved(server, job)
    kept = ~along(PICTURE, ZIGZAG, 12 + 6 * init["mask"]["blur"])
    assert kept.sum() > 500
    assert (after[kept] == before[kept]).all()
    assert np.abs(after - before)[along(PICTURE, ZIGZAG, 8)].mean() > 20


def test_one_click_makes_more_around_a_picture(server, easel):
    easel.page.locator("#inpaint_mode label", has_text="Outpaint").click()
    handle = easel.root.locator(".dk-canvas-handle[data-side='right']")
    handle.wait_for()
    handle.focus()
    for _ in range(4):
        handle.press("ArrowRight")
    assert handle.get_attribute("aria-valuenow") == "32"
    up = easel.root.locator(".dk-canvas-handle[data-side='up']").bounding_box()
    x, y = up["x"] + up["width"] / 2, up["y"] + up["height"] / 2
    easel.page.mouse.move(x, y)
    easel.page.mouse.down()
    easel.page.mouse.move(x, y - 16 * easel.tell("canvas.view.scale"), steps=4)
    easel.page.mouse.up()
    easel.page.wait_for_function(
        "document.querySelector('#inpaint_outpaint_up input[type=number]').value === '16'"
    )
    easel.tab.fill("inpaint_outpaint_down", 8)  # the other way to say it
    easel.page.wait_for_function(
        "document.querySelector('[data-side=down]').getAttribute('aria-valuenow') === '8'"
    )
    assert (easel.tab.value("inpaint_width"), easel.tab.value("inpaint_height")) == ("160", "152")
    job = generate(easel)
    init = job["request"]["init"]
    grown = {"left": 0, "right": 32, "up": 16, "down": 8, "blend": 16}
    assert (init["mask"], init["outpaint"]) == (None, grown)
    after, before = saved(server, job), np.asarray(chequered(*PICTURE)).astype(int)
    assert after.shape == (152, 160, 3)
    assert (after[40:120, :104] == before[24:104, :104]).all()


def test_what_is_sketched_is_what_the_model_begins_with(server, easel):
    easel.page.locator("#inpaint_mode label", has_text="Sketch").click()
    easel.take("brush", size=40, colour="#10c020")
    easel.stroke([(20, 64), (108, 64)])
    painted = along(PICTURE, [(20, 64), (108, 64)], 18)
    before = np.asarray(chequered(*PICTURE)).astype(int)
    far = ~along(PICTURE, [(20, 64), (108, 64)], 22)
    job = generate(easel)
    init = job["request"]["init"]
    assert (init["mask"], init["outpaint"]) == (None, None)
    begun = sent(server, init["picture"])
    assert np.abs(begun[painted] - (0x10, 0xC0, 0x20)).max() <= 1
    assert (begun[far] == before[far]).all()
    easel.take("dropper")  # a colour is taken up from the picture
    easel.page.mouse.click(*easel.at(5.5, 5.5))
    red, green, blue = before[5, 5]
    assert easel.root.locator("[data-set='colour']").input_value() == (
        f"#{red:02x}{green:02x}{blue:02x}"
    )


def test_a_picture_and_its_mask_that_come_while_others_are_sent_stay(server, open_tab):
    easel = Easel(open_tab(server))
    tab, page = easel.tab, easel.page
    form = {
        "init.picture": json.dumps([kept(tab, "other.png", chequered(80, 64))]),
        "init.mask.picture": json.dumps([kept(tab, "mask.png", Image.new("L", (80, 64), 255))]),
        "prompt": "red apple",
        "steps": 2,
    }
    held = []
    page.route("**/api/v1/inputs", lambda route: held.append(route))
    with page.expect_request("**/api/v1/inputs"):
        easel.load(chequered(*PICTURE))
    page.evaluate("(form) => darkroom.setForm('inpaint', form, 'Sent.')", form)
    page.get_by_text("Sent.", exact=True).wait_for()
    held[0].continue_()
    page.unroute("**/api/v1/inputs")
    page.wait_for_selector("#inpaint_image .dk-canvas[data-size='80x64']")
    init = generate(easel)["request"]["init"]
    others = [json.loads(form[name])[0]["sha256"] for name in ("init.picture", "init.mask.picture")]
    assert [init["picture"], init["mask"]["picture"]] == others


def test_what_the_model_sees_is_shown_before_anything_runs(easel):
    said = easel.page.locator(".dk-seen-said")
    easel.page.wait_for_function(
        "document.querySelector('.dk-seen-said').textContent.startsWith('Paint over what is')"
    )
    easel.take("rectangle")
    easel.stroke([(20, 30), (40, 60)])
    shown = easel.page.locator(".dk-seen[data-state='shown']")
    shown.wait_for()
    here = "128 \N{MULTIPLICATION SIGN} 128"
    assert said.inner_text() == f"All of the picture at {here}; the result has {here}."
    captions = shown.locator("figcaption").all_inner_texts()
    cells = here.replace("128", "16")
    assert captions == [f"Start {here}", f"Mask {here}", f"In its latent {cells}"]
    easel.tab.choose("inpaint_inpaint_full_res", "Only masked")
    easel.page.wait_for_function(
        "document.querySelector('.dk-seen-said').textContent.startsWith('The part in the dashed')"
    )
    crop = easel.page.locator(".dk-canvas-crop").bounding_box()
    left, top = easel.at(0, 0)
    right, bottom = easel.at(128, 128)
    assert left - 2 <= crop["x"] < crop["x"] + crop["width"] <= right + 2
    assert top - 2 <= crop["y"] < crop["y"] + crop["height"] <= bottom + 2
    middle = easel.at(30, 45)
    assert crop["x"] < middle[0] < crop["x"] + crop["width"]
    assert crop["width"] < 0.9 * (right - left)
    pixels = easel.page.evaluate(
        """async () => {
            const image = document.querySelector(".dk-seen [data-of=latent_mask] img");
            await image.decode();
            return [image.naturalWidth, image.naturalHeight];
        }"""
    )
    assert pixels == [16, 16]


def test_a_missing_picture_or_mask_is_said_beside_it(server, open_tab):
    easel = Easel(open_tab(server))
    easel.page.click("#inpaint_generate")
    notice = easel.page.locator("#inpaint_notice .dk-notice")
    notice.wait_for()
    assert "is missing: choose one" in notice.inner_text()
    assert easel.page.locator("#inpaint_image.dk-wrong").count() == 1
    easel.load(chequered(*PICTURE))
    notice.wait_for(state="hidden")
    easel.page.click("#inpaint_generate")
    notice.wait_for()
    assert "paint over what is to be made anew" in notice.inner_text()
    assert easel.page.locator("#inpaint_mask .dk-wrong-text").count() == 1


def test_a_dropped_result_brings_its_picture_and_its_mask_back(server, easel):
    easel.take("brush", size=30)
    easel.stroke(ZIGZAG)
    mask = easel.mask()
    job = generate(easel)
    easel.press("remove")
    assert easel.tell("canvas.size") is None
    path = job["pictures"][0]["path"]
    easel.page.evaluate(
        """async (url) => {
            const blob = await (await fetch(url)).blob();
            darkroom.takePicture("result.png", blob);
        }""",
        f"api/v1/pictures/{path}",
    )
    easel.page.wait_for_function("darkroom.canvasOpen()?.covered('mask') > 0", timeout=20_000)
    assert (easel.mask() == mask).all()
    assert (easel.picture() == np.asarray(chequered(*PICTURE))).all()
    assert easel.tab.value("inpaint_prompt") == "red apple"
