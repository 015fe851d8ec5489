import logging
import time

import pytest

from webui.log_file import _SECRETS, attach, detach, one_line


@pytest.fixture
def log(tmp_path):
    handler = attach(tmp_path / "log" / "darkroom.log")
    yield lambda: (tmp_path / "log" / "darkroom.log").read_bytes()
    detach(handler)


def test_one_event_is_one_line_whatever_is_in_it(log):
    logging.getLogger("webui.x").info("prompt: %s", "a\nINFO forged\r\x1b[31m\u2028\x00b")
    text = log().decode()
    assert text.endswith("INFO webui.x prompt: a\\nINFO forged\\r\\x1b[31m\\u2028\\x00b\n")
    assert text.count("\n") == 1


@pytest.mark.parametrize("prompt", ["x" * 1_000_000, "\U0001f600" * 300_000, "\n" * 300_000])
def test_a_line_has_at_most_two_kilobytes_and_keeps_both_ends(log, prompt):
    logging.getLogger("webui.x").warning("begin %s end", prompt)
    assert len(log()) <= 2048
    assert b"begin " in log() and log().endswith(b" end\n")


def test_a_traceback_is_one_line_too(log):
    try:
        raise ValueError("a\nb")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("broke")
    assert log().count(b"\n") == 1 and log().endswith(b"ValueError: a\\nb\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: ***"),
        ("{'cookie': 'session=abc; x=y'}", "{'cookie': ***"),
        ("GET /?token=abc123&x=1", "GET /?token=***&x=1"),
        ('{"password": "hunter2", "a": 1}', '{"password": "***", "a": 1}'),
        ("clone https://me:pw@host/x", "clone https://***@host/x"),
        ("sent bearer abcdef123456", "sent bearer ***"),
        ("my_secret=abc&db-password: x", "my_secret=***&db-password: ***"),
        ("a basic picture of a token ring", "a basic picture of a token ring"),
    ],
)
def test_credentials_are_not_written(text, shown):
    assert one_line(text) == shown


UNITS = ["a", "a-", "token", "token ", "token: ", "a://", "://", "://a:", "cookie ", "cookie:",
         "bearer ", "hf_", "hf_a", "=", " ", "\n", "'", "a://b@", "api-key='"]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_masking_takes_time_that_grows_with_the_text_only(unit):
    text = unit * (100_000 // len(unit))
    began = time.thread_time()
    for pattern, replacement in _SECRETS:
        pattern.sub(replacement, text)
    assert time.thread_time() - began < 1
    began = time.thread_time()
    one_line(text * 50)
    assert time.thread_time() - began < 0.5  # most of it was cut away before


def test_a_credential_beyond_the_cut_is_not_written():
    for before in range(3900, 4200, 7):
        text = one_line("x" * before + " token=abcdefghijk " + "y" * 10_000)
        assert "abcdef" not in text
