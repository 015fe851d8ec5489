"""How extensions' calls are counted, timed and blamed."""

from contextlib import closing, suppress

import pytest

from webui.extensions import Conduct, MishapError
from webui.extensions.conduct import merged


def broken():
    raise KeyError("gone")


def test_a_failure_is_named_and_the_third_in_a_row_switches_off():
    conduct, tried = Conduct(), []
    for _ in range(5):
        with pytest.raises(MishapError) as caught:
            conduct.attempt("one", "hook", lambda: tried.append(1) or broken())
    assert len(tried) == 3
    assert caught.value.mishap.note == (
        "Did not run: one (hook: switched off after 3 failures in a row; hook: KeyError: 'gone')"
    )
    assert conduct.attempt("two", "hook", lambda: 5) == 5
    report = conduct.report()
    assert report["one"]["mishap"]["text"] == "KeyError: 'gone'"
    assert 'raise KeyError("gone")' in report["one"]["mishap"]["trace"]
    assert report["one"]["hooks"]["hook"]["calls"] == 3


def test_hooks_of_one_extension_are_counted_apart():
    conduct = Conduct()
    for _ in range(2):
        with pytest.raises(MishapError):
            conduct.attempt("one", "bad", broken)
        conduct.attempt("one", "good", lambda: None)
    assert conduct.off("one") == ""
    with pytest.raises(MishapError):
        conduct.attempt("one", "bad", broken)
    assert conduct.off("one").startswith("switched off after 3 failures in a row; bad: KeyError")


def test_what_is_to_pass_passes_and_counts_for_nothing():
    conduct = Conduct()
    for _ in range(4):
        with pytest.raises(KeyError):
            conduct.attempt("one", "hook", broken, (KeyError,))
    assert conduct.off("one") == ""


def test_an_interrupt_from_the_keyboard_is_nobodys_failure():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Conduct().attempt("one", "hook", interrupted)


def why_off(where, owner):
    """As the next process sees it."""
    with closing(Conduct(where)) as conduct:
        return conduct.off(owner)


def test_the_file_says_where_the_process_is_and_who_it_died_in(tmp_path):
    where = tmp_path / "hook"
    conduct, said = Conduct(where), []

    def look():
        said.append(where.read_text().strip())

    def nested():
        look()
        with conduct.outside("one", "wrapper"):
            look()
        look()

    conduct.attempt("one", "wrapper", nested)
    look()
    assert said == ["one\nwrapper", "", "one\nwrapper", ""]
    conduct.close()
    assert why_off(where, "one") == ""
    where.write_text("two\nlistener".ljust(120))
    assert why_off(where, "two") == "the engine ended or hung in its listener"
    assert why_off(where, "two") == ""  # once


def test_time_that_is_not_the_extensions_is_not_counted():
    import time

    conduct = Conduct()

    def waits():
        with conduct.outside("one", "wrapper"):
            time.sleep(0.2)

    conduct.attempt("one", "wrapper", waits)
    assert conduct.report()["one"]["hooks"]["wrapper"]["seconds"] < 0.1


def test_reports_of_two_processes_are_one():
    first, second = Conduct(), Conduct()
    first.spent("one", "a", 0.5)
    second.spent("one", "b", 0.25)
    with pytest.raises(MishapError):
        second.attempt("one", "b", broken)
    made = merged((first.report(), second.report(), {}), "one")
    assert made["seconds"] == pytest.approx(0.75, abs=0.05)
    assert made["mishap"]["hook"] == "b"
    assert merged(({},), "none") == {"hooks": {}, "seconds": 0, "off": "", "mishap": None}


def test_a_success_in_between_begins_the_count_anew():
    conduct = Conduct()
    for call in (broken, broken, lambda: None, broken, broken):
        with suppress(MishapError):
            conduct.attempt("one", "hook", call)
    assert conduct.off("one") == ""
