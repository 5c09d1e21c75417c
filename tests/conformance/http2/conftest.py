"""What the tests of a module share: a server, and the application that says what it was asked."""

from collections.abc import Iterator

import pytest
from conformance.http2.runners import Application
from support.server import Server, serve


@pytest.fixture(scope="module")
def application() -> Application:
    return Application()


@pytest.fixture(scope="module")
def server(application: Application) -> Iterator[Server]:
    with serve(application) as running:
        yield running
