import time

import pytest

from tests.installing.repositories import Repository, files_of, service


def settled(installs, made):
    """The installation, once nothing is under way."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        now = installs.get(made.id)
        if now.state not in ("looking", "installing"):
            return now
        time.sleep(0.02)
    raise AssertionError(now)


def looked(installs, source, revision="", update=""):
    return settled(installs, installs.begin(source, revision, update))


def put(installs, source, revision="", update="", packages=False):
    seen = looked(installs, source, revision, update)
    assert (seen.state, seen.error) == ("seen", ""), seen
    made = settled(installs, installs.confirm(seen.id, packages))
    assert (made.state, made.error) == ("done", ""), made
    return made


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "origin")
    made.add(files_of("shout"), "First")
    return made


@pytest.fixture
def data(tmp_path):
    """A data folder with an extension that was put there by hand."""
    folder = tmp_path / "data"
    by_hand = folder / "extensions" / "handmade"
    by_hand.mkdir(parents=True)
    for name, text in files_of("handmade").items():
        (by_hand / name).write_text(text)
    return folder


@pytest.fixture
def installs(data):
    made = service(data)
    yield made
    made.close()
