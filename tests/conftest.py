"""What holds for all tests."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _log_left_as_it_was() -> Iterator[None]:
    """Who configures the server's log in this process must not do so for the tests behind it."""
    logger = logging.getLogger("litmus")
    propagate = logger.propagate
    yield
    logger.propagate = propagate
