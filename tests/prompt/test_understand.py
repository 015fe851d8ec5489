"""From what was written to parts, stages, variants, tags and notes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.errors import InvalidRequest
from webui.prompt import Note, Part, Prompt, Stage, Tag, Variant, understand


def texts(prompt, steps=10, **options):
    """(last step, text) of each stage of each part."""
    return [
        [(stage.end_step, *(variant.text for variant in stage.variants)) for stage in part.stages]
        for part in understand(prompt, steps, **options).parts
    ]


def only(prompt, **options):
    """The one text that a prompt comes to."""
    ((stage,),) = texts(prompt, **options)
    return stage[1]


def told(prompt, **options):
    """Each note with the text that it points at."""
    notes = understand(prompt, 10, **options).notes
    return [(prompt[note.start : note.end], note.text) for note in notes]


def test_an_ordinary_prompt_is_the_trivial_case():
    stage = Stage(20, (Variant(1.0, "a cat, sitting "),))
    assert understand("a cat, sitting ", 20) == Prompt((Part(1.0, (stage,)),))


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("a cat # not a dog\nsits", "a cat \nsits"),
        ("#one\ncat", "\ncat"),
        ("cat\n#one\nsits", "cat\nsits"),
        ("cat\n#one\n#two\nsits", "cat\n\nsits"),  # A1111's own
        ("cat#", "cat\n"),
    ],
)
def test_comments_go_as_in_a1111(prompt, text):
    assert only(prompt) == text
    assert only(prompt, positive=False) == text


def test_tags_are_taken_out_and_handed_on():
    prompt = understand("a <lora:ink:0.8:te=0.5>cat<hypernet:x:1=2=3> <3", 10)
    assert prompt.parts[0].stages[0].variants[0].text == "a cat <3"
    assert prompt.tags == (
        Tag("lora", ("ink", "0.8"), {"te": "0.5"}, 2, 23),
        Tag("hypernet", ("x", "1=2=3"), {}, 26, 44),
    )
    assert prompt.notes == ()


@pytest.mark.parametrize(
    ("prompt", "place", "words"),
    [
        ("a <lorax:ink:1> cat", "<lorax:ink:1>", "Nothing knows what <lorax:...> is"),
        ("a <LoRA:ink:1> cat", "<LoRA:ink:1>", "known is lora"),
        ("a <lora::1> cat", "<lora::1>", "names nothing"),
        ("a <lora:ink cat", "<lora:", "no > at its end"),
        ("a (cat", "(", "never closed"),
        ("a cat]", "]", "closes nothing"),
        ("a [cat:dog:12]", "[cat:dog:12]", "never switches: 12"),
        ("(a AND b)", "AND", "AND in brackets is a word"),
        ("photo at 12:30", ":30", "weight of the whole prompt"),
        ("[a:b:2] \\", "\\", "switches all"),
        ("#x\na (cat", "(", "never closed"),
        ("<embedding:x> cat", "<embedding:x>", "by its name alone"),
    ],
)
def test_a_mistake_is_told_with_its_place(prompt, place, words):
    ((shown, text),) = told(prompt)
    assert shown == place
    assert words in text


def test_escaped_and_literal_brackets_are_no_mistake():
    assert told(r"a \(cat\) and \[dog") == []
    assert told("a (cat", emphasis="none") == []


def test_a_negative_prompt_has_no_and_and_no_tags_as_in_a1111():
    text = "a <lora:ink:1> AND b:0.5"
    assert only(text, positive=False) == text
    assert told(text, positive=False) == [
        ("<lora:ink:1>", "A negative prompt takes no tags, as in A1111: this is read as words.")
    ]
    assert only("<mix:a,b:1>", positive=False) == "b"


def test_and_divides_and_each_part_has_its_own_stages():
    assert texts("a [b:c:2] AND d:0.5") == [[(2, "a b"), (10, "a c")], [(10, " d")]]
    assert [part.weight for part in understand("a :1.2 AND b AND c:-.5", 10).parts] == [
        1.2,
        1,
        -0.5,
    ]
    assert [part.weight for part in understand(r"a AND b\:2", 10).parts] == [1, 1]


def test_brackets_protect_an_and_unless_they_are_never_closed():
    assert len(understand("(a AND b) AND [c AND d:e:2]", 10).parts) == 2
    assert len(understand("(a AND b", 10).parts) == 2
    assert len(understand("<mix:a AND b,c:0.5>", 10).parts) == 1


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("a <mix:cat,panda:0> sits", "a cat sits"),
        ("a <mix:cat,panda:1> sits", "a panda sits"),
        ("a <mix: cat , panda :0,1,:> sits", None),
        ("a <mix:cat,dog,panda:0,2,0> sits", "a dog sits"),
        ("a <mix:a cat, lying; a dog:0> here", "a a cat, lying here"),
        (r"a <mix:cat\, lying,dog:0> here", "a cat, lying here"),
        ("a <mix:puppy=skunk:0> sits", "a puppy sits"),
        ("a <mix:cat,panda:1:text> sits", "a panda sits"),
        ("a <mix:(cat:1.2),dog:0> sits", "a (cat:1.2) sits"),
        ("a <mix:cat,panda:0.4> sits", "a <mix:cat,panda:0.4> sits"),
        ("a <mix:puppy=skunk> sits", "a <mix:puppy=skunk> sits"),
    ],
)
def test_a_mix_that_comes_down_to_one_text_is_that_text(prompt, text):
    if text is None:
        with pytest.raises(InvalidRequest, match="after a colon"):
            only(prompt)
    else:
        assert only(prompt) == text


def test_schedules_and_mixes_hold_each_other():
    assert texts("<mix:[cat:fox:4],dog:0>") == [[(4, "cat"), (10, "fox")]]
    assert texts("[a:<mix:cat,dog:0.5>:4]") == [[(4, "a"), (10, "<mix:cat,dog:0.5>")]]
    assert texts("[<mix:a,b:1>:c:0.5]") == [[(5, "b"), (10, "c")]]


def test_mixed_whole_texts_are_variants():
    (part,) = understand("a <mix:cat,dog:0.25:text> <mix:x,y:1,3:text>", 10).parts
    assert part.stages == (
        Stage(
            10,
            (
                Variant(0.75 * 0.25, "a cat x"),
                Variant(0.75 * 0.75, "a cat y"),
                Variant(0.25 * 0.25, "a dog x"),
                Variant(0.25 * 0.75, "a dog y"),
            ),
        ),
    )


def test_slerp_says_how_far_each_text_turns_what_came_before():
    (part,) = understand("<mix:a,b,c:1,1,2:text:slerp>", 10).parts
    assert part.stages == (
        Stage(10, (Variant(0.25, "a"), Variant(0.5, "b"), Variant(0.5, "c")), "slerp"),
    )


@pytest.mark.parametrize(
    ("prompt", "problem"),
    [
        ("<mix:cat>", "names one text only"),
        ("<mix:cat,:0.5>", "has a text with nothing in it"),
        ("<mix:cat,dog:1.5>", "a ratio outside 0 to 1"),
        ("<mix:cat,dog:0.1,0.2,0.3>", "has 3 ratios for 2 texts"),
        ("<mix:cat,dog:-1,2>", "ratios that are not shares"),
        ("<mix:cat,dog:0,0>", "ratios that are not shares"),
        ("<mix:cat,dog:half>", "has 'half' after a colon"),
        ("<mix:cat,dog:0.5:0.5>", "has '0.5' after a colon"),
        ("<mix:a=b=c>", "more than one ="),
        ("<mix:king - man:text>", "is a sum, which works on words' vectors"),
        ("<mix:1000*king>", "a factor beyond 100"),
        ("<mix:<lora:x>,b:0.5>", "cannot hold another tag"),
        ("<mix:a,b,c,d,e:text><mix:a,b,c,d:text>", "mixes 20 whole texts at a time; 16"),
        ("<mix:a,b:text:slerp><mix:c,d:text>", "more than one mix of whole texts"),
        (" AND ".join("a" * 33), "has 33 parts with AND; 32 is the most"),
        ("a AND b:" + "9" * 400, "weight is too large"),
    ],
)
def test_what_means_nothing_is_refused_and_says_what_would_work(prompt, problem):
    with pytest.raises(InvalidRequest) as caught:
        understand(prompt, 10)
    assert caught.value.field == "prompt"
    assert problem in caught.value.problem


def test_the_field_of_an_error_is_the_prompt_that_it_stands_in():
    with pytest.raises(InvalidRequest, match="^negative_prompt: <mix:cat> names"):
        understand("<mix:cat>", 10, positive=False)


@given(st.text("ab ,:|()[]\\<>=#.01+-*;\nANDmixlora", max_size=80), st.booleans())
@settings(max_examples=500, deadline=None)
def test_any_text_is_understood_or_refused(text, positive):
    try:
        prompt = understand(text, 7, positive=positive)
    except InvalidRequest:
        return
    assert all(part.stages[-1].end_step == 7 for part in prompt.parts)
    for note in prompt.notes:
        assert isinstance(note, Note) and 0 <= note.start <= note.end <= len(text)
