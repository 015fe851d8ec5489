"""What LoRA tags say: weights as A1111 reads them, and the steps they hold at, which it cannot."""

import pytest

from webui.prompt import LoraUse, lora_uses, understand


def uses(prompt, steps=10):
    return lora_uses(understand(prompt, steps).tags)


@pytest.mark.parametrize(
    ("tag", "text", "unet"),
    [
        ("<lora:ink>", 1.0, 1.0),
        ("<lora:ink:0.8>", 0.8, 0.8),
        ("<lyco:ink:-0.5:1>", -0.5, 1.0),
        ("<lora:ink:te=0.5>", 0.5, 0.5),
        ("<lora:ink:0.8:unet=0>", 0.8, 0.0),
        ("<lora: ink :0.8:0.3:te=2:unet=3>", 2.0, 3.0),
        ("<lora:ink:.5:1e-1>", 0.5, 0.1),
    ],
)
def test_one_number_is_for_both_two_are_for_text_and_unet_and_names_win(tag, text, unet):
    assert uses(f"a {tag} cat") == [LoraUse("ink", text, unet)]


@pytest.mark.parametrize(
    ("prompt", "held"),
    [
        ("a <lora:x> cat", [None]),
        ("[<lora:x>::0.5] cat", [((1, 5),)]),
        ("[<lora:x>:3] cat", [((4, 10),)]),
        ("[a <lora:x>:<lora:y>:2]", [((1, 2),), ((3, 10),)]),
        ("[cat|<lora:x>]", [((2, 2), (4, 4), (6, 6), (8, 8), (10, 10))]),
        ("[[<lora:x>:2]::6]", [((3, 6),)]),
        ("(a [b:<lora:x>:4]:1.2) AND c [<lora:y>::1] :0.5", [((5, 10),), ((1, 1),)]),
        ("[<lora:x>:20] cat", [()]),
        ("[<lora:x>] \\[<lora:y>:3\\]", [None, None]),
        ("# [<lora:no>:3]\n[<lora:x>:3]", [((4, 10),)]),
        ("<mix:cat,dog:0.5> [<lora:x:0.5:1>::3]", [((1, 3),)]),
    ],
)
def test_a_schedule_around_a_tag_says_at_which_steps_it_holds(prompt, held):
    assert [use.held for use in uses(prompt)] == held


def test_the_texts_are_what_they_are_without_tags():
    with_tags = understand("a [<lora:x>red:blue<lora:y>:3] cat<lora:z> AND [b|<lora:w>c]", 8)
    plain = understand("a [red:blue:3] cat AND [b|c]", 8)
    assert with_tags.parts == plain.parts


def test_a_second_passs_steps_count_on():
    tags = understand("[<lora:x>:1.5] [<lora:y>:14]", 10, hires_steps=8).tags
    assert [tag.held for tag in tags] == [((5, 8),), ((5, 8),)]
