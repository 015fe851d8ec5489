"""An X/Y/Z plot, as a person makes one: axes chosen, values filled in, the grid grown."""

import json

from PIL import Image

from tests.e2e.test_txt2img import quick

FOLD = "txt2img_xyz_plot"
TIMES = "\N{MULTIPLICATION SIGN}"
SHOWN = """images => Promise.all(images.map(async each => {
    await each.decode(); return each.naturalWidth;
}))"""


def says(tab, start):
    tab.page.wait_for_function(
        "([id, start]) => document.getElementById(id).textContent.startsWith(start)",
        arg=[f"{FOLD}_says", start],
    )


def test_a_plot_of_three_by_two_grows_cell_by_cell_and_its_grid_fills_the_form(server, open_tab):
    tab = open_tab(server)
    page = tab.page
    quick(tab, txt2img_width=128, txt2img_height=128)
    page.click(f"#{FOLD}_fold .dk-fold-button")
    page.wait_for_selector(f"#{FOLD}_fold[data-axes] .xyz-swaps")
    page.locator(f"#{FOLD}_on input").check()
    tab.choose(f"{FOLD}_x_axis", "Steps")
    page.locator(f"#{FOLD}_y_values").get_by_text("All values").wait_for(state="hidden")
    tab.choose(f"{FOLD}_y_axis", "RNG source")
    page.locator(f"#{FOLD}_y_values").get_by_text("All values").click()
    assert tab.value(f"{FOLD}_y_values") == "cpu, nv"
    tab.fill(f"{FOLD}_x_values", "1-900")
    says(tab, "X: of Steps are more than 500")
    tab.fill(f"{FOLD}_x_values", "1-3")
    says(tab, f"6 pictures (3 {TIMES} 2)")
    swap = page.get_by_role("button", name="Swap X and Y")
    swap.press("Enter")  # by the keyboard: on a busy machine a menu may still lie over it
    says(tab, f"6 pictures (2 {TIMES} 3)")
    swap.press("Enter")
    says(tab, f"6 pictures (3 {TIMES} 2)")

    before = {job["id"] for job in server.jobs()}
    page.click("#txt2img_generate")
    page.wait_for_selector("#xyz-plot[data-state='running']")
    assert page.locator("#strip").is_hidden()
    tab.reload()  # it is the server's, not the page's
    page.wait_for_selector("#xyz-plot[data-state='over']", timeout=120_000)
    jobs = [job for job in server.jobs() if job["id"] not in before]
    made = [(job["request"]["steps"], job["request"]["rng"]) for job in reversed(jobs)]
    assert made == [(steps, rng) for rng in ("cpu", "nv") for steps in (1, 2, 3)]
    assert page.locator("#xyz-facts").inner_text() == "6 of 6"
    assert page.locator("#xyz-plot thead th").all_inner_texts() == [
        f"Steps: {n}" for n in (1, 2, 3)
    ]
    rows = page.locator("#xyz-plot tbody th").all_inner_texts()
    assert rows == ["RNG source: cpu", "RNG source: nv"]
    shown = page.locator(".xyz-cell img").evaluate_all(SHOWN)
    assert shown == [job["pictures"][0]["width"] for job in jobs]

    page.locator(".xyz-cell").nth(4).click()
    chosen = list(reversed(jobs))[4]["id"]
    page.wait_for_selector(f"#live[data-job='{chosen}']")

    grid = server.outputs / page.locator("#xyz-open").get_attribute("href").removeprefix(
        "api/v1/pictures/"
    )
    with Image.open(grid) as image:
        kept = json.loads(image.text["darkroom"])["request"]["extras"]["xyz_plot"]
    assert (kept["on"], kept["x_axis"], kept["y_values"]) == (True, "Steps", "cpu, nv")
