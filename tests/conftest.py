"""What tests of several folders share."""

import gc
from collections.abc import Iterator

import pytest

from tests.hub import Hub


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub of this computer, with nothing on it."""
    made = Hub()
    yield made
    made.close()


def pytest_collection_finish() -> None:
    """All that is imported and collected by now stays: who looks for garbage passes over it."""
    gc.freeze()
