"""Every row of the tables over a socket, its bytes whole and one by one."""

import pytest
from conformance.http2.rows import ROWS
from conformance.http2.runners import Application, Cut, bytewise, over_socket, whole
from support.server import Server


@pytest.mark.parametrize("cut", [whole, bytewise])
@pytest.mark.parametrize("name", ROWS)
def test_over_a_socket(name: str, cut: Cut, server: Server, application: Application) -> None:
    row = ROWS[name]
    row.check(over_socket(row, server, application, cut))
