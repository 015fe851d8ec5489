"""The page as somebody meets it who has never seen it: what is in sight, and what it says."""

import re

import pytest

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def quick(tab, **values):
    defaults = {"txt2img_prompt": "red apple", "txt2img_steps": 5, "txt2img_seed": 7}
    for element, value in (defaults | values).items():
        tab.fill(element, value)


def send_anything(tab, element, value):
    """Puts a value into a number box that its slider would not allow."""
    tab.page.evaluate(
        """([id, value]) => {
            const box = document.querySelector(`#${id} input[type=number]`);
            box.value = value;
            box.dispatchEvent(new Event("input", { bubbles: true }));
        }""",
        [element, value],
    )


def in_sight(tab, selector):
    """Whether the middle of the element is what one sees there: not scrolled away, not covered."""
    return tab.page.locator(selector).first.evaluate(
        """element => {
            const box = element.getBoundingClientRect();
            const seen = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
            return seen !== null && (element.contains(seen) || seen.contains(element));
        }"""
    )


def shows(tab, what):
    tab.page.wait_for_selector(f"#live[data-shows={what}]", timeout=10_000)


def shown_file(tab, name):
    """Waits until the predicted pane shows the file of that name; its size."""
    tab.page.wait_for_function(
        "name => document.getElementById('live-predicted').src.endsWith(name)", arg=name
    )
    return tab.pixels("live-predicted").split(":")[0]


def test_a_frame_that_never_comes_holds_up_no_other_job(server, open_tab):
    """The engine may be busy, or still starting, when an old job's steps are looked at."""
    tab = open_tab(server)
    quick(tab)
    old = tab.generate()
    tab.wait_for(old, "done")
    tab.page.route(f"**/jobs/{old}/frames/**", lambda route: None)  # nobody answers
    with tab.page.expect_request(f"**/jobs/{old}/frames/**"):
        tab.open()
    quick(tab, txt2img_seed=8)
    new = tab.generate()
    tab.wait_for(new, "done")
    tab.page.wait_for_function(
        """id => {
            const image = document.getElementById("live-noisy");
            return !image.hidden && image.naturalWidth > 0 && image.src.includes(id);
        }""",
        arg=new,
        timeout=20_000,
    )
    tab.page.unroute_all(behavior="ignoreErrors")


def test_a_frame_that_fails_is_asked_for_again_unless_there_is_none(server, open_tab):
    tab = open_tab(server)
    quick(tab)
    job = tab.generate()
    tab.wait_for(job, "done")
    tab.page.evaluate("localStorage.setItem('darkroom.look', 'fast')")
    failures = ["abort", 503]

    def fail(route):
        if "/2/" in route.request.url:
            route.fulfill(status=404)
        elif failures:
            how = failures.pop(0)
            route.abort() if how == "abort" else route.fulfill(status=how)
        else:
            route.continue_()

    tab.page.route(re.compile(rf"/{job}/frames/0/[23]/noisy"), fail)
    tab.open()
    slider = tab.page.locator("#live-scrub")
    tab.page.wait_for_function("() => document.getElementById('live-scrub').value === '5'")
    for _ in range(2):
        slider.press("ArrowLeft")
    tab.page.wait_for_function(
        "() => document.getElementById('live-noisy').src.includes('/3/noisy')", timeout=20_000
    )
    assert failures == []
    slider.press("ArrowLeft")
    words = tab.page.locator(".dk-pane[data-kind=noisy] .dk-plate-text")
    words.get_by_text("This step was not kept.").wait_for(timeout=20_000)
    slider.press("ArrowLeft")  # and goes on from there
    tab.page.wait_for_function(
        "() => document.getElementById('live-noisy').src.includes('/1/noisy')", timeout=20_000
    )
    tab.problems.clear()  # Chromium says what failed


def test_when_a_run_is_done_the_saved_picture_is_what_one_sees(server, open_tab):
    tab = open_tab(server)
    quick(tab, txt2img_batch_count=2)
    job_id = tab.generate()
    tab.wait_for(job_id, "done")
    shows(tab, "result")
    saved = {each["image"]: each["path"] for each in server.job(job_id)["pictures"]}
    assert shown_file(tab, saved[1]) == "128x128"
    tab.page.locator("#live-scrub").press("ArrowLeft")
    shows(tab, "step")
    tab.page.locator("#live-batch").select_option("0")
    shows(tab, "result")
    assert shown_file(tab, saved[0]) == "128x128"


def test_a_batch_of_several_ends_in_its_grid(server, open_tab):
    tab = open_tab(server)
    quick(tab, txt2img_batch_size=2)
    job_id = tab.generate()
    tab.wait_for(job_id, "done")
    shows(tab, "result")
    (grid,) = (each for each in server.job(job_id)["pictures"] if each["image"] == -1)
    assert shown_file(tab, grid["path"]) == f"{grid['width']}x{grid['height']}"


def test_steps_looked_back_at_are_drawn_as_the_user_once_chose(server, open_tab):
    tab = open_tab(server)
    quick(tab)
    tab.wait_for(tab.generate(), "done")
    look = tab.page.locator("#live-look [aria-checked=true]")
    assert look.inner_text() == "VAE"  # a small picture: exact at once
    tab.page.wait_for_function(  # also the latent of the end, which nobody looked back at
        "document.getElementById('live-noisy').src.includes('/5/noisy?method=vae')", timeout=20_000
    )
    tab.page.evaluate("document.getElementById('table').scrollTo(0, 9999)")
    tab.wait_for(tab.generate(), "done")
    tab.page.wait_for_function("document.getElementById('table').scrollTop === 0")
    assert in_sight(tab, "#live-status")
    tab.page.locator("#live-look").get_by_text("Fast").click()
    tab.open()
    shows(tab, "result")
    assert look.inner_text() == "Fast"


def test_on_a_phone_generate_brings_the_live_view_and_leaves_interrupt_in_reach(server, open_tab):
    tab = open_tab(server, **PHONE)
    quick(tab, txt2img_steps=150)
    job_id = tab.generate()
    tab.wait_for_step(job_id, 3)
    tab.page.wait_for_timeout(600)  # it scrolls smoothly
    assert in_sight(tab, "#live-status")
    assert in_sight(tab, "#live-predicted")
    tab.page.locator("#txt2img_interrupt").tap()
    tab.wait_for(job_id, "stopped")


@pytest.mark.parametrize("screen", [{"viewport": {"width": 1280, "height": 800}}, PHONE])
def test_what_is_wrong_is_in_sight_at_the_field_and_beside_the_button(server, open_tab, screen):
    tab = open_tab(server, **screen)
    quick(tab)
    steps = tab.page.locator("#txt2img_steps input[type=number]")
    steps.fill("99999")
    steps.press("Tab")
    tab.page.get_by_text("99999 is more than 150; set to 150.").wait_for()
    assert steps.input_value() == "150"
    steps.fill("5")
    assert tab.page.locator(".dk-set-text").count() == 0
    send_anything(tab, "txt2img_height", 500)
    tab.page.click("#txt2img_generate")
    tab.page.wait_for_selector("#txt2img_height .dk-wrong-text")
    tab.page.wait_for_timeout(600)  # it scrolls smoothly
    for place in ("#txt2img_height input[type=number]", ".dk-wrong-text", ".dk-notice"):
        assert in_sight(tab, place), place
        if place != "#txt2img_height input[type=number]":
            assert "multiple of 8" in tab.page.locator(place).inner_text()


@pytest.mark.parametrize("width", [320, 390, 1024, 1280])
def test_no_label_is_cut_and_nothing_overflows(server, open_tab, width):
    tab = open_tab(server, viewport={"width": width, "height": 844})
    cut = tab.page.evaluate(
        """() => [...document.querySelectorAll(".dk-field [data-testid=block-info]")]
            .filter(label => label.scrollWidth > label.clientWidth + 1)
            .map(label => label.textContent.trim())"""
    )
    assert cut == []
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


def test_light_and_dark_follow_the_system_until_the_user_chooses(server, open_tab):
    tab = open_tab(server, color_scheme="light")
    dark = "document.body.classList.contains('dark')"
    assert tab.page.evaluate(dark) is False
    tab.page.emulate_media(color_scheme="dark")
    tab.page.wait_for_function(dark)
    tab.page.click("#dk-theme")
    assert tab.page.evaluate(dark) is False
    tab.open()
    assert tab.page.evaluate(dark) is False  # the choice is kept
    tab.page.add_init_script(
        """window.drawn = new Set();
        (function look() {
            if (document.body) drawn.add(getComputedStyle(document.body).backgroundColor);
            requestAnimationFrame(look);
        })();"""
    )
    tab.open()
    assert tab.page.evaluate("[...drawn]") == ["rgb(243, 239, 233)"]  # from the first frame on


def test_with_the_keyboard_alone_menus_close_and_a_picture_gives_the_focus_back(server, open_tab):
    tab = open_tab(server)
    quick(tab)
    tab.wait_for(tab.generate(), "done")
    tab.page.focus("#txt2img_sampling input")
    tab.page.get_by_role("option").first.wait_for()
    for _ in range(2):
        tab.page.keyboard.press("Tab")
    tab.page.wait_for_timeout(300)
    assert tab.page.locator(".options:visible").count() == 0
    tab.page.focus("#txt2img_cfg_scale input[type=range]")
    tab.page.keyboard.press("ArrowRight")
    help, form = tab.page.locator("#txt2img_cfg_scale .info-text"), tab.page.locator("#bench")
    help.wait_for()
    assert help.bounding_box()["x"] > form.bounding_box()["width"]  # covers no other field
    thumbnail = tab.page.locator("#txt2img_gallery button.thumbnail-item")
    thumbnail.first.focus()
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector("#txt2img_gallery .preview")
    tab.page.keyboard.press("Escape")
    tab.page.wait_for_function("document.activeElement.matches('#txt2img_gallery .thumbnail-item')")


def test_what_is_chosen_is_explained(server, open_tab):
    tab = open_tab(server)
    tab.choose("txt2img_sampling", "Euler a")
    words = tab.page.locator("#txt2img_sampling_help")
    words.get_by_text("fresh noise").wait_for()
    assert words.inner_text().startswith("Euler a")


def test_a_run_that_was_over_before_it_was_looked_at_is_still_the_one_shown(server, open_tab):
    tab = open_tab(server)
    quick(tab, txt2img_steps=1)
    before = {job["id"] for job in server.jobs()}
    for _ in range(3):
        tab.page.click("#txt2img_generate")
    server.wait(lambda: len({job["id"] for job in server.jobs()} - before) == 3, 10)
    newest = max(server.jobs(), key=lambda job: job["created"])
    tab.wait_for(newest["id"], "done", 20)
