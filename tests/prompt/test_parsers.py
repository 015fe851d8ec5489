"""A1111's two parsers on what nobody writes: recorded answers, properties, limits."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.errors import InvalidRequest
from webui.prompt import parse_attention, schedule
from webui.prompt.attention import spans

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text("utf-8"))
SIGNS = st.text("ab ,:|()[]\\<>=#.01\nBREAK AND mix", max_size=60)
WORDS = st.text("abc ", max_size=6)
NESTED = st.recursive(
    WORDS,
    lambda inner: st.one_of(
        st.builds("({})".format, inner),
        st.builds("[{}]".format, inner),
        st.builds("{}{}".format, inner, inner),
        st.builds("({}:{})".format, inner, st.sampled_from(["1.3", ".5", "-2"])),
    ),
)


@pytest.mark.parametrize(("text", "steps", "hires_steps", "expected"), RECORDED["schedule"])
def test_schedules_are_those_that_a1111_gave(text, steps, hires_steps, expected):
    assert [list(stage) for stage in schedule(text, steps, hires_steps)] == expected


@pytest.mark.parametrize(("text", "expected"), RECORDED["attention"])
def test_weights_are_those_that_a1111_gave(text, expected):
    assert [list(span) for span in parse_attention(text)] == expected


def test_a_schedule_before_a_stray_bracket_is_a_schedule():
    # A1111 gives this or the text as it stands, as its hashes fall in each start
    assert schedule("[a:b:2])", 3) == [(2, "a)"), (3, "b)")]


def test_a_fraction_is_cut_off_as_floats_have_it():
    assert 0.29 * 100 < 29
    assert schedule("[a:b:0.29]", 100) == [(28, "a"), (100, "b")]


def test_brackets_that_are_not_well_formed_keep_a_schedule_from_being_one():
    assert schedule("[(a:b):2]", 3) == [(2, ""), (3, "(a:b)")]
    assert schedule("[(a:b:c):2]", 3) == [(3, "[(a:b:c):2]")]


def test_a_prompt_that_ends_in_a_backslash_switches_nothing_as_in_a1111():
    assert schedule("[a:b:2] \\", 3) == [(3, "[a:b:2] \\")]
    assert schedule("[a:b:2] \\\n", 3) == [(3, "[a:b:2] \\\n")]
    assert schedule("[a:b:2] \\\\", 3) == [(2, "a \\\\"), (3, "b \\\\")]


@pytest.mark.parametrize("number", ["9" * 400, "1e999", "1.0e999"])
def test_a_switch_at_infinity_never_comes(number):
    assert schedule(f"[a:b:{number}]", 3) == [(3, "a")]


def test_what_would_fill_the_memory_is_refused():
    with pytest.raises(InvalidRequest, match="prompt: changes at 150 steps and is 10000 char"):
        schedule("[a|b]" * 2000, 150)
    assert len(schedule("[a|b]" * 1000, 150)) == 150


def test_brackets_all_alike_are_exact_at_any_depth():
    expected = [1.0]
    for _ in range(3000):
        expected.append(expected[-1] * 1.1)
    assert parse_attention("(a" * 3000) == [("a", weight) for weight in expected[1:]]
    assert parse_attention("(" * 3000 + "a" + ")" * 3000) == [("a", expected[3000])]


def product(*factors):
    weight = 1.0
    for factor in factors:
        weight *= factor
    return weight


def test_mixed_brackets_are_exact_as_deep_as_anybody_goes_and_right_to_9_digits_beyond():
    # never closed: the round ones are multiplied first, then the square ones
    exact = [product(*[1.1] * n, *[1 / 1.1] * n) for n in range(1, 41)]
    assert spans_of("([a" * 40) == exact
    assert spans_of("([a" * 3000) == pytest.approx([1.0] * 3000, rel=1e-9)


def spans_of(text):
    """The weight of each letter."""
    return [weight for part, weight in parse_attention(text) for _ in part]


@given(NESTED)
@settings(max_examples=200, deadline=None)
def test_balanced_brackets_leave_the_words_and_nothing_else(text):
    words = "".join(each for each in text if each in "abc ")
    assert "".join(part for part, _ in parse_attention(text)) == words


@given(SIGNS)
@settings(max_examples=400, deadline=None)
def test_every_piece_of_text_knows_where_it_stood(text):
    for span in spans(text):
        ends = [start for start, _ in span.slices[1:]] + [len(span.text)]
        for (start, place), end in zip(span.slices, ends, strict=True):
            assert text[place : place + end - start] == span.text[start:end]


@given(SIGNS, st.integers(1, 30))
@settings(max_examples=400, deadline=None)
def test_stages_rise_to_the_last_step_and_add_no_character(text, steps):
    stages = schedule(text, steps)
    ends = [end for end, _ in stages]
    assert ends == sorted(set(ends)) and ends[-1] == steps and ends[0] >= 1
    for _, stage in stages:
        left = iter(text)
        assert all(each in left for each in stage)  # a subsequence


@given(SIGNS, st.integers(1, 12))
@settings(max_examples=200, deadline=None)
def test_a_text_without_brackets_is_one_stage(text, steps):
    plain = text.replace("[", "")
    assert schedule(plain, steps) == [(steps, plain)]
