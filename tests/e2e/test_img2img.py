"""Pictures made of pictures, as a person does it: in a real browser, on the model that ships."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.e2e.easel import Easel, along, chequered, kept, overlap, png


def drawn(size=(96, 64), colour=(200, 40, 40)):
    """A PNG file's bytes: a round thing on white."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).ellipse((8, 8, size[0] - 8, size[1] - 8), fill=colour)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def give(tab, element, *files):
    """Chooses files, each (name, bytes), in the picker of that id."""
    payload = [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files]
    tab.page.set_input_files(f"#{element} input[type=file]", payload)


def open_form(tab, name, element):
    tab.page.get_by_role("tab", name=name, exact=True).click()
    tab.page.wait_for_selector(f"#{element}_generate")


def picker(tab, element, text):
    """Waits until a picker says that."""
    tab.page.locator(f"#{element} .dk-picker-facts", has_text=text).wait_for()


def press(tab, form):
    """Presses Generate in a form; the jobs that it made, oldest first."""
    before = {job["id"] for job in tab.server.jobs()}
    tab.page.click(f"#{form}_generate")
    tab.server.wait(lambda: {job["id"] for job in tab.server.jobs()} != before, 20)
    return [job for job in reversed(tab.server.jobs()) if job["id"] not in before]


def quick(tab, form="img2img", **values):
    defaults = {f"{form}_prompt": "red apple", f"{form}_steps": 6, f"{form}_seed": 7}
    for element, value in (defaults | values).items():
        tab.fill(element, value)


def in_sight(tab, selector):
    """Whether all of an element's height is in the window."""
    box = tab.page.locator(selector).bounding_box()
    return box["y"] >= 0 and box["y"] + box["height"] <= tab.page.viewport_size["height"]


def opened(data):
    return Image.open(io.BytesIO(data)).convert("RGB")


DROP = """([selector, data, name]) => {
    const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
    const given = new DataTransfer();
    given.items.add(new File([bytes], name, { type: "image/png" }));
    const place = document.querySelector(selector);
    for (const type of ["dragover", "drop"]) {
        place.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: given }));
    }
}"""  # noqa: E501
PASTE = """([data, name]) => {
    const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
    const given = new DataTransfer();
    given.items.add(new File([bytes], name, { type: "image/png" }));
    const options = { bubbles: true, cancelable: true, clipboardData: given };
    document.body.dispatchEvent(new ClipboardEvent("paste", options));
}"""


def test_a_picture_is_made_anew_and_all_of_it_survives_a_refresh(server, open_tab):
    tab = open_tab(server)
    open_form(tab, "img2img", "img2img")
    data = drawn()
    give(tab, "img2img_image", ("apple.png", data))
    picker(tab, "img2img_image", "apple.png · 96 × 64")  # noqa: RUF001
    tab.page.wait_for_function("darkroom.formValues('img2img').width === 96")  # it brings its size
    quick(tab, img2img_denoising_strength=0.2, img2img_width=128)
    said = tab.page.locator("#img2img_steps_said")
    assert said.inner_text() == "2 of 6 steps run"  # floor(0.2 * 6) + 1
    tab.page.click("#img2img_detect_image_size_btn")
    tab.page.wait_for_function("darkroom.formValues('img2img').width === 96")
    tab.reload()  # nothing is lost, nor the tab that was open
    tab.page.wait_for_selector("#img2img_generate")
    picker(tab, "img2img_image", "apple.png · 96 × 64")  # noqa: RUF001
    (job,) = press(tab, "img2img")
    tab.wait_for(job["id"], "done")
    job = server.job(job["id"])
    request = job["request"]
    assert (request["prompt"], request["steps"], request["seed"]) == ("red apple", 6, 7)
    assert (request["width"], request["height"]) == (96, 64)
    assert (request["init"]["strength"], request["init"]["mask"]) == (0.2, None)
    made = opened(server.picture(job))
    assert made.size == (96, 64)
    assert made.tobytes() != opened(data).tobytes()
    # what it began with shows through: red in the middle, bright in the corner
    red, green, _ = made.resize((3, 3), Image.Resampling.BOX).getpixel((1, 1))
    assert red > green + 60
    assert min(made.getpixel((1, 1))) > 150


def test_a_picture_can_be_dropped_pasted_and_taken_away(server, open_tab):
    tab = open_tab(server)
    open_form(tab, "img2img", "img2img")
    coded = base64.b64encode(drawn((80, 64))).decode()
    tab.page.evaluate(DROP, ["#img2img_image", coded, "dropped.png"])
    picker(tab, "img2img_image", "dropped.png · 80 × 64")  # noqa: RUF001
    tab.page.evaluate(PASTE, [base64.b64encode(drawn((64, 72))).decode(), "pasted.png"])
    picker(tab, "img2img_image", "pasted.png · 64 × 72")  # noqa: RUF001
    tab.page.click("text=By factor")
    tab.fill("img2img_scale", 2)
    assert tab.page.locator("#img2img_size_said").inner_text() == "64 × 72 becomes 128 × 144"  # noqa: RUF001
    tab.page.click("#img2img_image [data-verb=remove]")
    tab.page.wait_for_selector("#img2img_image .dk-picker[data-state=empty]")
    tab.page.click("#img2img_generate")
    tab.page.locator("#img2img_notice", has_text="Picture is missing").wait_for()
    assert tab.page.locator("#img2img_image.dk-wrong").count() == 1


def test_a_batch_of_files_is_a_job_each_and_a_broken_one_is_named(server, open_tab):
    tab = open_tab(server)
    open_form(tab, "Upscale", "extras")
    files = [("one.png", drawn()), ("broken.png", b"no picture"), ("two.png", drawn((40, 80)))]
    give(tab, "extras_image", *files)
    picker(tab, "extras_image", "2 pictures")
    problem = tab.page.locator("#extras_image .dk-picker-problems")
    assert "broken.png" in problem.inner_text()
    tab.fill("extras_upscaling_resize", 1.5)
    jobs = press(tab, "extras")
    server.wait(lambda: len(server.jobs()) >= 2, 10)
    tiles = tab.page.locator("#strip-row li[data-state=done] .dk-strip-label")
    tiles.nth(1).wait_for()
    assert tiles.all_inner_texts() == ["one.png", "two.png"]
    # what came of each stands over the queue, however long that is
    strip, queue = (tab.page.locator(f"#{name}").bounding_box() for name in ("strip", "queue"))
    assert strip["y"] + strip["height"] <= queue["y"]
    newest = [server.finished(job["id"]) for job in reversed(server.jobs()[:2])]
    assert newest[0]["id"] == jobs[0]["id"]
    sizes = [opened(server.picture(job)).size for job in newest]
    assert sizes == [(144, 96), (60, 120)]
    assert {job["request"]["upscale"]["upscaler"] for job in newest} == {"Lanczos"}
    # a browser says itself that a request was refused
    tab.problems = [each for each in tab.problems if "status of 422" not in each]


UNCOVERED = """() => {
    const [go, tools] = ["#img2img_go", "#img2img_sketch [role=toolbar]"].map(
        (each) => document.querySelector(each).getBoundingClientRect());
    return tools.top >= go.bottom && tools.bottom <= innerHeight;
}"""


def begun_with(tab, job):
    """The pixels of the picture that a job begins with."""
    kept = tab.server.job(job["id"])["request"]["init"]["picture"]
    sent = tab.page.evaluate(
        f"fetch('api/v1/inputs/{kept}').then((answer) => answer.arrayBuffer())"
        ".then((data) => btoa(String.fromCharCode(...new Uint8Array(data))))"
    )
    return np.asarray(opened(base64.b64decode(sent))).astype(int)


def test_colours_are_painted_on_the_picture_and_taken_back(server, open_tab):
    tab = open_tab(server)
    open_form(tab, "img2img", "img2img")
    quick(tab)
    given = chequered(96, 64)
    give(tab, "img2img_image", ("mine.png", png(given)))
    picker(tab, "img2img_image", "mine.png")
    tab.page.evaluate("document.getElementById('img2img_image').scrollIntoView()")
    tab.page.evaluate("darkroom.setForm('img2img', {seed: 7}, 'It is here.')")
    tab.page.locator("#img2img_recipe", has_text="It is here.").wait_for()
    tab.page.evaluate("window.scrollBy(0, 80)")
    tab.page.click("#img2img_image .dk-picker-foot [data-verb=sketch]")
    tab.page.wait_for_selector("#img2img_sketch .dk-canvas[data-size='96x64']", state="visible")
    easel = Easel.opened(tab, "img2img_sketch")
    tab.page.wait_for_function(UNCOVERED)  # its tools, by the buttons that stay in sight
    easel.take("brush", size=12, colour="#2040c0")
    easel.stroke([(20, 20), (70, 40)])
    job = press(tab, "img2img")[0]  # at once: what was painted goes first
    made, source = begun_with(tab, job), np.asarray(given).astype(int)
    painted = np.abs(made - (0x20, 0x40, 0xC0)).max(axis=2) <= 2
    assert overlap(painted, along((96, 64), [(20, 20), (70, 40)], 6)) > 0.9
    assert np.array_equal(made[50:], source[50:]) and np.array_equal(made[:, :12], source[:, :12])
    # a refresh keeps it, and it can be gone on with or taken back
    easel.root.get_by_text("Done").click()
    picker(tab, "img2img_image", "mine.png")
    tab.page.wait_for_selector("#img2img_sketch .dk-canvas", state="hidden")
    tab.page.click("#img2img_image .dk-picker-foot [data-verb=sketch]")
    easel.press("undo")
    again = press(tab, "img2img")[0]
    assert np.array_equal(begun_with(tab, again), source)
    # what is sent here from elsewhere closes it
    tab.page.evaluate("darkroom.setForm('img2img', {'init.picture': ''}, 'Emptied.')")
    tab.page.wait_for_selector("#img2img_image .dk-picker-blank", state="visible")
    tab.page.click("#img2img_image .dk-picker-blank button")
    tab.page.wait_for_selector("#img2img_sketch .dk-canvas[data-size='96x64']", state="visible")
    white = press(tab, "img2img")[0]
    assert begun_with(tab, white).min() == 255


def test_a_picture_that_comes_while_colours_are_sent_stays(server, open_tab):
    tab = open_tab(server)
    open_form(tab, "img2img", "img2img")
    give(tab, "img2img_image", ("mine.png", png(chequered(96, 64))))
    picker(tab, "img2img_image", "mine.png")
    other = kept(tab, "other.png", chequered(80, 64))
    tab.page.click("#img2img_image .dk-picker-foot [data-verb=sketch]")
    tab.page.wait_for_selector("#img2img_sketch .dk-canvas[data-size='96x64']", state="visible")
    held = []
    tab.page.route("**/api/v1/inputs", lambda route: held.append(route))
    easel = Easel.opened(tab, "img2img_sketch")
    easel.take("brush", size=12)
    with tab.page.expect_request("**/api/v1/inputs"):
        easel.stroke([(20, 20), (70, 40)])
    tab.page.evaluate(
        "(other) => darkroom.setForm('img2img', {'init.picture': other}, 'Sent.')",
        json.dumps([other]),
    )
    picker(tab, "img2img_image", "other.png")
    with tab.page.expect_response("**/api/v1/inputs"):
        held[0].continue_()
    tab.page.unroute("**/api/v1/inputs")
    job = press(tab, "img2img")[0]
    assert server.job(job["id"])["request"]["init"]["picture"] == other["sha256"]


def test_a_second_pass_runs_through_the_timeline_and_can_be_had_for_a_finished_picture(
    server, open_tab
):
    tab = open_tab(server)
    quick(tab, "txt2img")
    plain = press(tab, "txt2img")[0]
    tab.wait_for(plain["id"], "done")
    # where Hires. fix is off, what it would do is said first, and nothing begins
    tab.page.click("#result-hires")
    said = tab.page.locator("#result-pass-said")
    said.filter(has_text="128 × 128 becomes 256 × 256 by Latent, then is made anew: denoising "  # noqa: RUF001
                "strength 0.7, 6 steps.").wait_for()  # fmt: skip
    assert in_sight(tab, "#result-pass")
    tab.page.keyboard.press("Escape")
    said.wait_for(state="hidden")
    tab.page.click("#result-hires")
    tab.page.click("#result-pass-change")
    tab.page.wait_for_selector("#txt2img_hr_scale", state="visible")
    assert server.jobs()[0]["id"] == plain["id"]
    tab.fill("txt2img_hr_scale", 1.5)
    assert tab.page.locator("#txt2img_hr_said").inner_text() == "128 × 128 becomes 192 × 192"  # noqa: RUF001
    whole = press(tab, "txt2img")[0]
    tab.wait_for(whole["id"], "done")
    where = tab.page.locator("#live-where")
    where.filter(has_text="pass 2 of 2").wait_for()
    tab.page.evaluate(
        "() => { const slider = document.getElementById('live-scrub'); slider.value = 3;"
        " slider.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    where.filter(has_text="pass 1 of 2").filter(has_text="3 / 6").wait_for()
    tab.page.evaluate(f"darkroom.look('{plain['id']}')")
    tab.page.wait_for_selector(f"#results .dk-results[data-job='{plain['id']}']")
    before = {job["id"] for job in server.jobs()}
    tab.page.click("#result-hires")
    server.wait(lambda: {job["id"] for job in server.jobs()} != before, 20)
    (again,) = {job["id"] for job in server.jobs()} - before
    first, second = (server.finished(each) for each in (whole["id"], again))
    assert second["request"]["hires"] == first["request"]["hires"] | {
        "picture": second["request"]["hires"]["picture"]
    }
    sizes = {opened(server.picture(job)).size for job in (first, second)}
    assert sizes == {(192, 192)}


def test_a_picture_is_sent_round_through_the_tabs_with_its_recipe(server, open_tab):
    tab = open_tab(server)
    quick(tab, "txt2img", txt2img_prompt="panda", txt2img_cfg_scale=4.5)
    job = press(tab, "txt2img")[0]
    tab.wait_for(job["id"], "done")
    tab.page.click("#img2img_send")
    tab.page.wait_for_selector("#img2img_image .dk-picker[data-state=one]")
    tab.page.locator("#img2img_recipe", has_text="is restored").wait_for()
    held = tab.page.evaluate("darkroom.formValues('img2img')")
    assert (held["prompt"], held["guidance_scale"], held["seed"]) == ("panda", 4.5, 7)
    made = press(tab, "img2img")[0]
    tab.wait_for(made["id"], "done")
    shown = opened(server.picture(server.finished(job["id"])))
    kept = server.job(made["id"])["request"]["init"]["picture"]
    assert np.array_equal(begun_with(tab, made), np.asarray(shown))
    # its own recipe goes back to img2img, wherever it is dropped
    path = server.outputs / server.job(made["id"])["pictures"][0]["path"]
    open_form(tab, "txt2img", "txt2img")
    coded = base64.b64encode(path.read_bytes()).decode()
    tab.page.evaluate(DROP, ["#txt2img_prompt", coded, path.name])
    tab.page.wait_for_selector("#img2img_generate", state="visible")
    tab.page.wait_for_function(f"darkroom.formValues('img2img')['init.picture'].includes('{kept}')")


def test_a_picture_that_was_made_larger_goes_on_and_leaves_the_prompt_alone(server, open_tab):
    tab = open_tab(server)
    open_form(tab, "img2img", "img2img")
    quick(tab, img2img_prompt="kept prompt")
    open_form(tab, "Upscale", "extras")
    give(tab, "extras_image", ("odd.png", drawn((41, 33))))
    tab.fill("extras_upscaling_resize", 2.5)
    said = tab.page.locator("#extras_size_said")
    said.filter(has_text="41 × 33 becomes 102 × 82").wait_for()  # noqa: RUF001
    job = server.finished(press(tab, "extras")[0]["id"])
    assert opened(server.picture(job)).size == (102, 82)
    tab.wait_for(job["id"], "done")
    tab.page.click("#img2img_send")
    tab.page.locator("#img2img_recipe", has_text="The picture is here.").wait_for()
    picker(tab, "img2img_image", "102 × 82")  # noqa: RUF001
    held = tab.page.evaluate("darkroom.formValues('img2img')")
    assert (held["prompt"], held["width"], held["height"]) == ("kept prompt", 104, 80)
    counter = tab.page.locator("#img2img_token_counter output")
    paste = tab.page.locator("#img2img_paste").bounding_box()
    counter.filter(has_text="2/75").wait_for()
    box = counter.bounding_box()
    assert box["x"] + box["width"] <= paste["x"]  # in sight
    # its own recipe goes back to Upscale, and that is said
    coded = base64.b64encode(server.picture(job)).decode()
    tab.page.evaluate(DROP, ["#img2img_prompt", coded, "larger.png"])
    tab.page.locator("#extras_recipe", has_text="is restored").wait_for()
    picker(tab, "extras_image", "41 × 33")  # noqa: RUF001


@pytest.mark.parametrize("tab_name", ["extras", "txt2img"])
def test_png_info_sends_a_picture_of_this_computer_on(server, open_tab, tab_name):
    tab = open_tab(server)
    tab.page.get_by_role("tab", name="PNG Info", exact=True).click()
    payload = {"name": "mine.png", "mimeType": "image/png", "buffer": drawn((70, 50))}
    tab.page.set_input_files("#pnginfo-file", payload)
    tab.page.locator("#pnginfo-name", has_text="mine.png").wait_for()
    if tab_name == "txt2img":
        assert tab.page.locator("#txt2img_tab").is_disabled()  # there is no recipe
        return
    tab.page.click("#extras_tab")
    picker(tab, "extras_image", "mine.png · 70 × 50")  # noqa: RUF001
