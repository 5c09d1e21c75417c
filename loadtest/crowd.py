"""Many connections at once, as far as this process may have them."""

from __future__ import annotations

import resource
import select
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from loadtest import answers
from loadtest.answers import HOST
from loadtest.errors import MeasurementError

RESERVE = 2048
"""Descriptors that are not for connections, here and in a server."""

_IP_BIND_ADDRESS_NO_PORT = 24  # the socket module has it from Python 3.12 on

_FROM_ONE_ADDRESS = 20_000
"""Connections to the same port from one of our addresses; there are about 28,000 ports for them."""


def possible(connections: int) -> int:
    """So many connections, or as many as the limit of descriptors allows, which is raised as far as it may be.

    The servers that are started inherit the limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return connections if hard == resource.RLIM_INFINITY else min(connections, hard - RESERVE)


def gather(
    stack: ExitStack, port: int, connections: int, greet: Callable[[socket.socket], None]
) -> list[socket.socket]:
    """Open so many connections, on each of which ``greet`` asks the server something, and keep them.

    Raises MeasurementError when one breaks, or ``greet`` does so because the answer is wrong.
    """
    members: list[socket.socket] = []
    try:
        for number in range(connections):
            member = stack.enter_context(connect(port, number))
            member.settimeout(answers.PATIENCE_SECONDS)
            greet(member)
            members.append(member)
    except OSError as error:
        raise MeasurementError(f"took {len(members):,} connections and not one more: {error}") from error
    except MeasurementError as error:
        raise MeasurementError(f"on connection {len(members) + 1:,} it {error}") from error
    return members


def connect(port: int, number: int, buffer: int = 0) -> socket.socket:
    """Begin to open the connection of this number, from an address that has ports left for it; it does not block.

    The kernel keeps no more than ``buffer`` bytes of what comes, if that is told.
    """
    connection = socket.socket()
    try:
        connection.setblocking(False)
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        # Without it each gets a port of its own, to no purpose, after a search that becomes longer and longer.
        connection.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        connection.bind((f"127.0.0.{2 + number // _FROM_ONE_ADDRESS}", 0))
        connection.connect((HOST, port))
    except BlockingIOError:
        pass
    except BaseException:
        connection.close()
        raise
    return connection


def lost(members: Sequence[socket.socket]) -> int:
    """How many of them the server has closed, or sent something that nobody asked for."""
    poller = select.poll()
    for each in members:
        poller.register(each, select.POLLIN)
    return len(poller.poll(0))
