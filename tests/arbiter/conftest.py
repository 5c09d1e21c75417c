"""The arbiter under test, in a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.arbiter import ArbiterProcess, arbiter_in


@pytest.fixture
def arbiter(tmp_path: Path) -> Iterator[ArbiterProcess]:
    with arbiter_in(tmp_path) as process:
        yield process
