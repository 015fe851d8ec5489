"""What surrounds a prompt, as somebody uses it who types: keys, counter, names, microscope, mix."""

import io

import pytest
from PIL import Image, ImageChops

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
            return value.slice(0, a) + "|" + (a === b ? "" : value.slice(a, b) + "|") + value.slice(b);
        }"""
    )


def says(tab, selector, text):
    tab.page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.innerText.trim() === text",
        arg=[selector, text],
        timeout=20_000,
    )


def draft(tab):
    return tab.page.evaluate("JSON.parse(localStorage['darkroom.draft.txt2img'] ?? '{}').prompt")


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
        "want => JSON.parse(localStorage['darkroom.draft.txt2img']).prompt === want", arg=changed
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
