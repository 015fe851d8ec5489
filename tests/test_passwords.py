import hashlib
import hmac
import time
import unicodedata

import pytest

from webui import passwords
from webui.passwords import accounts, accounts_of_file, verified

SECRETS = ["gr\u00f6\u00dfe", "sesame", "a b:c", "\U0001f431", "x" * 1000]


@pytest.fixture(autouse=True)
def cost(monkeypatch):
    """What it costs in truth; here they are cheap."""
    cost = passwords._COST
    monkeypatch.setattr(passwords, "_COST", 2)
    return cost


def test_what_nobody_can_be_called_costs_no_more_than_a_wrong_password():
    """Composing 24,000 combining marks takes 0.3 s, in which no other thread runs."""
    known = accounts(["ann:sesame"])
    marks = "a" + "\u0301\u0316" * 12_000
    for name, password in [("ann", marks), (marks, "sesame"), (marks, marks)]:
        began = time.process_time()
        assert not verified(known, name, password)
        assert time.process_time() - began < 0.15


def test_a_password_of_the_longest_kind_may_be_sent_taken_apart():
    secret = "\u00e9" * 512  # 1024 bytes
    assert verified(accounts(["ann:" + secret]), "ann", unicodedata.normalize("NFD", secret))


@pytest.mark.parametrize("secret", SECRETS)
def test_a_name_opens_with_its_own_password_alone(secret):
    known = accounts(["\u00fclrike:" + secret, "bob:other"])
    assert verified(known, "\u00fclrike", secret)
    for name, password in [
        ("\u00fclrike", "other"), ("bob", secret), ("\u00dclrike", secret), ("", ""), ("", secret),
        ("\u00fclrike", ""), ("\u00fclrike", secret + "x"), ("\u00fclrike", secret[:-1]),
        ("nobody", secret), ("\u00fclrike", "\ud800"), ("\ud800", secret), ("ann\0", secret),
    ]:  # fmt: skip
        assert not verified(known, name, password), (name, password)


def test_nobody_is_verified_where_nobody_is_known():
    assert not verified((), "", "")
    assert not verified((), "x", "")


def test_letters_typed_as_two_code_points_are_the_same():
    assert verified(accounts("jos\u00e9:caf\u00e9"), "jose\u0301", "cafe\u0301")


def test_both_name_and_password_are_compared_whatever_was_sent(monkeypatch):
    compared, stretched = [], []
    scrypt = hashlib.scrypt

    def compare(left, right):
        compared.append((len(left), len(right)))
        return left == right

    monkeypatch.setattr(hmac, "compare_digest", compare)
    monkeypatch.setattr(
        hashlib, "scrypt", lambda *a, **k: (stretched.append(1), scrypt(*a, **k))[1]
    )
    known = accounts("ann:a,bob:b,cyd:c")
    for name, password in [("ann", "a"), ("ann", "x"), ("cyd", "c"), ("nobody", "a"), ("", "")]:
        compared.clear()
        stretched.clear()
        verified(known, name, password)
        assert (compared, stretched) == ([(32, 32)] * 4, [1])


def test_a_password_costs_what_makes_guessing_slow(monkeypatch, cost):
    asked = []
    monkeypatch.setattr(passwords, "_COST", cost)
    monkeypatch.setattr(hashlib, "scrypt", lambda *a, **k: asked.append(k) or bytes(32))
    passwords.account("a", "b")
    assert asked[0]["n"] * asked[0]["r"] * 128 >= 16 * 2**20  # bytes of memory


def test_nothing_that_is_kept_shows_a_password():
    [one] = accounts("ann:sesame")
    [again] = accounts("ann:sesame")
    assert "sesame" not in repr(one) and "digest" not in repr(one)
    assert one.name == "ann" and one.salt != again.salt and one.digest != again.digest


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("sesame", "must have both a name and a password, as in name:password"),
        (":sesame", "must have both a name and a password, as in name:password"),
        ("sesame:", "must have both a name and a password, as in name:password"),
        ("ann:sesame,", "must have both a name and a password, as in name:password"),
        ("ann:sesame,ann:b", "must have every name once"),
        ("ann:" + "sesame" * 200, "must have names and passwords of at most 1024 bytes"),
        (["ann:sesame", 3], "must be name:password, with commas between several"),
        (7, "must be name:password, with commas between several"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(given, problem):
    with pytest.raises(ValueError) as caught:
        accounts(given)
    assert str(caught.value) == problem


def test_a_file_holds_one_in_a_line_and_its_password_whatever_there_is_behind_the_colon(tmp_path):
    file = tmp_path / "people"
    file.write_bytes("\ufeff# who may\r\n\r\nann:a,b:c #d \r\nb\u00f6b:#\n".encode())
    known = accounts_of_file(str(file))
    assert [each.name for each in known] == ["ann", "b\u00f6b"]
    assert verified(known, "ann", "a,b:c #d ") and verified(known, "b\u00f6b", "#")
    assert accounts_of_file(()) == ()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff", "cannot be read: it is not UTF-8"),
        (b"# nobody\n\n", "must have a line name:password in it"),
        (b"sesame\n", "must have both a name and a password, as in name:password"),
    ],
)
def test_a_wrong_file_is_refused_without_a_word_of_it(tmp_path, content, problem):
    if content is not None:
        (tmp_path / "people").write_bytes(content)
    with pytest.raises(ValueError) as caught:
        accounts_of_file(str(tmp_path / "people"))
    assert str(caught.value) == problem
