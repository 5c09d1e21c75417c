"""The opening handshake: what is one, what is wrong with one, and how it is answered."""

from collections.abc import Callable

import pytest
from support.websocket import Closed, Line, echo
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, TextMessage
from wsproto.events import Request as Opening
from wsproto.extensions import Extension, PerMessageDeflate

from litmus.protocols.errors import ResponseError
from litmus.protocols.lines import RequestLine
from litmus.protocols.request import HeadParser, Request
from litmus.protocols.websocket.deflate import DeflateSettings, Parameters
from litmus.protocols.websocket.handshake import HandshakeError, read_handshake, wanted

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The key of the example, and the answer to it (RFC 6455, section 1.3)."""

FIELDS = (
    "Host: server.example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    f"Sec-WebSocket-Key: {KEY}",
    "Origin: http://example.com",
    "Sec-WebSocket-Version: 13",
)


def request(*more: str, without: str | None = None, line: str = "GET /chat HTTP/1.1") -> Request:
    """A handshake with ``more`` fields, and without those that begin like this."""
    fields = [field for field in FIELDS if without is None or not field.startswith(without)]
    return HeadParser().parse("\r\n".join([line, *fields, *more, "", ""]).encode("latin-1"))


def over_http2(
    *fields: tuple[bytes, bytes], method: bytes = b"CONNECT", protocol: bytes | None = b"websocket"
) -> Request:
    asked = Request(RequestLine(method, b"/chat", "2", b"", b"/chat"), [(b"host", b"a"), *fields])
    asked.body = -1
    asked.protocol = protocol
    return asked


VERSION = (b"sec-websocket-version", b"13")


# -- what is one -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        request(),
        request("Upgrade: WebSocket", without="Upgrade"),
        request("Upgrade: h2c, websocket", without="Upgrade"),
        request("Connection: keep-alive, Upgrade", without="Connection"),
        request("Connection: keep-alive", "Connection: upgrade", without="Connection"),
        over_http2(VERSION),
    ],
)
def test_what_asks_for_one(asked: Request) -> None:
    assert wanted(asked)
    read_handshake(asked)


@pytest.mark.parametrize(
    "asked",
    [
        request(without="Upgrade"),
        request(without="Connection"),
        request("Connection: keep-alive", without="Connection"),
        request("Upgrade: h2c", without="Upgrade"),
        request("Upgrade: websocket/13", without="Upgrade"),
        request("Upgrade: xwebsocket", without="Upgrade"),
        request(line="POST /chat HTTP/1.1"),
        request(line="HEAD /chat HTTP/1.1"),
        request(line="GET /chat HTTP/1.0"),
        over_http2(VERSION, protocol=None),
        over_http2(VERSION, protocol=b"connect-udp"),
        over_http2(VERSION, protocol=b"WebSocket"),  # compared as it is (RFC 8441, section 4)
        over_http2(VERSION, method=b"GET"),
    ],
)
def test_what_does_not_ask_for_one(asked: Request) -> None:
    assert not wanted(asked)


# -- what is wrong with one --------------------------------------------------------------------------------------------

KEYS = {
    "none": [],
    "two": [KEY, "AAAAAAAAAAAAAAAAAAAAAA=="],
    "empty": [""],
    "not Base64": ["!" * 24],
    "15 bytes": ["AAAAAAAAAAAAAAAAAAAA"],
    "17 bytes": ["AAAAAAAAAAAAAAAAAAAAAAA="],
    "without padding": [KEY[:22]],
    "the alphabet for URLs": ["----------------------=="],
    "white space inside": [KEY[:10] + " " + KEY[10:]],
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_that_are_none(name: str) -> None:
    with pytest.raises(HandshakeError) as error:
        read_handshake(request(*(f"Sec-WebSocket-Key: {key}" for key in KEYS[name]), without="Sec-WebSocket-Key"))
    assert (error.value.status, error.value.headers) == (400, [])


@pytest.mark.parametrize("versions", [["12"], ["8"], ["14"], ["013"], ["13, 8"], ["13", "13"], [""], ["13\xe9"]])
def test_other_versions_are_told_which_one_is_spoken(versions: list[str]) -> None:
    with pytest.raises(HandshakeError) as error:
        read_handshake(
            request(*(f"Sec-WebSocket-Version: {each}" for each in versions), without="Sec-WebSocket-Version")
        )
    assert error.value.status == 426
    assert (b"sec-websocket-version", b"13") in error.value.headers


@pytest.mark.parametrize("asked", [request(without="Sec-WebSocket-Version"), over_http2()])
def test_no_version(asked: Request) -> None:
    with pytest.raises(HandshakeError) as error:
        read_handshake(asked)
    assert error.value.status == 400


def test_another_version_over_http2() -> None:
    with pytest.raises(HandshakeError) as error:
        read_handshake(over_http2((b"sec-websocket-version", b"14")))
    assert error.value.status == 426


@pytest.mark.parametrize("field", ["Content-Length: 1", "Transfer-Encoding: chunked"])
def test_content(field: str) -> None:
    with pytest.raises(HandshakeError, match="content"):
        read_handshake(request(field))


def test_a_length_of_nothing_is_no_content() -> None:
    read_handshake(request("Content-Length: 0"))


# -- lists -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        (["chat"], ["chat"]),
        (["chat, superchat"], ["chat", "superchat"]),
        (["chat", "superchat"], ["chat", "superchat"]),
        ([" v1.a ,\tv2.b,,", ""], ["v1.a", "v2.b"]),
    ],
)
def test_subprotocols(values: list[str], expected: list[str]) -> None:
    assert read_handshake(request(*(f"Sec-WebSocket-Protocol: {each}" for each in values))).subprotocols == expected


@pytest.mark.parametrize("value", ["a b", "a;b", '"a"', "a\xe9", "a/b", "chat, a b"])
def test_subprotocols_that_are_none(value: str) -> None:
    with pytest.raises(HandshakeError, match="Sec-WebSocket-Protocol"):
        read_handshake(request(f"Sec-WebSocket-Protocol: {value}"))


OFFERS: list[tuple[list[str], list[tuple[str, Parameters]]]] = [
    ([], []),
    (["permessage-deflate"], [("permessage-deflate", [])]),
    (
        ["permessage-deflate; client_max_window_bits"],
        [("permessage-deflate", [("client_max_window_bits", None)])],
    ),
    (["a;b=c"], [("a", [("b", "c")])]),
    (['a;b="c"'], [("a", [("b", "c")])]),
    (["a ; b = c\t;d"], [("a", [("b", "c"), ("d", None)])]),
    (["a; b, c; d=1", "e"], [("a", [("b", None)]), ("c", [("d", "1")]), ("e", [])]),
    ([", a ,, b,"], [("a", []), ("b", [])]),
    (["a;b;b=1;b=2"], [("a", [("b", None), ("b", "1"), ("b", "2")])]),
]


@pytest.mark.parametrize(("values", "expected"), OFFERS)
def test_offers(values: list[str], expected: list[tuple[str, Parameters]]) -> None:
    assert read_handshake(request(*(f"Sec-WebSocket-Extensions: {each}" for each in values))).offers == expected


@pytest.mark.parametrize(
    "value",
    ["a;", ";a", "a;;b", "a b", "a;b=", 'a;b=""', 'a;b="c', 'a;b="c d"', "a;b=c=d", "a=b", "a;\xe9", 'a;b="c,d"'],
)
def test_offers_that_are_none(value: str) -> None:
    """Section 9.1: it is not looked for what they may mean."""
    with pytest.raises(HandshakeError, match="Sec-WebSocket-Extensions"):
        read_handshake(request(f"Sec-WebSocket-Extensions: {value}"))


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ("permessage-deflate", "permessage-deflate"),
        ("x-other, permessage-deflate", "permessage-deflate"),
        ("x-other", None),
        ("Permessage-Deflate", None),
        ("permessage-deflate; server_max_window_bits=7", None),
        ("permessage-deflate; what", None),
        # The first that can be accepted is.
        (
            "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=10,"
            "permessage-deflate",
            "permessage-deflate; server_max_window_bits=10",
        ),
        ('permessage-deflate; client_max_window_bits="10"', "permessage-deflate; client_max_window_bits=10"),
    ],
)
def test_the_first_offer_that_can_be_accepted(value: str, answer: str | None) -> None:
    agreement = read_handshake(request(f"Sec-WebSocket-Extensions: {value}")).agree(DeflateSettings(15, 15))
    assert (None if agreement is None else agreement.element()) == answer


# -- the answer --------------------------------------------------------------------------------------------------------


def test_the_example() -> None:
    """Section 1.3."""
    handshake = read_handshake(request("Sec-WebSocket-Protocol: chat, superchat"))
    assert handshake.response("chat", None, []) == (
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        b"sec-websocket-accept: " + ACCEPT + b"\r\nsec-websocket-protocol: chat\r\n\r\n"
    )


def test_headers_of_the_application() -> None:
    handshake = read_handshake(request())
    response = handshake.response(
        None, None, [(b"Set-Cookie", b"a=b"), (b"set-cookie", b"c=d"), (b"connection", b"close")]
    )
    lines = response.split(b"\r\n")
    assert lines[3:] == [b"sec-websocket-accept: " + ACCEPT, b"Set-Cookie: a=b", b"set-cookie: c=d", b"", b""]


def test_over_http2_there_is_no_key() -> None:
    handshake = read_handshake(over_http2(VERSION, (b"sec-websocket-protocol", b"chat"), (b"sec-websocket-key", b"?")))
    agreement = DeflateSettings(15, 15).agree([])
    assert handshake.fields("chat", agreement, [(b"x-a", b"b")]) == [
        (b"sec-websocket-protocol", b"chat"),
        (b"sec-websocket-extensions", b"permessage-deflate"),
        (b"x-a", b"b"),
    ]


@pytest.mark.parametrize("asked", [request("Sec-WebSocket-Protocol: chat"), over_http2(VERSION)])
def test_a_subprotocol_that_nobody_has_asked_for(asked: Request) -> None:
    with pytest.raises(ResponseError, match="other"):
        read_handshake(asked).fields("other", None, [])


@pytest.mark.parametrize(
    "name",
    ["accept", "extensions", "key", "protocol", "version"],
)
def test_headers_that_are_not_for_the_application(name: str) -> None:
    with pytest.raises(ResponseError, match=f"sec-websocket-{name}"):
        read_handshake(request()).response(None, None, [(f"Sec-WebSocket-{name}".encode(), b"a")])


def test_headers_that_are_none() -> None:
    with pytest.raises(ResponseError):
        read_handshake(request()).response(None, None, [(b"x-a", b"b\r\nx-c: d")])


# -- a second opinion --------------------------------------------------------------------------------------------------

EXTENSIONS: dict[str, Callable[[], list[Extension]]] = {
    "none": list,
    "deflate": lambda: [PerMessageDeflate()],
    "small": lambda: [PerMessageDeflate(client_max_window_bits=10, server_max_window_bits=11)],
    "forgetful": lambda: [PerMessageDeflate(client_no_context_takeover=True, server_no_context_takeover=True)],
}


@pytest.mark.parametrize("settings", [None, DeflateSettings(threshold=1), DeflateSettings(15, 9, False, False)])
@pytest.mark.parametrize("name", EXTENSIONS)
def test_wsproto_opens_a_websocket(name: str, settings: DeflateSettings | None) -> None:
    client = WSConnection(ConnectionType.CLIENT)
    opening = Opening("example.com", "/chat", extensions=EXTENSIONS[name](), subprotocols=["one", "two"])
    handshake = read_handshake(HeadParser().parse(client.send(opening)))
    assert handshake.subprotocols == ["one", "two"]
    agreement = None if settings is None else handshake.agree(settings)
    assert (agreement is None) == (settings is None or name == "none")
    client.receive_data(handshake.response("two", agreement, [(b"x-a", b"b")]))
    (accepted,) = client.events()
    assert isinstance(accepted, AcceptConnection)
    assert accepted.subprotocol == "two"
    assert (b"x-a", b"b") in accepted.extra_headers
    line = Line(agreement=agreement, react=echo)
    for message in ("Hello" * 100, "Hello"):
        line.feed(client.send(TextMessage(message)))
    client.receive_data(line.feed(client.send(CloseConnection(1000))).out)
    texts = [event.data for event in client.events() if isinstance(event, TextMessage)]
    assert "".join(texts) == "Hello" * 101
    assert line.told == ["Hello" * 100, "Hello", Closed(1000)]
