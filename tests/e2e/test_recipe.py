"""Recipes out of pictures and texts, into the form and back; and what a picture says, inert."""

import io
import json
import re

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import expect

A1111 = (
    "a red fox in snow, (sharp focus:1.2)\nNegative prompt: blurry, [text]\n"
    "Steps: 25, Sampler: DPM++ SDE, Schedule type: Karras, CFG scale: 6.5, Seed: 42, "
    "Size: 256x192, Model hash: 31e35c80fc, Model: sd_xl_base_1.0, Denoising strength: 0.4, "
    'Clip skip: 2, Hires upscale: 2, Lora hashes: "ink_style: 0a1b2c3d4e5f", '
    "Eta: 0.5, Version: v1.10.1"
)
# Every control of the form, and two unlike settings of them; own noise levels hide others, so they
# come last.
FIRST = {
    "txt2img_prompt": "panda on a blue background",
    "txt2img_neg_prompt": "blurred",
    "setting_sd_model_checkpoint": "fluent-emoji",
    "txt2img_sampling": "UniPC",
    "txt2img_scheduler": "Karras",
    "txt2img_steps": "5",
    "txt2img_cfg_scale": "4.5",
    "txt2img_width": "128",
    "txt2img_height": "64",
    "txt2img_batch_count": "1",
    "txt2img_batch_size": "1",
    "txt2img_seed": "42",
    "txt2img_emphasis": "No norm",
    "setting_CLIP_stop_at_last_layers": "2",
    "txt2img_solver_order": "2",
    "txt2img_solver_type": "bh2",
    "txt2img_sigma_min": "0.05",
    "txt2img_rho": "6.5",
    "txt2img_subseed": "9",
    "txt2img_subseed_strength": "0.25",
    "txt2img_seed_resize_from_w": "256",
    "txt2img_seed_resize_from_h": "192",
    "txt2img_rng": "nv",
    "txt2img_sigmas": "",
}
OTHER = {
    "txt2img_prompt": "ghost",
    "txt2img_neg_prompt": "",
    "setting_sd_model_checkpoint": "another",
    "txt2img_sampling": "ER-SDE",
    "txt2img_scheduler": "Polyexponential",
    "txt2img_steps": "17",
    "txt2img_cfg_scale": "9",
    "txt2img_width": "64",
    "txt2img_height": "192",
    "txt2img_batch_count": "3",
    "txt2img_batch_size": "2",
    "txt2img_seed": "-1",
    "txt2img_emphasis": "Ignore",
    "setting_CLIP_stop_at_last_layers": "3",
    "txt2img_solver_order": "1",
    "txt2img_solver_type": "ode",
    "txt2img_sigma_min": "",
    "txt2img_rho": "2",
    "txt2img_subseed": "-1",
    "txt2img_subseed_strength": "0",
    "txt2img_seed_resize_from_w": "",
    "txt2img_seed_resize_from_h": "",
    "txt2img_rng": "cpu",
    "txt2img_sigmas": "9, 3, 0",
}
MENUS = {"emphasis", "sampling", "scheduler", "solver_order", "solver_type", "rng"}
EVENT = """([kind, files, address, selector]) => {
    const data = new DataTransfer();
    for (const [bytes, name, type] of files) {
        data.items.add(new File([new Uint8Array(bytes)], name, { type }));
    }
    if (address) data.setData(kind === "paste" ? "text/plain" : "text/uri-list", address);
    const init = { bubbles: true, cancelable: true };
    const event = kind === "paste"
        ? new ClipboardEvent(kind, { ...init, clipboardData: data })
        : new DragEvent(kind, { ...init, dataTransfer: data });
    return document.querySelector(selector).dispatchEvent(event);
}"""


def png(size=(16, 16), **chunks):
    info = PngInfo()
    for name, text in chunks.items():
        info.add_text(name, text)
    buffer = io.BytesIO()
    Image.new("RGB", size, "green").save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def send(tab, kind, *pictures, address="", at="body"):
    """Whether it is left to the browser. What is pasted with an `address` is that text, too."""
    files = [[list(data), name, "image/png"] for name, data in pictures]
    return tab.page.evaluate(EVENT, [kind, files, address, at])


def drop(tab, name, data, at="#txt2img_prompt textarea"):
    send(tab, "dragover", (name, data), at=at)
    expect(tab.page.locator(".dk-cover")).to_be_visible()
    send(tab, "drop", (name, data), at=at)
    assert not tab.page.locator(".dk-cover").is_visible()  # at once, not when it would give up


def says(tab, state, *words):
    """Waits until the notice beside Generate is in that state and holds all those words."""
    box = tab.page.locator(f".dk-restored[data-state={state}]")
    expect(box).to_be_visible(timeout=30_000)
    for each in words:
        expect(box).to_contain_text(each)
    return box.inner_text()


def set_form(tab, values):
    for fold in ("prompt_options", "sampler_options", "subseed_row"):
        fold = tab.page.locator(f"#txt2img_{fold}")
        if fold.get_attribute("data-open") != "yes":
            fold.locator(".dk-fold-button").click()
    for element, value in values.items():
        if tab.value(element) == value:
            continue
        (tab.choose if element.removeprefix("txt2img_") in MENUS else tab.fill)(element, value)


def form(tab):
    return {element: tab.value(element) for element in FIRST}


def expect_form(tab, values):
    for element, value in values.items():
        box = tab.page.locator(f"#{element}").locator(
            "textarea, input[type=number], input:not([type=range])"
        )
        expect(box.first).to_have_value(value)


def forgive_refusals(tab):
    """Chromium notes every answer that is an error; here they are meant."""
    tab.problems[:] = [each for each in tab.problems if "status of 422" not in each]


def test_a_dropped_picture_of_ours_restores_every_field_and_undo_takes_it_back(server, open_tab):
    tab = open_tab(server)
    set_form(tab, FIRST)
    made = server.finished(tab.generate())
    set_form(tab, OTHER)
    stood = form(tab)
    assert {name for name in FIRST if stood[name] == FIRST[name]} == set()
    drop(tab, "panda.png", server.picture(made))
    notice = says(tab, "restored", "The recipe of “panda.png” is restored.")
    assert "Not restored" not in notice
    expect_form(tab, FIRST)
    tab.page.get_by_role("button", name="Undo").click()
    says(tab, "undone")
    expect_form(tab, stood)
    redo = tab.page.get_by_role("button", name="Redo")  # also back to what was typed in between
    redo.click()
    expect_form(tab, FIRST)
    redo.click()
    expect_form(tab, stood)
    tab.fill("txt2img_prompt", "rocket")
    drop(tab, "panda.png", server.picture(made))
    says(tab, "restored")
    tab.page.get_by_role("button", name="Undo").click()
    says(tab, "undone")
    expect_form(tab, stood | {"txt2img_prompt": "rocket"})
    drop(tab, "panda.png", server.picture(made))
    says(tab, "restored")
    expect_form(tab, FIRST)
    tab.open()  # the draft keeps what was restored, too
    expect_form(tab, FIRST)
    again = server.finished(tab.generate())
    assert again["request"] == made["request"]
    assert Image.open(io.BytesIO(server.picture(again))).tobytes() == (
        Image.open(io.BytesIO(server.picture(made))).tobytes()
    )
    forgive_refusals(tab)  # of a look at a prompt for the model "another"


def test_a_picture_of_a1111_is_restored_and_what_could_not_be_is_named(server, open_tab):
    tab = open_tab(server)
    drop(tab, "fox.png", png(parameters=A1111))
    notice = says(tab, "restored", "Not restored: Model")
    assert "Eta" not in notice
    expect_form(
        tab,
        {
            **{"txt2img_prompt": "a red fox in snow, (sharp focus:1.2)"},
            **{"txt2img_neg_prompt": "blurry, [text]", "txt2img_sampling": "DPM++ SDE"},
            **{"txt2img_scheduler": "Karras", "txt2img_steps": "25", "txt2img_cfg_scale": "6.5"},
            **{"txt2img_seed": "42", "txt2img_width": "256", "txt2img_height": "192"},
            **{"txt2img_rng": "nv", "txt2img_eta": "0.5", "setting_CLIP_stop_at_last_layers": "2"},
            **{"setting_sd_model_checkpoint": "fluent-emoji", "txt2img_hr_scale": "2"},
        },
    )
    expect(tab.page.locator("#txt2img_hr_enable input")).to_be_checked()  # and so the second pass
    expect(tab.page.locator("#txt2img_eta")).to_be_visible()  # its fold has opened
    tab.page.locator(".dk-lost-fold summary").click()
    expect(tab.page.locator(".dk-lost li", has_text="Model")).to_contain_text("no such model")
    tab.page.get_by_role("button", name="Dismiss").click()
    expect(tab.page.locator(".dk-restored")).not_to_be_visible()
    drop(tab, "plain.png", png())
    says(tab, "nothing", "“plain.png” carries no recipe; the form is as it was.")
    drop(tab, "comfy.png", png(prompt='{"3": {"class_type": "KSampler"}}'))
    says(tab, "nothing", "“comfy.png” carries no recipe that can be read here; PNG Info shows")
    drop(tab, "broken.png", b"\x89PNG\r\n\x1a\nbroken")
    says(tab, "problem", "“broken.png” is a PNG that ends")
    expect_form(tab, {"txt2img_prompt": "a red fox in snow, (sharp focus:1.2)"})
    forgive_refusals(tab)


def test_the_paste_button_takes_the_prompt_then_the_clipboard_then_the_last_picture(
    server, open_tab
):
    tab = open_tab(server, permissions=["clipboard-read", "clipboard-write"])
    for element, value in (("prompt", "rocket"), ("steps", 4), ("seed", 77)):
        tab.fill(f"txt2img_{element}", value)
    tab.wait_for(tab.generate(), "done")
    paste = tab.page.get_by_role("button", name="Restore a recipe")
    tab.fill("txt2img_prompt", A1111)
    paste.press("Enter")
    says(tab, "restored", "the text in the prompt")
    expect_form(tab, {"txt2img_seed": "42", "txt2img_neg_prompt": "blurry, [text]"})
    tab.fill("txt2img_prompt", "a mere prompt")
    paste.click()
    says(tab, "nothing", "carries no recipe")
    expect_form(tab, {"txt2img_prompt": "a mere prompt", "txt2img_seed": "42"})
    tab.page.evaluate("text => navigator.clipboard.writeText(text)", A1111.replace("42", "43"))
    tab.fill("txt2img_prompt", "")
    paste.click()
    says(tab, "restored", "the text in the clipboard")
    expect_form(tab, {"txt2img_seed": "43", "txt2img_prompt": A1111.split("\n")[0]})
    tab.page.evaluate("navigator.clipboard.writeText('nothing of use')")
    tab.fill("txt2img_prompt", "")
    paste.click()
    says(tab, "restored", "the last picture")
    expect_form(tab, {"txt2img_prompt": "rocket", "txt2img_seed": "77", "txt2img_steps": "4"})


def test_pictures_of_this_server_can_be_dragged_and_pasted_and_no_others_are_fetched(
    server, open_tab
):
    tab = open_tab(server)
    for element, value in (("prompt", "rocket"), ("steps", 4), ("seed", 5)):
        tab.fill(f"txt2img_{element}", value)
    tab.wait_for(tab.generate(), "done")
    picture = tab.page.locator("#txt2img_gallery button.thumbnail-item img")
    picture.wait_for()
    tab.fill("txt2img_seed", 6)
    picture.drag_to(tab.page.locator("#txt2img_prompt textarea"))
    says(tab, "restored")
    expect_form(tab, {"txt2img_seed": "5", "txt2img_prompt": "rocket"})
    send(tab, "dragover", address="http://192.0.2.1/a.png")
    send(tab, "drop", address="http://192.0.2.1/a.png")  # a request there would fail the test
    says(tab, "problem", "Save the picture first")
    send(tab, "paste", ("fox.png", png(parameters=A1111)), at="#txt2img_prompt textarea")
    says(tab, "restored", "fox.png")
    expect_form(tab, {"txt2img_seed": "42"})
    both = {"address": "words", "at": "#txt2img_prompt textarea"}  # the words are for the box
    assert send(tab, "paste", ("words.png", png(parameters=A1111)), **both)
    send(tab, "paste", ("new.png", png(parameters=A1111.replace("42", "44"))))
    says(tab, "restored", "new.png")
    expect_form(tab, {"txt2img_seed": "44"})


def test_of_two_pictures_the_later_one_counts_even_if_it_is_read_first(server, open_tab):
    tab = open_tab(server)
    held = []
    tab.page.route("**/api/v1/recipes", lambda route: held.append(route))
    drop(tab, "first.png", png(parameters=A1111))
    drop(tab, "second.png", png(parameters=A1111.replace("Seed: 42", "Seed: 43")))
    tab.page.wait_for_timeout(300)  # both are on their way, and the notice says which is waited for
    says(tab, "reading", "“second.png”")
    first, second = held
    second.continue_()
    says(tab, "restored", "“second.png”")
    with tab.page.expect_response("**/api/v1/recipes"):
        first.continue_()
    says(tab, "restored", "“second.png”")
    expect_form(tab, {"txt2img_seed": "43"})
    tab.page.get_by_role("button", name="Undo").click()
    says(tab, "undone")
    expect_form(tab, {"txt2img_seed": "-1"})  # as before the second, which nothing came after


PAYLOAD = "<img src=x onerror='window.PWN=1'><script>window.PWN=2</script>"


def test_png_info_shows_every_chunk_as_mere_text_and_sends_the_recipe_to_the_form(server, open_tab):
    tab = open_tab(server)
    hostile = A1111.replace("Eta: 0.5", f'Eta: 0.5, Bad key: "{PAYLOAD}"').replace(
        "blurry, [text]", PAYLOAD
    )
    chunks = {"parameters": hostile, "workflow": json.dumps({"x": [PAYLOAD] * 200}), "b": PAYLOAD}
    tab.page.get_by_role("tab", name="PNG Info").click()
    drop(tab, f"{PAYLOAD}.png", png((48, 32), **chunks), at="body")
    expect(tab.page.locator("#pnginfo[data-state=shown]")).to_be_visible()
    expect(tab.page.locator("#pnginfo-name")).to_have_text(f"{PAYLOAD}.png")
    expect(tab.page.locator("#pnginfo-facts")).to_have_text(
        re.compile(r"48 \S 32 · PNG · RGB · \d+ kB · A1111's parameters")
    )
    shown = tab.page.locator("#pnginfo-chunks .dk-chunk")
    assert (
        dict(
            zip(
                shown.locator(".dk-chunk-name").all_text_contents(),
                shown.locator("pre").all_text_contents(),
                strict=True,
            )
        )
        == chunks
    )
    rows = tab.page.locator("#pnginfo-pairs tr")
    expect(rows.filter(has_text="Bad key").locator("td")).to_have_text(PAYLOAD)
    expect(tab.page.locator("#pnginfo-lost li", has_text="Bad key")).to_contain_text(PAYLOAD)
    expect(tab.page.locator("#pnginfo-preview")).to_have_js_property("naturalWidth", 48)
    tall = shown.filter(has_text="workflow").locator("pre")
    assert tall.evaluate("each => each.scrollHeight > each.clientHeight + 100")
    tab.page.click("#txt2img_tab")
    says(tab, "restored")
    expect(tab.page.locator("#txt2img_prompt")).to_be_visible()
    expect_form(tab, {"txt2img_neg_prompt": PAYLOAD, "txt2img_seed": "42"})
    tab.page.get_by_role("tab", name="PNG Info").click()  # it is still there
    expect(tab.page.locator("#pnginfo-name")).to_be_visible()
    tab.page.set_input_files(
        "#pnginfo-file", {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"}
    )
    expect(tab.page.locator("#pnginfo-problem")).to_contain_text("“a.png” ")
    expect(tab.page.locator("#pnginfo-shown")).not_to_be_visible()
    assert tab.page.evaluate("window.PWN") is None
    forgive_refusals(tab)


def test_png_info_fits_a_desktop_and_a_phone(server, open_tab):
    for width in (1280, 390):
        tab = open_tab(server, viewport={"width": width, "height": 844})
        tab.page.get_by_role("tab", name="PNG Info").click()
        name = "a" * 300 + ".png"
        drop(tab, name, png(parameters="x" * 5000, other=A1111), at="body")
        expect(tab.page.locator("#pnginfo[data-state=shown]")).to_be_visible()
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
        cut = tab.page.evaluate(
            """() => [...document.querySelectorAll("#pnginfo, #pnginfo *")]
                .filter(each => each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0)
                .map(each => each.id || each.className)"""
        )
        assert cut == []
