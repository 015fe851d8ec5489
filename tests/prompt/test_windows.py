"""Tokens with weights and places, in windows of 75."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.prompt.conftest import Words
from webui.errors import InvalidRequest
from webui.prompt import Term, Token, Vector, Window, understand, windows


def shapes(text, vocabulary=None, **options):
    """How many tokens each window has."""
    return [len(window.tokens) for window in windows(text, vocabulary or Words(), **options)]


def words(text, window):
    return [text[token.start : token.end] for token in window.tokens]


def test_an_empty_prompt_is_one_empty_window(clip):
    assert windows("", clip) == (Window(()),)
    assert windows("  \n", clip) == (Window(()),)


def test_tokens_have_ids_weights_and_places(clip):
    assert windows("a (red \\(big cat:1.3)", clip) == (
        Window(
            (
                Token(320, 1.0, 0, 1),
                Token(736, 1.3, 3, 6),
                Token(263, 1.3, 8, 9),
                Token(1205, 1.3, 9, 12),
                Token(2368, 1.3, 13, 16),
            )
        ),
    )


def test_the_modes_of_emphasis():
    text = "(a:1.3) BREAK b"
    assert [w.tokens[0].weight for w in windows(text, Words())] == [1.3, 1]
    assert [w.tokens[0].weight for w in windows(text, Words(), emphasis="ignore")] == [1, 1]
    (window,) = windows(text, Words(), emphasis="none")
    assert words(text, window) == ["(", "a", ":", "1", ".", "3", ")", "BREAK", "b"]
    assert {token.weight for token in window.tokens} == {1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a " * 75, [75]),
        ("a " * 76, [75, 1]),
        ("a " * 60 + ", " + "b " * 14 + "c d", [61, 16]),  # what follows the comma goes on
        ("a " * 54 + ", " + "b " * 30, [75, 10]),  # the comma is 21 tokens back
        ("a " * 55 + ", " + "b " * 30, [56, 30]),  # 20
        ("a " * 75 + ", b", [75, 2]),
        ("a BREAK b", [1, 1]),
        ("BREAK a", [0, 1]),
        ("a BREAK BREAK b", [1, 0, 1]),
        ("a BREAK", [1]),
    ],
)
def test_windows_are_filled_as_in_a1111(text, expected):
    assert shapes(text) == expected


def test_a_learned_embedding_is_found_on_tokens_longest_name_first():
    vocabulary = Words(**{"my style": 2, "my": 1})
    text = "(My  STYLE:1.2), my cat, mystyle"
    (window,) = windows(text, vocabulary)
    rows = [token.vector.terms if token.vector else None for token in window.tokens]
    assert rows[:2] == [(Term(1.0, embedding="my style", row=n),) for n in (0, 1)]
    assert rows[3] == (Term(1.0, embedding="my", row=0),)
    assert [rows[2], *rows[4:]] == [None] * 4
    assert words(text, window)[:4] == ["My  STYLE", "My  STYLE", ",", "my"]
    assert {token.weight for token in window.tokens[:2]} == {1.2}


def test_an_embedding_is_found_in_and_after_words_of_any_length():
    vocabulary = Words(**{"caf\u00e9": 1})
    for text in ("caf\u00e9", "a;" * 3000 + "CAF\u00c9", "a" * 5000 + " caf\u00e9"):
        *_, last = windows(text, vocabulary)[-1].tokens
        assert last.vector.terms == (Term(1.0, embedding="caf\u00e9", row=0),)


def test_an_embedding_is_never_divided():
    vocabulary = Words(style=4)
    assert shapes("a " * 73 + "style b", vocabulary) == [73, 5]
    assert shapes("a " * 71 + "style b", vocabulary) == [75, 1]
    assert shapes("a " * 70 + ", style b", vocabulary) == [71, 5]
    with pytest.raises(InvalidRequest, match="76 tokens that cannot be divided"):
        windows("style", Words(style=76))


def test_a_blend_has_the_vectors_of_all_its_texts(clip):
    text = "a <mix:cat,giant panda:0.25>"
    (window,) = windows(text, clip)
    cat, giant, panda = 2368, 6843, 12952
    giant = clip.encode("giant")[0][0]
    assert window.tokens[1:] == (
        Token(cat, 1, 2, 28, Vector((Term(0.75, cat), Term(0.25, giant)))),
        Token(cat, 1, 2, 28, Vector((Term(0.75, cat), Term(0.25, panda)))),
    )


def test_the_tokens_of_a_shorter_word_are_spread_evenly():
    (window,) = windows("<mix:a b,c d e f:0.5>", Words())
    half = [Term(0.5, ord(each)) for each in "abcdef"]
    terms = [token.vector.terms for token in window.tokens]
    assert terms == [(half[short], half[2 + n]) for n, short in enumerate((0, 0, 1, 1))]


def test_arithmetic_adds_and_takes_away(clip):
    king, man, woman = (clip.encode(word)[0][0] for word in ("king", "man", "woman"))
    (window,) = windows("<mix:king - 0.5*man + woman>", clip)
    vector = Vector((Term(1, king), Term(-0.5, man), Term(1, woman)))
    assert [token.vector for token in window.tokens] == [vector]


def test_a_replaced_word_keeps_its_tokens_and_the_sentence(clip):
    plain = windows("a puppy sits", clip)[0].tokens
    replaced = windows("a <mix:puppy=skunk> sits", clip)[0].tokens
    skunk = clip.encode("skunk")[0][0]
    assert [token.id for token in replaced] == [token.id for token in plain]
    assert replaced[1].vector == Vector((Term(1, skunk),))
    longer = windows("<mix:puppy=giant panda>", clip)[0].tokens
    giant, panda = (clip.encode(word)[0][0] for word in ("giant", "panda"))
    assert [token.vector for token in longer] == [Vector((Term(0.5, giant), Term(0.5, panda)))]


def test_slerp_turns_by_shares_of_what_came_before(clip):
    (window,) = windows("<mix:cat,fox,owl:1,1,2:slerp>", clip)
    ids = [clip.encode(word)[0][0] for word in ("cat", "fox", "owl")]
    vector = Vector((Term(1, ids[0]), Term(0.5, ids[1]), Term(0.5, ids[2])), "slerp")
    assert window.tokens[0].vector == vector


def test_weights_reach_into_mixes_and_are_mixed_too(clip):
    (window,) = windows("(<mix:(cat:2),dog:0.5>:1.2)", clip)
    assert window.tokens[0].weight == pytest.approx(1.2 * 1.5)


def test_an_embedding_can_be_mixed():
    (window,) = windows("<mix:style,cat:0.5>", Words(style=2))
    terms = [token.vector.terms for token in window.tokens]
    cat = Term(0.5, sum(map(ord, "cat")))
    assert terms == [(Term(0.5, embedding="style", row=n), cat) for n in (0, 1)]


@pytest.mark.parametrize("ratio", ["0", "1", "0.0", "1.", "1,0", "0,3"])
@pytest.mark.parametrize("level", ["", ":text", ":slerp"])
def test_at_the_ends_a_mix_is_its_parent_to_the_last_token(clip, ratio, level):
    mixed = f"a (<mix:cat,giant panda:{ratio}{level}>:1.2), sitting"
    parent = "cat" if ratio in ("0", "0.0", "1,0") else "giant panda"
    (text,) = understand(mixed, 5).parts[0].stages[0].variants
    made = windows(text.text, clip)
    assert made == windows(f"a ({parent}:1.2), sitting", clip)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("BREAK " * 130, "more than 128 windows"),
        ("(" * 8000 + "a", "weight is too large to be a number"),
        ("<mix:a,b:0.5:text>", "mixes whole texts"),
        ("<mix:a,():0.5>", "names '()', which has no tokens"),
        ("<mix:" + "a " * 80 + ",b:0.5>", "80 tokens that cannot be divided"),
    ],
)
def test_what_cannot_be_encoded_is_refused(text, problem):
    with pytest.raises(InvalidRequest) as caught:
        windows(text, Words())
    assert problem in caught.value.problem


@given(st.text("ab ,:()[]\\<>=.01\nBREAKmix", max_size=120))
@settings(max_examples=300, deadline=None)
def test_every_window_fits_and_every_place_is_in_the_text(text):
    try:
        made = windows(text, Words(ab=3))
    except InvalidRequest:
        return
    for window in made:
        assert len(window.tokens) <= 75
        for token in window.tokens:
            assert 0 <= token.start < token.end <= len(text)
