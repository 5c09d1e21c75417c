"""The client's side of WebSocket, with wsproto's word on what is right."""

import contextlib
import socket
import threading
import zlib
from collections.abc import Iterator

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate

from loadtest import websocket
from loadtest.errors import MeasurementError
from loadtest.websocket import Counter, Deflation
from loadtest.workloads import OVER, WORKLOADS, Messages, Protocol, Workload

SIZES = [0, 1, 125, 126, 65_535, 65_536]
ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
)
DEFLATE = b"sec-websocket-extensions: permessage-deflate\r\n"
TICK = WORKLOADS["ws-idle"].messages.texts[0]  # type: ignore[union-attr]


def server(bits: int | None = None) -> Connection:
    """wsproto in the server's place; compressing, if it is told with which window."""
    if bits is None:
        return Connection(ConnectionType.SERVER)
    deflate = PerMessageDeflate(client_max_window_bits=bits)
    deflate.accept(f"permessage-deflate; client_max_window_bits={bits}")
    return Connection(ConnectionType.SERVER, [deflate])


def heard(connection: Connection, data: bytes) -> list[Event]:
    connection.receive_data(data)
    return list(connection.events())


def texts(events: list[Event]) -> bytes:
    return "".join(event.data for event in events if isinstance(event, TextMessage)).encode("ascii")


# What is sent


@pytest.mark.parametrize("size", SIZES)
def test_a_server_understands_the_frames(size: int) -> None:
    text = bytes(32 + number % 90 for number in range(size))
    (frame,) = websocket.frames(Messages((text,)), None)
    assert texts(heard(server(), frame)) == text
    assert text not in frame or size < 2, "what a client sends is masked"


@pytest.mark.parametrize("name", OVER[Protocol.WEBSOCKET])
@pytest.mark.parametrize("agreed", [Deflation(15, takeover=True), Deflation(9, takeover=True)])
def test_a_server_inflates_the_messages_over_and_over(name: str, agreed: Deflation) -> None:
    messages = WORKLOADS[name].messages
    assert messages is not None
    connection, frames = server(agreed.bits), websocket.frames(messages, agreed)
    for _ in range(2):
        for text, frame in zip(messages.texts, frames, strict=True):
            assert texts(heard(connection, frame)) == text
    assert sum(map(len, frames)) < sum(map(len, messages.texts)) + 12 * len(frames)


def test_without_takeover_each_message_stands_alone() -> None:
    messages = Messages((TICK, TICK))
    alone, other = websocket.frames(messages, Deflation(15, takeover=False))
    assert alone == other
    first, second = websocket.frames(messages, Deflation(15, takeover=True))
    assert len(second) < len(first)


def test_texts_compress_as_such_do() -> None:
    for name in ("ws-16k", "ws-1m"):
        messages = WORKLOADS[name].messages
        assert messages is not None
        stream = b"".join(messages.texts)
        assert 4 < len(stream) / len(zlib.compress(stream)) < 6
    assert [WORKLOADS[name].messages.size for name in ("ws-32", "ws-16k", "ws-1m")] == [  # type: ignore[union-attr]
        32,
        16 * 1024,
        1024 * 1024,
    ]


def test_all_messages_of_a_workload_have_one_size() -> None:
    for name in OVER[Protocol.WEBSOCKET]:
        messages = WORKLOADS[name].messages
        assert messages is not None
        assert {len(text) for text in messages.texts} == {messages.size}


# What comes


def sent(connection: Connection, sizes: list[int]) -> bytes:
    """A message of each size, of text and of bytes by turns, between pings, the second in two frames."""
    parts = []
    for number, size in enumerate(sizes):
        data = "a" * size if number % 2 else b"a" * size
        whole: Message[object] = TextMessage(data) if isinstance(data, str) else BytesMessage(data)
        parts.append(connection.send(Ping(b"%d" % number)))
        if number == 1:
            parts.append(connection.send(TextMessage("a", message_finished=False)))
            parts.append(connection.send(Pong(b"amid")))
        parts.append(connection.send(whole))
    return b"".join(parts)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 1 << 20])
def test_messages_are_counted_however_they_come(step: int) -> None:
    sizes = [0, 5, 125, 126, 700]
    data = sent(server(), sizes)
    counter, counted = Counter(), 0
    for start in range(0, len(data), step):
        part = data[start : start + step]
        counted += counter.count(memoryview(bytearray(part.ljust(2, b"\0"))), len(part))
    assert (counted, counter.messages, counter.content) == (len(sizes), len(sizes), sum(sizes) + 1)
    assert counter.pings == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("size", SIZES)
def test_one_message_at_a_time(size: int) -> None:
    counter, connection = Counter(), server()
    for number in range(1, 4):
        data = connection.send(TextMessage("a" * size))
        assert counter.count(memoryview(data), len(data)) == 1
        assert (counter.messages, counter.content) == (number, number * size)


def test_compressed_messages_are_counted_as_they_come() -> None:
    counter, connection = Counter(), server(15)
    for _ in range(3):
        data = connection.send(TextMessage("tick " * 20))
        assert data[0] & 0x40
        assert counter.count(memoryview(data), len(data)) == 1
    assert 0 < counter.content < 100


def test_a_server_that_closes_is_told_of() -> None:
    data = server().send(CloseConnection(code=1009, reason="too big"))
    with pytest.raises(MeasurementError, match="closed a WebSocket with the code 1009 and the reason 'too big'"):
        Counter().count(memoryview(data), len(data))


def test_a_server_does_not_mask() -> None:
    data = websocket.frame(1, b"hello")
    with pytest.raises(MeasurementError, match="masked"):
        Counter().count(memoryview(data), len(data))


# The handshake and the conversation


@contextlib.contextmanager
def answering(*answers: bytes) -> Iterator[socket.socket]:
    """A connection to a server that has this answer to each of what it is sent; then it closes."""

    def serve() -> None:
        with server:
            for answer in answers:
                server.recv(1 << 16)
                server.sendall(answer)

    client, server = socket.socketpair()
    thread = threading.Thread(target=serve)
    thread.start()
    with client:
        client.settimeout(10)
        try:
            yield client
        finally:
            thread.join(10)


def plain(text: bytes) -> bytes:
    return server().send(TextMessage(text.decode("ascii")))


IDLE, DEFLATED = WORKLOADS["ws-idle"], WORKLOADS["ws-idle-deflate"]


@pytest.mark.parametrize(
    ("workload", "answers"),
    [
        (IDLE, [ACCEPTED + b"\r\n", plain(TICK)]),
        (IDLE, [ACCEPTED + b"\r\n", server().send(Ping(b"?")) + plain(TICK)]),
        (DEFLATED, [ACCEPTED + DEFLATE + b"\r\n", server(15).send(TextMessage(TICK.decode("ascii")))]),
        (DEFLATED, [ACCEPTED + DEFLATE + b"\r\n", plain(TICK)]),
    ],
)
def test_a_conversation(workload: Workload, answers: list[bytes]) -> None:
    with answering(*answers) as connection:
        websocket.converse(connection, workload)


@pytest.mark.parametrize(
    ("workload", "answers", "words"),
    [
        (IDLE, [b"HTTP/1.1 500 No\r\n\r\n"], "did not answer over WebSocket, but with the status 500"),
        (IDLE, [ACCEPTED.replace(b"s3p", b"abc") + b"\r\n"], "accepted the handshake with 'abcPLM"),
        (IDLE, [ACCEPTED + DEFLATE + b"\r\n"], "'permessage-deflate', which nobody offered"),
        (DEFLATED, [ACCEPTED + b"\r\n"], "agreed on '' where 'permessage-deflate' was offered"),
        (IDLE, [ACCEPTED + b"\r\n", plain(b"else")], "sent b'else' where b'{\"item\": 1000"),
        (IDLE, [ACCEPTED + b"\r\n", server(15).send(TextMessage(TICK.decode("ascii")))], 'where b\'{"item": 1000'),
        (IDLE, [ACCEPTED + b"\r\n", server().send(CloseConnection(code=1011))], "with the code 1011 and the reason ''"),
    ],
)
def test_a_conversation_that_goes_wrong(workload: Workload, answers: list[bytes], words: str) -> None:
    with answering(*answers) as connection, pytest.raises(MeasurementError, match=words):
        websocket.converse(connection, workload)


def test_a_conversation_that_ends_early() -> None:
    with answering(ACCEPTED + b"\r\n", plain(TICK)[:-1]) as connection, pytest.raises(ConnectionError):
        websocket.converse(connection, IDLE)


@pytest.mark.parametrize(
    ("extensions", "agreed"),
    [
        ("permessage-deflate", (15, True)),
        ("permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", (12, True)),
        ("permessage-deflate;client_no_context_takeover", (15, False)),
    ],
)
def test_what_was_agreed_on(extensions: str, agreed: tuple[int, bool]) -> None:
    assert websocket.deflation(extensions) == agreed
