"""A client that speaks HTTP/1 byte by byte, and notices everything that a good one would forgive."""

import re
import socket
from typing import Any, NamedTuple

DEADLINE = 20.0


class Response(NamedTuple):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """The value of a header that appears at most once."""
        values = [value for each, value in self.headers if each == name]
        assert len(values) <= 1, f"{name!r} appears {len(values)} times"
        return values[0] if values else None


class Client:
    """One connection. Waiting for longer than a generous deadline fails."""

    def __init__(self, family: int, address: Any, receive_buffer: int = 0) -> None:
        self.socket = socket.socket(family)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self._buffer = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()[:2]
        return host, port

    def send(self, data: bytes) -> "Client":
        self.socket.sendall(data)
        return self

    def get(self, target: str = "/", *lines: str) -> Response:
        """Ask for something and wait for the response."""
        self.send("\r\n".join([f"GET {target} HTTP/1.1", "Host: a", *lines, "", ""]).encode("latin-1"))
        return self.response()

    def post(self, body: bytes, target: str = "/") -> Response:
        self.send(b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (target.encode(), len(body)) + body)
        return self.response()

    def half_close(self) -> "Client":
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Break the connection."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    # Reading

    def more(self) -> bytes:
        """What arrives next; empty at the end."""
        if self._buffer:
            data, self._buffer = self._buffer, b""
            return data
        return self.socket.recv(1 << 16)

    def until(self, mark: bytes) -> bytes:
        """Everything up to ``mark``, which is included."""
        while (at := self._buffer.find(mark)) < 0:
            data = self.socket.recv(1 << 16)
            assert data, f"the connection ended before {mark!r}, after {self._buffer!r}"
            self._buffer += data
        found, self._buffer = self._buffer[: at + len(mark)], self._buffer[at + len(mark) :]
        return found

    def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            data = self.socket.recv(1 << 16)
            assert data, f"the connection ended {size - len(self._buffer)} bytes short"
            self._buffer += data
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def rest(self) -> bytes:
        """Everything up to the end of the connection, which must be in good order."""
        data = b""
        while more := self.more():
            data += more
        return data

    def ends(self) -> bool:
        """Wait for the end of the connection, in whatever order. Nothing may come before it."""
        try:
            return self.more() == b""
        except ConnectionError:
            return True

    def head(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """A response's status and headers, names in lower case."""
        status_line, *lines = self.until(b"\r\n\r\n")[:-4].split(b"\r\n")
        match = re.fullmatch(rb"HTTP/1\.1 (\d{3}) [\x20-\x7e]*", status_line)
        assert match, status_line
        headers = []
        for line in lines:
            name, colon, value = line.partition(b": ")
            assert colon, line
            headers.append((name.lower(), value))
        return int(match[1]), headers

    def response(self, to: str = "GET") -> Response:
        """A whole final response; interim ones are an error."""
        status, headers = self.head()
        assert status >= 200, status
        names = [name for name, _ in headers]
        assert names.count(b"date") == 1
        if to == "HEAD" or status in (204, 304):
            body = b""
        elif b"content-length" in names:
            assert b"transfer-encoding" not in names
            body = self.exactly(int(dict(headers)[b"content-length"]))
        elif b"transfer-encoding" in names:
            assert dict(headers)[b"transfer-encoding"] == b"chunked"
            body = self.chunks()
        else:
            assert dict(headers).get(b"connection") == b"close"
            body = self.rest()
        return Response(status, headers, body)

    def chunk(self) -> bytes:
        """The next chunk of a body; an empty one is the last."""
        data = self.exactly(int(self.until(b"\r\n"), 16))
        assert self.exactly(2) == b"\r\n"
        return data

    def chunks(self) -> bytes:
        """What is left of a body in chunks, to its end."""
        return b"".join(iter(self.chunk, b""))
