"""A1111's grammar as a table: what its parsers give, and the five places where ours differs.

The numbers are those of the cases that the grammar was recorded in; 10 steps unless said.
"""

import pytest

from webui.prompt import parse_attention, schedule, understand

HIRES = {"steps": 10, "hires_steps": 10}
ALL = {"a [b] c", "a [x:y:z]", "[a:b:2:3]", "[a|b:0.5]", "[b::]", "a:b"}


@pytest.mark.parametrize(
    ("case", "text", "expected"),
    [
        (1, "test", [(10, "test")]),
        (2, "a [b:3]", [(3, "a "), (10, "a b")]),
        (3, "a [b: 3]", [(3, "a "), (10, "a b")]),
        (4, "a [b: 3 ]", [(3, "a "), (10, "a b")]),
        (5, "a [b::3]", [(3, "a b"), (10, "a ")]),
        (6, "a [b:c:3]", [(3, "a b"), (10, "a c")]),
        (7, "a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")]),
        (8, "[(a:2):3]", [(3, ""), (10, "(a:2)")]),
        (9, "a [b : c : 1] d", [(1, "a b  d"), (10, "a  c  d")]),
        (10, "a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
        (11, "a [unbalanced", [(10, "a [unbalanced")]),
        (12, "a [b:.5] c", [(5, "a  c"), (10, "a b c")]),
        (13, "((a][:b:c [d:3]", [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
        (14, "[a|(b:1.1)]", [(n, "a" if n % 2 else "(b:1.1)") for n in range(1, 11)]),
        (15, "[fe|]male", [(n, "female" if n % 2 else "male") for n in range(1, 11)]),
        (16, "[fe|||]male", [(n, "female" if n % 4 == 1 else "male") for n in range(1, 11)]),
        (20, "[b:c:0]", [(10, "c")]),
        (20, "a [b:1.0]", [(10, "a ")]),
        (20, "a [b:1]", [(1, "a "), (10, "a b")]),
        (20, "a [b:12]", [(10, "a ")]),
        (20, "a [b:-1]", [(10, "a b")]),
        (21, "[[a:b:2]:c:5]", [(2, "a"), (5, "b"), (10, "c")]),
        (22, "[a|[b:c:4]]", list(enumerate("ababacacac", 1))),
        (23, "(a [b:5]:1.2)", [(5, "(a :1.2)"), (10, "(a b:1.2)")]),
        (24, r"a \[b:3\]", [(10, r"a \[b:3\]")]),
        *((25, text, [(10, text)]) for text in sorted(ALL)),
        (26, "a] b [c:2]", [(2, "a] b "), (10, "a] b c")]),
        # A1111 gives up on the whole prompt at these two; a bar that divides nothing is a bar
        (27, "{a|b} [c:2]", [(2, "{a|b} "), (10, "{a|b} c")]),
        (28, "a [{b|d{:.5] c", [(10, "a [{b|d{:.5] c")]),
    ],
)
def test_a_schedule_is_read_as_a1111_reads_it(case, text, expected):
    assert schedule(text, 10) == expected


@pytest.mark.parametrize(
    ("case", "text", "expected"),
    [
        (17, "a [b:.5] c", [(10, "a b c")]),
        (18, "a [b:1.5] c", [(5, "a  c"), (10, "a b c")]),
        (19, "a [b:13]", [(3, "a "), (10, "a b")]),
        (19, "a [b:3]", [(10, "a b")]),
    ],
)
def test_the_second_pass_counts_on(case, text, expected):
    assert schedule(text, **HIRES) == expected


@pytest.mark.parametrize(
    ("case", "text", "expected"),
    [
        (30, "normal text", [("normal text", 1)]),
        (31, "an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
        (32, "(unbalanced", [("unbalanced", 1.1)]),
        (32, "unbalanced)", [("unbalanced)", 1)]),
        (33, r"\(literal\]", [("(literal]", 1)]),
        (34, "(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        (
            35,
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1),
                ("house", 1.5730000000000004),
                (" ", 1.1),
                ("on", 1),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.4641000000000006),
                (".", 1.1),
            ],
        ),
        (36, "[weak]", [("weak", 1 / 1.1)]),
        (36, "[[weak]]", [("weak", 1 / 1.1 * (1 / 1.1))]),
        (36, "((a))", [("a", 1.1 * 1.1)]),
        (36, "((a:1.5))", [("a", 1.5 * 1.1)]),
        (36, "(a (b:2))", [("a ", 1.1), ("b", 2.2)]),
        (36, "([a])", [("a", 1 / 1.1 * 1.1)]),
        (37, "(a: 1.2 )", [("a", 1.2)]),
        (37, "(a:.5)", [("a", 0.5)]),
        (37, "(a:+1.2)", [("a", 1.2)]),
        (37, "(a:-1)", [("a", -1)]),
        (37, "(a:0)", [("a", 0)]),
        (38, "a:1.2", [("a:1.2", 1)]),
        (38, "[a:1.2]", [("a:1.2", 1 / 1.1)]),
        (38, "(a:1.2", [("a:1.2", 1.1)]),
        (38, "(a:b)", [("a:b", 1.1)]),
        (39, "(a:1.2.3)", [("a:1.2.3", 1.1)]),  # A1111 crashes
        (40, "a BREAK b", [("a", 1), ("BREAK", -1), ("b", 1)]),
        (40, "a\nBREAK\nb", [("a", 1), ("BREAK", -1), ("b", 1)]),
        (40, "BREAKFAST break", [("BREAKFAST break", 1)]),
        (41, "(a BREAK b:1.3)", [("a", 1.3), ("BREAK", -1), ("b", 1.3)]),  # A1111: a word, at -1.3
        (42, "()", [("", 1)]),
        (42, r"anime_\(character\)", [("anime_(character)", 1)]),
    ],
)
def test_emphasis_is_read_as_a1111_reads_it(case, text, expected):
    assert parse_attention(text) == expected


@pytest.mark.parametrize(
    ("case", "text", "expected"),
    [
        (43, "a :1.2 AND b:0.5", [("a", 1.2), (" b", 0.5)]),
        (43, "a AND b AND c : 2.2", [("a", 1), (" b", 1), (" c", 2.2)]),
        (43, "a AND b :-1", [("a", 1), (" b", -1)]),
        (44, "aANDb", [("aANDb", 1)]),
        (44, "a and b", [("a and b", 1)]),
        (45, "(a AND b:1.3)", [("(a AND b:1.3)", 1)]),  # A1111: `(a` and ` b:1.3)`
        (46, "a:1.2", [("a:1.2", 1)]),  # A1111: a weight
        (46, "photo at 12:30", [("photo at 12:30", 1)]),
    ],
)
def test_and_divides_as_in_a1111(case, text, expected):
    parts = understand(text, 10).parts
    assert [(part.stages[0].variants[0].text, part.weight) for part in parts] == expected
