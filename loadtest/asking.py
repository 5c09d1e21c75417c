"""Asking a server once what a workload asks, and whether the answer is right. Each protocol has its own way."""

from __future__ import annotations

import socket

from loadtest import answers, h2load, websocket
from loadtest.answers import HOST, PATIENCE_SECONDS
from loadtest.workloads import Protocol, Workload


def ask(port: int, workload: Workload) -> None:
    """Ask on a connection of its own.

    Raises OSError when there is none or it breaks, and MeasurementError when the answer is wrong or does not come.
    """
    if workload.protocol is Protocol.HTTP2:
        h2load.ask(port, workload).check(workload.answer)
        return
    with socket.create_connection((HOST, port), PATIENCE_SECONDS) as connection:
        ask_on(connection, workload)


def ask_on(connection: socket.socket, workload: Workload) -> None:
    """Ask on this connection, which stays open: over HTTP/1.1 or WebSocket. Raises what :func:`ask` does."""
    if workload.protocol is Protocol.WEBSOCKET:
        websocket.converse(connection, workload)
        return
    connection.sendall(workload.numbered(0) * workload.pipelined)
    with connection.makefile("rb") as stream:
        for _ in range(workload.pipelined):
            answers.read(stream).check(workload.answer)
