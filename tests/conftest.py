"""What tests of several folders share."""

from collections.abc import Iterator

import pytest

from tests.hub import Hub


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub of this computer, with nothing on it."""
    made = Hub()
    yield made
    made.close()
