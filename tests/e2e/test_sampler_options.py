"""What a sampler can be told, and the noise of a second seed, from the form to the picture."""

import io

from PIL import Image
from playwright.sync_api import expect

DETAILS = "txt2img_sampler_options"
EXTRA_SEED = "txt2img_subseed_row"


def unfold(tab, fold):
    tab.page.locator(f"#{fold} .dk-fold-button").click()


def quick(tab):
    for element, value in (("prompt", "red apple"), ("steps", 6), ("seed", 7)):
        tab.fill(f"txt2img_{element}", value)


def overflows(tab):
    return tab.page.evaluate(
        "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )


def test_churn_that_is_set_for_heun_is_in_the_request_and_in_the_file(server, open_tab):
    tab = open_tab(server)
    quick(tab)
    expect(tab.page.locator("#txt2img_s_churn")).not_to_be_visible()
    tab.choose("txt2img_sampling", "Heun")
    expect(tab.page.locator("#txt2img_sampling_help")).to_contain_text(
        "order 2 · 2 model calls a step"
    )
    unfold(tab, DETAILS)
    tab.fill("txt2img_s_churn", 12.5)
    job = server.finished(tab.generate())
    sampling = {name: value for name, value in job["request"]["sampling"].items() if value}
    assert sampling == {"s_churn": 12.5}
    text = Image.open(io.BytesIO(server.picture(job))).text["parameters"]
    assert "Sigma churn: 12.5" in text


def test_a_sampler_without_churn_hides_it_and_is_not_told(server, open_tab):
    tab = open_tab(server)
    quick(tab)
    unfold(tab, DETAILS)
    tab.choose("txt2img_sampling", "Heun")
    churn, eta = tab.page.locator("#txt2img_s_churn"), tab.page.locator("#txt2img_eta")
    expect(churn).to_be_visible()
    expect(eta).not_to_be_visible()
    tab.fill("txt2img_s_churn", 12.5)
    tab.choose("txt2img_sampling", "Euler a")
    expect(churn).not_to_be_visible()
    expect(eta).to_be_visible()
    tab.fill("txt2img_eta", 0.5)
    request = server.finished(tab.generate())["request"]
    assert {name: value for name, value in request["sampling"].items() if value} == {"eta": 0.5}
    tab.choose("txt2img_sampling", "Heun")
    assert tab.value("txt2img_s_churn") == "12.5"  # it was kept


def test_a_menu_offers_what_its_sampler_has_and_survives_a_refresh(server, open_tab):
    tab = open_tab(server)
    quick(tab)
    unfold(tab, DETAILS)
    tab.choose("txt2img_sampling", "UniPC")
    tab.page.locator("#txt2img_solver_type input").click()
    offered = tab.page.get_by_role("option").all_inner_texts()
    assert [each.replace("✓", "").strip() for each in offered] == ["bh1 (default)", "bh1", "bh2"]
    tab.page.get_by_role("option", name="bh2", exact=True).click()
    tab.choose("txt2img_solver_order", "2")
    tab.reload()
    tab.open()
    unfold(tab, DETAILS)
    assert (tab.value("txt2img_solver_type"), tab.value("txt2img_solver_order")) == ("bh2", "2")
    request = server.finished(tab.generate())["request"]
    assert (request["sampling"]["solver_type"], request["sampling"]["order"]) == ("bh2", 2)
    assert request["sampler"] == "UniPC"
    tab.choose("txt2img_sampling", "ER-SDE")
    request = server.finished(tab.generate())["request"]
    assert (request["sampling"]["solver_type"], request["sampling"]["order"]) == (None, 2)


def test_some_of_a_second_seeds_noise_changes_the_picture(server, open_tab):
    tab = open_tab(server)
    quick(tab)
    tab.choose("txt2img_sampling", "DPM++ 2M")
    alone = server.finished(tab.generate())
    unfold(tab, EXTRA_SEED)
    tab.fill("txt2img_subseed", 9)
    tab.fill("txt2img_subseed_strength", 0.3)
    varied = server.finished(tab.generate())
    assert alone["request"]["variation"] is None
    assert varied["request"]["variation"] == {"seed": 9, "strength": 0.3}
    first, second = (Image.open(io.BytesIO(server.picture(job))) for job in (alone, varied))
    assert first.tobytes() != second.tobytes()


def test_what_is_wrong_in_a_closed_fold_opens_it_and_is_marked(server, open_tab):
    tab = open_tab(server)
    quick(tab)
    unfold(tab, EXTRA_SEED)
    tab.fill("txt2img_seed_resize_from_w", 256)
    unfold(tab, EXTRA_SEED)
    height = tab.page.locator("#txt2img_seed_resize_from_h")
    expect(height).not_to_be_visible()
    tab.page.click("#txt2img_generate")
    expect(height.locator(".dk-wrong-text")).to_contain_text("fill in both or none")


def test_a_complaint_goes_when_the_form_is_changed_and_when_it_is_closed(server, open_tab):
    tab = open_tab(server)
    quick(tab)
    unfold(tab, DETAILS)
    notice, churn = tab.page.locator(".dk-notice"), tab.page.locator("#txt2img_s_churn")

    def complain():
        tab.choose("txt2img_sampling", "Heun")
        tab.fill("txt2img_s_churn", 1000)
        tab.page.click("#txt2img_generate")
        expect(notice).to_contain_text("Sigma churn must be from 0 to 100, got 1000")
        expect(churn.locator(".dk-wrong-text")).to_be_visible()

    complain()
    notice.get_by_role("button", name="Close this message").click()
    expect(notice).not_to_be_visible()
    expect(churn.locator(".dk-wrong-text")).not_to_be_attached()
    complain()
    tab.choose("txt2img_sampling", "Euler a")  # which has no churn
    expect(notice).not_to_be_visible()
    complain()
    tab.fill("txt2img_prompt", "a green apple")
    expect(notice).not_to_be_visible()


def test_boxes_of_options_are_as_high_as_menus_and_their_labels_take_one_line(server, open_tab):
    for width in (1280, 390):
        tab = open_tab(server, viewport={"width": width, "height": 900})
        for fold in (DETAILS, EXTRA_SEED):
            unfold(tab, fold)
        tab.choose("txt2img_sampling", "DPM++ 2M SDE")
        expect(tab.page.locator("#txt2img_solver_type input")).to_have_value("midpoint (default)")
        boxes = ".dk-grid .dk-field:visible :is(input[type=text], .wrap:has(> .wrap-inner))"
        heights = tab.page.locator(boxes).evaluate_all("all => all.map(e => e.offsetHeight)")
        assert len(heights) == 8
        assert set(heights) == {38}
        labels = tab.page.locator(".dk-grid .dk-field:visible [data-testid=block-info]")
        assert set(labels.evaluate_all("all => all.map(e => e.offsetHeight)")) == {18}
        # the text of a menu ends before its arrow
        room = tab.page.locator("#txt2img_sampling").evaluate(
            """menu => {
                const text = menu.querySelector("input"), style = getComputedStyle(text);
                const end = text.getBoundingClientRect().right - parseFloat(style.paddingRight);
                return menu.querySelector(".icon-wrap").getBoundingClientRect().left - end;
            }"""
        )
        assert room >= 0


def test_nothing_sticks_out_when_all_is_unfolded(server, open_tab):
    for width in (1280, 390):
        tab = open_tab(server, viewport={"width": width, "height": 900})
        for fold in (DETAILS, EXTRA_SEED):
            unfold(tab, fold)
        tab.choose("txt2img_sampling", "DPM++ 2M SDE")
        expect(tab.page.locator("#txt2img_solver_type")).to_be_visible()
        assert not overflows(tab)
