"""The true litmusd, for each test or for all tests of a module."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.deployment import Deployment, Serve


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers for one test, each in a folder of its own."""
    servers: list[Deployment] = []

    def started(*arguments: Any, **options: Any) -> Deployment:
        folder = tmp_path / f"server{len(servers)}"
        folder.mkdir()
        server = Deployment(folder, *arguments, **options)
        servers.append(server)
        return server.wait_until_up()

    yield started
    for server in servers:
        server.close()
