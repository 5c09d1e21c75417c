"""The access log: one line for each response, collected and written in batches."""

from __future__ import annotations

import time
from typing import Final, Protocol

from litmus.log import escape
from litmus.protocols.remembering import remember

_BATCH: Final = 512

_LINE_SHOWN: Final = 256
"""Bytes of the first line of what did not become a request."""

_REMEMBERED: Final = 1024
_REMEMBERED_SIZE: Final = 256


class Sink(Protocol):
    """Where the lines go. Writing never raises."""

    def write(self, data: bytes) -> None:
        """Append ``data``."""


class AccessLog:
    """Collects lines in the combined log format, with the time taken in seconds at the end.

    The first field is the peer's bare address, because that is what readers of the format take it for.

    Args:
        sink: where ``flush`` writes.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._lines: list[str] = []
        self._second = 0
        self._stamp = ""
        self._known: dict[bytes, str] = {}

    def record(
        self,
        host: str,
        method: bytes,
        target: bytes,
        version: str,
        status: int,
        size: int,
        seconds: float,
        headers: list[tuple[bytes, bytes]],
    ) -> None:
        """Note a response. ``size`` is bytes sent; a status of 0 means that none was."""
        self._look_at_the_clock()
        referer = agent = "-"
        for name, value in headers:
            if name == b"user-agent":
                agent = self._escaped(value)
            elif name == b"referer":
                referer = self._escaped(value)
        self._add(
            f'{host} - - [{self._stamp}] "{self._escaped(method)} {self._escaped(target)} HTTP/{version}"'
            f' {status or "-"} {size} "{referer}" "{agent}" {seconds:.6f}\n'
        )

    def record_refusal(self, host: str, head: bytes, status: int, size: int) -> None:
        """Note the answer to what did not become a request. ``head`` is what has come of its head, cut short.

        Since when it has come is not known.
        """
        self._look_at_the_clock()
        line, *fields = head.split(b"\r")
        told = {b"referer": "-", b"user-agent": "-"}
        for field in fields:
            name, _, value = field.partition(b":")
            name = name.lstrip(b"\n").lower()
            if name in told:
                told[name] = escape(value.strip(b" \t"))
        self._add(
            f'{host} - - [{self._stamp}] "{escape(line[:_LINE_SHOWN]) or "-"}"'
            f' {status} {size} "{told[b"referer"]}" "{told[b"user-agent"]}" -\n'
        )

    def flush(self) -> None:
        """Write what was collected. Called at every tick of the worker, and at its end."""
        if self._lines:
            lines, self._lines = self._lines, []
            self._sink.write("".join(lines).encode("utf-8", "replace"))

    def _look_at_the_clock(self) -> None:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(second))

    def _add(self, line: str) -> None:
        lines = self._lines
        lines.append(line)
        if len(lines) >= _BATCH:
            self.flush()

    def _escaped(self, value: bytes) -> str:
        """``log.escape``, which takes its time, remembered: most values come again and again."""
        escaped = self._known.get(value)
        if escaped is None:
            escaped = escape(value)
            if len(value) <= _REMEMBERED_SIZE:
                remember(self._known, value, escaped, _REMEMBERED)
        return escaped
