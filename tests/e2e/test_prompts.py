"""What surrounds a prompt, as somebody uses it who types: keys, counter, names, microscope, mix."""

import io
import shutil

import pytest
from PIL import Image

from tests.e2e.conftest import ROOT, Server, free_port

BOX = "#txt2img_prompt textarea"

# before, key, after; | is the cursor, two of them a selection
WEIGHTS = [
    ("a c|at", "Control+ArrowUp", "a (|cat|:1.1)"),
    ("a c|at, b", "Control+ArrowDown", "a (|cat|:0.9), b"),
    ("a (c|at:1.1)", "Control+ArrowUp", "a (|cat|:1.2)"),
    ("a (c|at:1.1) b", "Control+ArrowDown", "a |cat| b"),  # weight 1 needs no brackets
    ("(cat:1.9|)", "Control+ArrowUp", "(|cat|:2.0)"),
    ("(cat:-0.5|)", "Control+ArrowUp", "(|cat|:-0.4)"),
    ("a |red cat |b", "Control+ArrowUp", "a (|red cat|:1.1) b"),  # without the space at its end
    ("((c|at))", "Control+ArrowUp", "(|cat|:1.3)"),  # 1.21 is 1.2, and a step more
    ("[c|at]", "Control+ArrowDown", "(|cat|:0.8)"),
    ("[c|at]", "Control+ArrowUp", "|cat|"),
    ("<lora:x|:1>", "Control+ArrowUp", "<|lora:x|:1.05>"),
    ("<lo|ra:x:0.5:0.8>", "Control+ArrowDown", "<|lora:x:0.5|:0.75>"),
    ("<mix:cat,pan|da:0.4>", "Control+ArrowUp", "<|mix:cat,panda|:0.45>"),
    ("[a|:b:0.5]", "Control+ArrowUp", "[(|a|:1.1):b:0.5]"),  # a schedule is no emphasis
    (r"x \(ch|ar\)", "Control+ArrowUp", r"x \((|char|:1.1)\)"),
    ("a, |, b", "Control+ArrowUp", "a, |, b"),
]
PARTS = [
    ("a, b|, c", "Alt+ArrowRight", "a, c, |b|"),
    ("a, b|, c", "Alt+ArrowLeft", "|b|, a, c"),
    ("a|, b", "Alt+ArrowLeft", "a|, b"),
    ("x,\n  long wo|rd , z", "Alt+ArrowRight", "x,\n  z , |long word|"),
    ("(a, b|:1.2), c", "Alt+ArrowLeft", "(|b|, a:1.2), c"),
    ("(a, b:1.2|), c", "Alt+ArrowRight", "c, |(a, b:1.2)|"),
    ("<mix:cat,pan|da:0.4>, z", "Alt+ArrowRight", "z, |<mix:cat,panda:0.4>|"),
]


def put(tab, marked):
    """Text with its cursor or selection into the prompt box."""
    pieces = marked.split("|")
    start = len(pieces[0])
    end = start + (len(pieces[1]) if len(pieces) == 3 else 0)
    tab.page.fill(BOX, "".join(pieces))
    tab.page.locator(BOX).evaluate("(box, [a, b]) => box.setSelectionRange(a, b)", [start, end])


def marked(tab):
    return tab.page.locator(BOX).evaluate(
        """box => {
            const { value, selectionStart: a, selectionEnd: b } = box;
            const selected = a === b ? "" : value.slice(a, b) + "|";
            return value.slice(0, a) + "|" + selected + value.slice(b);
        }"""
    )


def says(tab, selector, text):
    tab.page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.innerText.trim() === text",
        arg=[selector, text],
        timeout=20_000,
    )


def pixels(data):
    return Image.open(io.BytesIO(data)).convert("RGB").tobytes()


def test_keys_change_weights_and_the_order_of_parts(server, open_tab):
    tab = open_tab(server)
    found = []
    for before, key, _ in WEIGHTS + PARTS:
        put(tab, before)
        tab.page.keyboard.press(key)
        found.append((before, key, marked(tab)))
    assert found == WEIGHTS + PARTS


def test_what_keys_changed_is_undone_by_ctrl_z_and_kept_in_the_draft(server, open_tab):
    tab = open_tab(server)
    tab.page.focus(BOX)
    tab.page.keyboard.type("a cat, b")
    for key in ("Alt+ArrowLeft", "Control+ArrowUp", "Control+ArrowUp"):
        tab.page.keyboard.press(key)
    changed = "(b:1.2), a cat"
    assert tab.page.input_value(BOX) == changed
    tab.page.wait_for_function(
        "want => JSON.parse(localStorage['darkroom.draft.txt2img'] ?? '{}').prompt === want",
        arg=changed,
    )
    seen = [changed]
    for _ in range(3):
        tab.page.keyboard.press("Control+z")
        seen.append(tab.page.input_value(BOX))
    assert seen == [changed, "(b:1.1), a cat", "b, a cat", "a cat, b"]


def test_the_counter_and_the_notes_follow_what_is_typed_and_set(server, open_tab):
    tab = open_tab(server)
    tab.page.focus(BOX)
    tab.page.keyboard.type("a red cat")
    says(tab, "#txt2img_token_counter", "3/75")
    says(tab, "#txt2img_negative_token_counter", "0/75")
    tab.fill("txt2img_neg_prompt", "blurry, ugly")
    says(tab, "#txt2img_negative_token_counter", "3/75")
    tab.page.fill(BOX, "cat, " * 40)
    says(tab, "#txt2img_token_counter", "80/150")
    tab.page.fill(BOX, "a [cat:long haired cat:10]")
    says(tab, "#txt2img_token_counter", "4/75")  # the longest of both stages
    tab.fill("txt2img_steps", 8)  # it never comes to the second
    says(tab, "#txt2img_token_counter", "2/75")


def test_a_note_says_what_is_odd_and_leads_to_its_place(server, open_tab):
    tab = open_tab(server)
    height = "document.querySelector('#txt2img_generate').getBoundingClientRect().top"
    top = tab.page.evaluate(height)
    tab.page.fill(BOX, "a \U0001f43c in (the snow")  # the panda is two of JavaScript's characters
    note = tab.page.locator("#txt2img_prompt_notes button")
    note.wait_for()
    assert "never closed" in note.inner_text()
    note.click()
    assert marked(tab) == "a \U0001f43c in |(|the snow"
    assert tab.page.evaluate(height) == top  # nothing jumped
    tab.page.fill(BOX, "a panda")
    note.wait_for(state="detached")


@pytest.fixture(scope="module")
def stocked(tmp_path_factory):
    """A server whose models' folder has more in it than the model that ships."""
    folder = tmp_path_factory.mktemp("stocked")
    models = folder / "models"
    shutil.copytree(ROOT / "models" / "checkpoints", models / "checkpoints")
    for name in ("loras/detail.safetensors", "loras/delta.safetensors", "wildcards/desert.txt"):
        (models / name).parent.mkdir(exist_ok=True)
        (models / name).write_bytes(b"")
    (models / "tags").mkdir()
    (models / "tags" / "mine.csv").write_text(
        "long_hair,0,5000,hairy\nlong_sleeves_(style),0,90,\nlonely,0,7000,\n"
    )
    server = Server(folder, free_port(), models=models)
    server.start()
    yield server
    assert server.foreign() == []
    server.stop()


def options(tab):
    tab.page.locator("#dk-names").wait_for()
    return tab.page.locator("#dk-names [role=option] span").all_inner_texts()


def test_names_are_completed_by_the_keyboard_and_never_in_the_way(stocked, open_tab):
    tab = open_tab(stocked)
    box, keys = tab.page.locator(BOX), tab.page.keyboard
    box.focus()
    keys.type("a cat, lon")
    assert options(tab) == ["lonely", "long_hair", "long_sleeves_(style)"]  # the most used first
    assert box.get_attribute("aria-activedescendant") is None  # nothing is chosen for anybody
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp"):
        keys.press(key)
    chosen = tab.page.locator("#dk-names [aria-selected=true]")
    assert chosen.get_attribute("id") == box.get_attribute("aria-activedescendant")
    keys.press("Enter")
    assert marked(tab) == r"a cat, long sleeves \(style\)|"
    keys.type(" <lora:de")
    assert options(tab) == ["delta", "detail"]
    keys.press("Tab")
    assert marked(tab) == r"a cat, long sleeves \(style\) <lora:delta:1>|"
    tab.page.fill(BOX, "")
    keys.type("hair")
    assert options(tab) == ["hairy \u2192 long_hair"]  # another name of it
    keys.press("Escape")
    assert tab.page.locator("#dk-names").is_hidden()
    keys.type("y __des")
    assert options(tab) == ["desert"]
    keys.press("Enter")  # nothing chosen: a new line as ever
    assert marked(tab) == "hairy __des\n|"
    keys.press("Backspace")
    options(tab)
    job_ids = {job["id"] for job in stocked.jobs()}
    keys.press("Control+Enter")
    stocked.wait(lambda: {job["id"] for job in stocked.jobs()} != job_ids, 10)
    assert tab.page.locator("#dk-names").is_hidden()
    assert stocked.jobs()[0]["request"]["prompt"] == "hairy __des"


def chips(tab):
    """(word, what stands under it) of each token that the microscope shows."""
    texts = tab.page.locator("#txt2img_microscope .dk-token").all_inner_texts()
    return [tuple(text.split("\n")) for text in texts]


def test_the_microscope_shows_tokens_weights_switches_and_mixes_while_typing(server, open_tab):
    tab = open_tab(server)
    view = tab.page.locator("#txt2img_microscope .dk-scope-view")
    assert not view.is_visible()
    tab.page.click("#txt2img_microscope .dk-lens-button")
    tab.page.fill(BOX, "a (cat:1.3) [blue:red:5] <mix:cat,panda:0.25> AND [tree] :0.5")
    axis = tab.page.locator("#txt2img_microscope .dk-axis button")
    axis.nth(1).wait_for()
    assert axis.all_inner_texts() == ["blue", "red"]
    blend = ("0.75 cat + 0.25 panda", "mix")
    first = [("a", "320"), ("cat", "2368 \u00d71.3"), ("blue", "1746"), blend]
    assert chips(tab) == [*first, ("tree", "2677 \u00d70.909")]
    assert "weight 0.5" in view.inner_text()
    axis.nth(1).click()
    assert chips(tab)[2] == ("red", "736")
    tab.page.locator("#txt2img_microscope .dk-token").nth(1).click()
    assert marked(tab) == "a (|cat|:1.3) [blue:red:5] <mix:cat,panda:0.25> AND [tree] :0.5"
    tab.open()  # it is as it was left
    view.get_by_text("0.75 cat + 0.25 panda").wait_for()


def strip(tab):
    tab.page.wait_for_selector("#strip[data-state=done]", timeout=60_000)
    tab.page.wait_for_function(
        "[...document.querySelectorAll('#strip img')].every(each => each.complete && !each.hidden)"
    )
    labels = tab.page.locator("#strip .dk-strip-label").all_inner_texts()
    images = tab.page.locator("#strip img").evaluate_all("all => all.map(each => each.src)")
    return list(zip(labels, images, strict=True))


def test_a_mix_becomes_a_strip_of_labelled_pictures_each_with_its_recipe(server, open_tab):
    tab = open_tab(server)
    tab.fill("txt2img_steps", 3)
    put(tab, "a happy |")
    tab.page.click("#txt2img_mix .dk-lens-button")
    for number, word in enumerate(("cat", "panda")):
        tab.page.locator(".dk-mix-text").nth(number).fill(word)
    tab.page.click(".dk-mix-strip")
    shown = strip(tab)
    assert [label for label, _ in shown] == ["0 %", "25 %", "50 %", "75 %", "100 %"]
    jobs = sorted(server.jobs()[:5], key=lambda job: job["created"])
    prompts = [f"a happy <mix:cat,panda:{ratio}>" for ratio in ("0", "0.25", "0.5", "0.75", "1")]
    assert [job["request"]["prompt"] for job in jobs] == prompts
    (seed,) = {job["request"]["seed"] for job in jobs}
    pictures = [server.picture(job) for job in jobs]
    assert len(set(map(pixels, pictures))) == 5
    tab.fill("txt2img_seed", seed)
    tab.fill("txt2img_prompt", "a happy cat")
    assert pixels(server.picture(server.finished(tab.generate()))) == pixels(pictures[0])
    tab.open()  # a refresh takes nothing away
    assert strip(tab) == shown
    tab.page.get_by_role("button", name="50 % cat, 50 % panda").click()
    tab.page.locator("#result-recipe").get_by_text(prompts[2]).wait_for()
    for _ in range(3):  # and there it stays, though later ones are over too
        with tab.page.expect_response("**/api/v1/live?*", timeout=30_000):
            pass
    assert prompts[2] in tab.page.locator("#result-recipe").inner_text()


def test_a_mix_takes_the_place_of_the_words_that_are_selected(server, open_tab):
    tab = open_tab(server)
    tab.page.click("#txt2img_mix .dk-lens-button")
    words = tab.page.locator(".dk-mix-text")
    tab.page.focus(BOX)
    put(tab, "a |dog |on blue")  # as a double click selects it
    words.nth(0).fill("cat")
    words.nth(1).fill("panda")
    told = "Renders “a <mix:cat,panda:0.5> on blue” from all cat to all panda, with one seed."
    assert tab.page.inner_text(".dk-mix-what") == told
    tab.page.click(".dk-mix-insert")
    assert marked(tab) == "a <mix:cat,panda:0.5>| on blue"
    put(tab, "a |dog| on blue")
    words.nth(0).focus()
    tab.page.locator(BOX).evaluate("box => { box.value = 'another prompt'; }")
    tab.page.click(".dk-mix-insert")  # what was selected is there no more
    assert marked(tab) == "another prompt <mix:cat,panda:0.5>|"


def test_a_mix_is_written_where_the_cursor_is_and_kept_as_an_embedding(stocked, open_tab):
    tab = open_tab(stocked)
    put(tab, "a happy | on blue")
    tab.page.click("#txt2img_mix .dk-lens-button")
    words = tab.page.locator(".dk-mix-text")
    words.nth(0).fill("red cat, sitting")
    words.nth(1).fill("panda")
    tab.page.locator(".dk-mix-slider").fill("0.25")
    tab.page.click(".dk-mix-insert")
    assert marked(tab) == "a happy <mix:red cat, sitting;panda:0.25>| on blue"
    words.nth(0).fill("cat")
    tab.page.locator(".dk-mix-level").get_by_text("Whole texts").click()
    tab.page.locator(".dk-mix-mixing").get_by_text("Slerp").click()
    tab.page.click(".dk-mix-insert")  # the mix that is there gives way
    assert tab.page.input_value(BOX) == "a happy <mix:cat,panda:0.25:text:slerp> on blue"
    tab.page.locator(".dk-mix-level").get_by_text("Words").click()
    tab.page.locator(".dk-mix-mixing").get_by_text("Straight").click()
    tab.page.fill(BOX, "a catpanda")
    tab.page.click("#txt2img_microscope .dk-lens-button")
    tab.page.locator(".dk-token[data-joined]").first.wait_for()  # a word like any other
    tab.page.fill(".dk-mix-save input", "catpanda")
    tab.page.click(".dk-mix-keep")
    tab.page.locator(".dk-mix-said").get_by_text("Saved").wait_for()
    tab.page.locator(".dk-token[data-kind=embedding]").wait_for()  # and now it is not
    assert chips(tab) == [("a", "320"), ("catpanda", "embedding")]
