"""Drawing a mask with mouse, fingers and keys, in a real browser."""

import base64

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.e2e.easel import Easel, along, chequered, overlap, png

PICTURE = (320, 240)
ZIGZAG = [(40, 40), (250, 70), (90, 150), (280, 210)]


@pytest.fixture
def easel(server, open_tab):
    made = Easel(open_tab(server))
    made.load(chequered(*PICTURE))
    return made


def test_a_stroke_paints_where_the_brush_went_and_nowhere_else(easel):
    assert easel.mask() is None  # nothing is drawn yet
    easel.take("brush", size=24)
    easel.stroke(ZIGZAG)
    mask = easel.mask()
    expected = along(PICTURE, ZIGZAG, 12)
    assert mask.shape == (240, 320)
    assert overlap(mask > 127, expected) > 0.97
    inside, outside = along(PICTURE, ZIGZAG, 10), ~along(PICTURE, ZIGZAG, 14)
    assert (mask[inside] == 255).all()
    assert (mask[outside] == 0).all()


def test_a_mask_drawn_zoomed_in_and_moved_is_where_it_was_drawn(easel):
    easel.take("brush", size=24)
    box = easel.view.bounding_box()
    where = round(box["x"] + box["width"] * 0.3), round(box["y"] + box["height"] * 0.4)
    easel.page.mouse.move(*where)
    under = easel.tell("canvas.view.toPicture(...given)", where[0] - box["x"], where[1] - box["y"])
    for _ in range(4):
        easel.page.mouse.wheel(0, -200)
    easel.page.wait_for_function("darkroom.canvasOpen().view.scale > 3.5")
    assert easel.at(under["x"], under["y"]) == pytest.approx(where, abs=1)  # it stays there
    easel.page.keyboard.down("Space")  # and moved by the hand
    easel.page.mouse.down()
    easel.page.mouse.move(box["x"] + 200, box["y"] + 200, steps=3)
    easel.page.mouse.up()
    easel.page.keyboard.up("Space")
    middle = easel.tell("canvas.view.toPicture(280, 200)")
    cx, cy = middle["x"], middle["y"]
    points = [(cx - 40, cy - 20), (cx + 40, cy - 10), (cx, cy + 30), (cx - 40, cy - 20)]
    easel.stroke(points)
    assert overlap(easel.mask() > 127, along(PICTURE, points, 12)) > 0.95


def test_lasso_and_rectangle_fill_what_they_surround(easel):
    corners = [(50, 30), (150, 60), (120, 200), (30, 160)]
    easel.take("lasso")
    easel.stroke(corners)
    drawn = Image.new("1", PICTURE)
    ImageDraw.Draw(drawn).polygon(corners, fill=1)
    assert overlap(easel.mask() > 127, np.asarray(drawn)) > 0.97
    easel.press("clear")
    easel.take("rectangle")
    easel.stroke([(200, 40), (300, 200)])
    mask = easel.mask() > 127
    expected = np.zeros((240, 320), bool)
    expected[40:200, 200:300] = True
    assert overlap(mask, expected) > 0.97


def test_the_eraser_takes_away_and_so_does_the_right_button(easel):
    easel.take("rectangle")
    easel.stroke([(20, 20), (300, 220)])
    easel.take("eraser", size=20)
    easel.stroke([(60, 60), (260, 60)])
    easel.take("brush", size=20)
    easel.stroke([(60, 160), (260, 160)], button="right")
    mask = easel.mask()
    gone = along(PICTURE, [(60, 60), (260, 60)], 8) | along(PICTURE, [(60, 160), (260, 160)], 8)
    assert (mask[gone] == 0).all()
    assert (mask[100:120, 30:290] == 255).all()


def test_undo_and_redo_bring_back_each_pixel(easel):
    states = [easel.tell("canvas.undos")]
    assert states == [0]
    masks = []
    easel.take("brush", size=30)
    for row in (40, 110, 180):
        easel.stroke([(30, row), (290, row + 20)])
        masks.append(easel.mask())
    easel.press("invert")
    masks.append(easel.mask())
    assert (masks[3] == 255 - masks[2]).all()
    easel.press("clear")
    assert easel.mask() is None
    for before in reversed(masks):
        easel.press("undo")
        assert (easel.mask() == before).all()
    easel.press("undo")
    assert easel.mask() is None
    for after in masks:
        easel.press("redo")
        assert (easel.mask() == after).all()
    easel.press("undo")  # what is drawn after an undo ends what could be done again
    easel.stroke([(30, 200), (60, 200)])
    assert easel.root.locator("[data-do='redo']").is_disabled()


def test_keys_act_in_the_canvas_and_only_there(easel):
    easel.take("brush", size=30)
    easel.stroke([(40, 40), (200, 40)])
    before = easel.mask()
    easel.page.keyboard.press("Control+z")
    assert easel.mask() is None
    easel.page.keyboard.press("Control+Shift+z")
    assert (easel.mask() == before).all()
    easel.page.keyboard.press("]")
    assert easel.root.locator(".dk-canvas-width output").inner_text() == "35 px"
    easel.page.keyboard.press("e")
    assert easel.root.locator("[data-tool='eraser']").get_attribute("aria-checked") == "true"
    prompt = easel.page.locator("#inpaint_prompt textarea")
    prompt.fill("a cat")
    prompt.press("Control+z")
    prompt.press("b")
    assert (easel.mask() == before).all()
    assert easel.root.locator("[data-tool='eraser']").get_attribute("aria-checked") == "true"


def test_one_can_draw_with_the_keyboard_alone(easel):
    easel.take("brush", size=40)
    easel.view.focus()
    easel.page.keyboard.press("Enter")
    for _ in range(4):
        easel.page.keyboard.press("ArrowRight")
    easel.page.keyboard.press("Enter")
    middle = easel.tell(
        "canvas.view.toPicture(canvas.view.size.width / 2, canvas.view.size.height / 2)"
    )
    line = [(middle["x"], middle["y"]), (middle["x"] + 40, middle["y"])]
    assert overlap(easel.mask() > 127, along(PICTURE, line, 20)) > 0.97


def test_two_fingers_zoom_and_one_draws(server, open_tab):
    tab = open_tab(server, viewport={"width": 390, "height": 844}, has_touch=True)
    easel = Easel(tab)
    easel.load(chequered(*PICTURE))
    easel.take("brush", size=30)
    touch = easel.page.context.new_cdp_session(easel.page)

    def fingers(kind, *places):
        points = [
            {"x": x, "y": y, "id": i} for i, (x, y) in enumerate(easel.at(*at) for at in places)
        ]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", (60, 60))
    for x in range(60, 261, 20):
        fingers("touchMove", (x, 60))
    fingers("touchEnd")
    drawn = easel.mask()
    assert overlap(drawn > 127, along(PICTURE, [(60, 60), (260, 60)], 15)) > 0.95
    scale = easel.tell("canvas.view.scale")
    left, right = easel.at(120, 120), easel.at(180, 120)
    for step, kind in enumerate(["touchStart", *["touchMove"] * 6]):
        spread = 10 * step
        places = [(left[0] - spread, left[1]), (right[0] + spread, right[1])]
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
        if kind == "touchStart":
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points[:1]})
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    fingers("touchEnd")
    assert easel.tell("canvas.view.scale") > 1.5 * scale
    assert (easel.mask() == drawn).all()  # what the first finger began was no stroke
    assert easel.tell("canvas.undos") == 1


def test_a_mask_goes_out_as_a_file_and_comes_back(easel, tmp_path):
    easel.take("brush", size=40)
    easel.stroke(ZIGZAG)
    mask = easel.mask()
    with easel.page.expect_download() as download:
        easel.press("save")
    saved = tmp_path / "mask.png"
    download.value.save_as(saved)
    with Image.open(saved) as image:
        assert image.size == PICTURE
    easel.press("clear")
    easel.root.locator(".dk-canvas-maskfile").set_input_files(saved)
    easel.page.wait_for_function("darkroom.canvasOpen().covered('mask') > 0")
    assert (easel.mask() == mask).all()
    easel.press("undo")
    assert easel.mask() is None
    other = {"name": "tall.png", "mimeType": "image/png", "buffer": png(Image.new("L", (50, 90)))}
    easel.root.locator(".dk-canvas-maskfile").set_input_files(other)
    said = easel.root.locator(".dk-canvas-problem")
    said.wait_for()
    tall, wide = (f"{w} \N{MULTIPLICATION SIGN} {h}" for w, h in ((50, 90), PICTURE))
    assert said.inner_text() == (
        f"“tall.png” is {tall}; a mask has the shape of the picture, {wide}."
    )


def test_a_refresh_keeps_picture_and_mask(easel):
    easel.take("brush", size=40)
    easel.stroke(ZIGZAG)
    mask, picture = easel.mask(), easel.picture()
    easel.wait_until_kept()
    easel.tab.open()
    again = Easel(easel.tab)
    again.page.wait_for_selector("#inpaint_image .dk-canvas[data-size='320x240']")
    assert (again.mask() == mask).all()
    assert (again.picture() == picture).all()


def test_another_picture_can_be_undone_with_all_that_was_drawn(easel):
    easel.take("brush", size=40)
    easel.stroke(ZIGZAG)
    mask = easel.mask()
    easel.load(chequered(100, 100), "other.png")
    assert easel.mask() is None
    easel.press("undo")
    assert (easel.mask() == mask).all()
    easel.press("redo")
    assert easel.tell("canvas.size") == {"width": 100, "height": 100}


def test_fifty_strokes_over_a_large_picture_can_be_taken_back(server, open_tab):
    easel = Easel(open_tab(server))
    easel.load(chequered(2048, 2048))
    easel.take("brush", size=120)
    masks = {}
    for number in range(50):
        row = 60 + number * 39
        easel.stroke([(80, row), (1960, 2048 - row)])
        if number in (0, 24, 49):
            masks[number] = easel.mask()
    assert easel.tell("canvas.undos") == 50
    assert easel.tell("canvas.bytes") < 64 * 2**20
    for number in range(48, -1, -1):
        easel.tell("canvas.undo()")
        if number in masks:
            assert (easel.mask() == masks[number]).all()
    easel.tell("canvas.undo()")
    assert easel.mask() is None
    for _ in range(50):
        easel.tell("canvas.redo()")
    assert (easel.mask() == masks[49]).all()


def test_what_is_no_picture_is_refused_with_a_sentence(easel):
    before = easel.picture()
    wrong = {"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"}
    easel.root.locator(".dk-canvas-file").last.set_input_files(wrong)
    said = easel.root.locator(".dk-canvas-problem")
    said.wait_for()
    assert said.inner_text().startswith("“notes.png” is no picture that can be drawn on.")
    assert (easel.picture() == before).all()


def test_a_picture_is_pasted_only_where_the_canvas_is_open(easel):
    pasting = """(data) => {
        const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
        const clipboardData = new DataTransfer();
        clipboardData.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
        document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
    }"""
    coded = base64.b64encode(png(chequered(64, 48))).decode()
    easel.page.evaluate(pasting, coded)
    easel.page.wait_for_selector("#inpaint_image .dk-canvas[data-size='64x48']")
    easel.page.get_by_role("tab", name="txt2img", exact=True).click()
    easel.page.evaluate(pasting, base64.b64encode(png(chequered(80, 40))).decode())
    easel.page.wait_for_selector("#txt2img_recipe .dk-restored:not([hidden])")
    easel.page.get_by_role("tab", name="Inpaint", exact=True).click()
    assert easel.tell("canvas.size") == {"width": 64, "height": 48}
