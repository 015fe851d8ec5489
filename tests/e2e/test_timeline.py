"""The steps of a picture, looked back at and gone on from, in a real browser."""

import io
import re

import av
import pytest
from PIL import Image

from tests.e2e.test_txt2img import pixels, quick

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
IN_FULL = "vae&position=0"


def made(tab, **values):
    """A finished picture, and the job that made it."""
    quick(tab, **values)
    job_id = tab.generate()
    tab.wait_for(job_id, "done")
    tab.page.locator("#live-tools").wait_for()
    return tab.server.job(job_id)


def go_to(tab, step):
    """By the keyboard alone."""
    tab.page.locator("#live-scrub").press("Home")
    for _ in range(step - 1):
        tab.page.locator("#live-scrub").press("ArrowRight")
    tab.page.wait_for_function(
        "step => document.querySelector('#live-where').textContent.startsWith(`${step} /`)",
        arg=step,
    )


def shows(tab, step, drawn):
    """Waits until both views show that step drawn so, and returns what they show."""
    for kind in ("noisy", "predicted"):
        tab.page.wait_for_function(
            "([kind, end]) => document.querySelector(`#live-${kind}`).src.endsWith(end)",
            arg=[kind, f"/{step}/{kind}?method={drawn}"],
        )
    return [tab.pixels(f"live-{kind}") for kind in ("noisy", "predicted")]


def where(tab):
    return tab.page.locator("#live-where").inner_text().split("\n")


def said(step):
    """The sigma of a step and its change since the one before, as the page writes them."""
    sigma = f"{step['sigma']:.{3 if step['sigma'] < 0.0995 else 2}f}"
    if step["change"] is None:
        return [f"\u03c3 {sigma}"]
    places = 0 if step["change"] >= 0.0995 else 1 if step["change"] >= 0.00995 else 2
    return [f"\u03c3 {sigma}", f"\u0394 {100 * step['change']:.{places}f} %"]


def frames_of(kind, data):
    if kind != "mp4":
        return getattr(Image.open(io.BytesIO(data)), "n_frames", 1)
    with av.open(io.BytesIO(data)) as film:
        return sum(1 for _ in film.decode(video=0))


def new_jobs(server, before):
    return [job for job in server.jobs() if job["id"] not in {each["id"] for each in before}]


def kin(tab):
    """What hangs beside each other, by its words."""
    return tab.page.locator("#kin-row li").evaluate_all(
        "items => items.map(each => [...each.querySelectorAll('.dk-kin-label, .dk-kin-text')]"
        ".map(words => words.textContent))"
    )


def test_each_step_has_both_views_its_sigma_and_its_change(server, open_tab):
    tab = open_tab(server)
    job = made(tab)
    kept = server.get(f"api/v1/jobs/{job['id']}/trajectory")["steps"]
    assert [each["step"] for each in kept] == [1, 2, 3, 4, 5, 6]
    seen = set()
    for step in kept:
        go_to(tab, step["step"])
        assert where(tab) == [f"{step['step']} / 6", *said(step)]
        if step["step"] < 6:
            seen |= set(shows(tab, step["step"], IN_FULL))
    assert len(seen) == 10  # two views of five steps; after the last there is the picture
    tab.page.locator("#live-scrub").press("Home")
    assert where(tab)[0] == "1 / 6"
    tab.page.locator("#live-scrub").press("End")
    assert where(tab)[0] == "6 / 6"


def test_the_step_that_is_rested_on_is_decoded_in_full(server, open_tab):
    tab = open_tab(server)
    made(tab)
    tab.page.wait_for_function(  # the end of the run rests by itself
        "document.querySelector('#live-noisy').src.includes('/6/noisy?method=vae')"
    )
    asked = []
    tab.page.on("request", lambda each: "method=vae" in each.url and asked.append(each.url))
    tab.page.locator("#live-scrub").evaluate(
        """slider => { for (const step of [1, 2, 3, 4]) {
            slider.value = step;
            slider.dispatchEvent(new Event("input", { bubbles: true }));
        } }"""
    )
    sizes = [each.split(":")[0] for each in shows(tab, 4, IN_FULL)]
    assert sizes == ["128x128", "128x128"]  # a guess has the size of the latent
    steps = {int(re.search(r"/(\d+)/\w+\?", each).group(1)) for each in asked}
    assert steps == {4}  # those that were only passed by were not
    tab.page.locator("#live-look").get_by_text("Fast").click()
    sizes = [each.split(":")[0] for each in shows(tab, 4, "fast")]
    assert sizes == ["16x16", "16x16"]


def test_one_picture_of_a_batch_can_be_looked_at_alone(server, open_tab):
    tab = open_tab(server)
    job = made(tab, txt2img_batch_size=2)
    box = tab.page.locator("#live-batch")
    assert box.locator("option").all_inner_texts() == ["All", "1 of 2", "2 of 2"]
    go_to(tab, 3)
    assert len(where(tab)) == 2  # how much all of them changed nobody says
    box.select_option("0.1")
    second = server.get(f"api/v1/jobs/{job['id']}/trajectory?image=1")["steps"]
    tab.page.wait_for_function("document.querySelectorAll('#live-where span').length === 2")
    assert where(tab) == ["3 / 6", *said(second[2])]
    sizes = [each.split(":")[0] for each in shows(tab, 3, "vae&position=1")]
    assert sizes == ["128x128", "128x128"]
    box.select_option("0")
    sizes = [each.split(":")[0] for each in shows(tab, 3, "vae")]
    assert sizes == ["256x128", "256x128"]


def test_one_picture_of_a_batch_that_runs_is_cut_out_of_the_frame_of_all(server, open_tab):
    tab = open_tab(server)
    quick(tab, txt2img_batch_size=2, txt2img_steps=150)
    job_id = tab.generate()
    tab.wait_for_step(job_id, 2)
    tab.page.locator("#live-batch").select_option("0.1")
    tab.page.locator(".dk-part[data-cut=yes] #live-predicted").wait_for()
    plate, image = (
        tab.page.locator(each).bounding_box()
        for each in ("[data-kind=predicted] .dk-part", "#live-predicted")
    )
    assert image["width"] == pytest.approx(2 * plate["width"], abs=2)
    assert image["x"] == pytest.approx(plate["x"] - plate["width"], abs=2)
    assert plate["width"] == pytest.approx(plate["height"], abs=2)
    tab.page.keyboard.press("Escape")
    tab.wait_for(job_id, "stopped")


def test_a_branch_with_nothing_changed_is_the_same_picture_beside_its_origin(server, open_tab):
    tab = open_tab(server)
    origin = made(tab, txt2img_seed=11)
    go_to(tab, 2)
    tab.page.click("#tool-branch-open")
    assert tab.page.locator("#branch-form [name=prompt]").input_value() == "red apple"
    assert tab.page.locator("#branch-form [name=seed]").input_value() == "11"
    before = server.jobs()
    tab.page.click("#branch-go")
    server.wait(lambda: len(new_jobs(server, before)) == 1, 20)
    branch = server.finished(new_jobs(server, before)[0]["id"])
    assert branch["request"]["resume"]["job"] == origin["id"]
    assert branch["request"]["resume"]["step"] == 2
    assert pixels(server.picture(branch)) == pixels(server.picture(origin))
    tab.wait_for(branch["id"], "done")
    tab.page.locator("#kin-row li img").nth(1).wait_for()
    assert kin(tab) == [["Origin", ""], ["From step 2", "nothing changed"]]
    sources = tab.page.locator("#kin-row img").evaluate_all("all => all.map(each => each.src)")
    names = [each["pictures"][0]["path"].rsplit("/", 1)[1] for each in (origin, branch)]
    assert [each.rsplit("/", 1)[1] for each in sources] == names


def test_a_branch_goes_on_with_what_was_changed_and_nothing_else(server, open_tab):
    tab = open_tab(server)
    origin = made(tab, txt2img_seed=12)
    go_to(tab, 3)
    tab.page.click("#tool-branch-open")
    tab.page.fill("#branch-form [name=guidance_scale]", "2.5")
    tab.page.fill("#branch-form [name=prompt]", "green apple")
    before = server.jobs()
    tab.page.click("#branch-go")
    server.wait(lambda: len(new_jobs(server, before)) == 1, 20)
    branch = server.finished(new_jobs(server, before)[0]["id"])
    changed = {
        name for name, value in branch["request"].items() if value != origin["request"][name]
    }
    assert changed == {"guidance_scale", "prompt", "resume"}
    assert branch["request"]["guidance_scale"] == 2.5
    assert branch["request"]["prompt"] == "green apple"
    assert pixels(server.picture(branch)) != pixels(server.picture(origin))
    tab.wait_for(branch["id"], "done")
    tab.page.locator("#kin-row li img").nth(1).wait_for()
    assert kin(tab)[1] == ["From step 3", "prompt: green apple \u00b7 CFG scale 2 \u2192 2.5"]
    tab.page.locator("#kin-row button").first.click()  # back to the origin
    tab.wait_for(origin["id"], "done")


def test_of_four_seeds_begun_two_are_finished(server, open_tab):
    tab = open_tab(server)
    made(tab, txt2img_batch_size=2)
    tab.page.click("#tool-seeds-open")
    tab.page.select_option("#seeds-form [name=share]", "0.5")
    before = server.jobs()
    tab.page.click("#seeds-go")
    server.wait(lambda: len(new_jobs(server, before)) == 1, 20)
    triage = server.finished(new_jobs(server, before)[0]["id"])
    assert [triage["request"][name] for name in ("images", "batch_size", "stop_at")] == [4, 1, 0.5]
    tab.wait_for(triage["id"], "done")
    ticks = tab.page.locator("#triage-row input")
    ticks.nth(3).wait_for()
    assert tab.page.locator("#triage-finish").is_disabled()
    for index in (1, 3):
        ticks.nth(index).check()
    assert tab.page.locator("#triage-finish").inner_text() == "Finish 2 pictures"
    before = server.jobs()
    tab.page.click("#triage-finish")
    server.wait(lambda: len(new_jobs(server, before)) == 2, 20)
    first = triage["request"]["seed"]
    jobs = {job["request"]["seed"]: server.finished(job["id"]) for job in new_jobs(server, before)}
    assert set(jobs) == {(first + 1) % 2**32, (first + 3) % 2**32}
    for seed, job in jobs.items():  # as if it had been made in one go
        assert (job["state"], job["request"]["stop_at"]) == ("done", 1.0)
        quick(tab, txt2img_seed=seed, txt2img_batch_size=1)
        whole = server.finished(tab.generate())
        assert pixels(server.picture(job)) == pixels(server.picture(whole))


def test_the_steps_that_were_needed_go_into_the_form(server, open_tab):
    tab = open_tab(server)
    job = made(tab, txt2img_steps=30)
    enough = server.get(f"api/v1/jobs/{job['id']}/trajectory")["suggested"]
    assert 1 < enough < 30
    tab.page.click("#tool-needed-open")
    assert f"After step {enough} of 30" in tab.page.locator("#needed-lead").inner_text()
    points = tab.page.locator(".dk-curve-line").get_attribute("points").split()
    assert len(points) == 29  # a change for each step but the first
    tab.page.click("#needed-use")
    tab.page.wait_for_function(
        "n => document.querySelector('#txt2img_steps input[type=number]').value === String(n)",
        arg=enough,
    )
    box = tab.page.locator("#needed-curve").bounding_box()
    tab.page.mouse.click(box["x"] + 1, box["y"] + 30)
    assert where(tab)[0] == "1 / 30"


@pytest.mark.parametrize(
    ("kind", "frames"), [("mp4", (6, "mp4")), ("gif", (6, "gif")), ("sheet", (1, "jpg"))]
)
def test_an_export_holds_every_step(server, open_tab, kind, frames):
    tab = open_tab(server)
    made(tab)
    tab.page.click("#tool-export-open")
    tab.page.select_option("#export-form [name=format]", kind)
    tab.page.select_option("#export-form [name=view]", "both")
    with tab.page.expect_download() as download:
        tab.page.click("#export-go")
    data = download.value.path().read_bytes()
    assert (frames_of(kind, data), download.value.suggested_filename.split(".")[-1]) == frames


def test_after_a_restart_the_steps_are_still_there(own_server, open_tab):
    tab = open_tab(own_server)
    job = made(tab)
    made(tab, txt2img_prompt="rocket")
    before = own_server.get(f"api/v1/jobs/{job['id']}/trajectory")
    own_server.stop()
    own_server.start()
    tab.open()
    tab.problems.clear()  # a page whose server is gone may say so
    # the newest run, from before the restart
    tab.page.wait_for_function("document.querySelectorAll('#live-where span').length === 2")
    assert where(tab)[:2] == ["6 / 6", "\u03c3 0.000"]
    tab.page.goto(f"{own_server.address}/#job={job['id']}")
    tab.reload()
    tab.wait_for(job["id"], "done")
    tab.page.locator("#live-tools").wait_for()
    assert own_server.get(f"api/v1/jobs/{job['id']}/trajectory") == before
    for step in (5, 2):
        go_to(tab, step)
        assert where(tab) == [f"{step} / 6", *said(before["steps"][step - 1])]
        assert len(set(shows(tab, step, IN_FULL))) == 2


def test_on_a_phone_a_finger_moves_along_the_steps_and_the_tools_fit(server, open_tab):
    tab = open_tab(server, **PHONE)
    made(tab)
    scrub = tab.page.locator("#live-scrub")
    box = scrub.bounding_box()
    scrub.tap(position={"x": box["width"] / 2, "y": box["height"] / 2})
    assert where(tab)[0] in ("3 / 6", "4 / 6")
    for tool in ("branch", "seeds", "needed", "export"):
        tab.page.locator(f"#tool-{tool}-open").tap()
        assert tab.page.locator(f"#tool-{tool}").is_visible()
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_guidance_is_shown_of_a_picture_whose_guidance_was_kept(server, open_tab):
    tab = open_tab(server)
    made(tab)
    tab.page.click("#tool-guidance-open")
    tab.page.wait_for_function(
        "document.querySelector('#guidance-lead').textContent.includes('Of this step only')"
    )
    assert not tab.page.locator("#guidance-row").is_visible()
    with tab.page.expect_response("**/api/v1/previews"):
        tab.page.check("#guidance-keep")
    job = made(tab, txt2img_seed=8)
    go_to(tab, 3)  # the tool is still open
    shown = set()
    for kind in ("unprompted", "prompted", "predicted"):
        tab.page.wait_for_function(
            "([kind, end]) => document.querySelector(`#guidance-${kind}`).src.endsWith(end)",
            arg=[kind, f"{job['id']}/frames/0/3/{kind}?method=vae&position=0"],
        )
        shown.add(tab.pixels(f"guidance-{kind}"))
    assert len(shown) == 3
    with tab.page.expect_response("**/api/v1/previews"):
        tab.page.uncheck("#guidance-keep")
