"""permessage-deflate: what is agreed on (RFC 7692, section 7.1), and that it holds in both directions."""

import tracemalloc
import zlib
from random import Random

import pytest
from support.websocket import BINARY, RSV1, TEXT, Failed, Line, Zlib, sent

from litmus.protocols.websocket.closing import WebSocketError
from litmus.protocols.websocket.deflate import Deflater, DeflateSettings, Inflater, Parameters

PLAIN = DeflateSettings(server_bits=15, client_bits=15)
SMALL = DeflateSettings(server_bits=12, client_bits=11)
FORGETFUL = DeflateSettings(server_bits=15, client_bits=15, server_takeover=False, client_takeover=False)

SERVER_BITS, CLIENT_BITS = "server_max_window_bits", "client_max_window_bits"
SERVER_FORGETS, CLIENT_FORGETS = "server_no_context_takeover", "client_no_context_takeover"

AGREED: list[tuple[DeflateSettings, Parameters, str]] = [
    (PLAIN, [], ""),
    (PLAIN, [(SERVER_FORGETS, None)], "; server_no_context_takeover"),
    (PLAIN, [(CLIENT_FORGETS, None)], "; client_no_context_takeover"),
    (
        PLAIN,
        [(CLIENT_FORGETS, None), (SERVER_FORGETS, None)],
        "; server_no_context_takeover; client_no_context_takeover",
    ),
    (PLAIN, [(SERVER_BITS, "15")], ""),
    (PLAIN, [(SERVER_BITS, "10")], "; server_max_window_bits=10"),
    (PLAIN, [(SERVER_BITS, "9")], "; server_max_window_bits=9"),
    (PLAIN, [(CLIENT_BITS, None)], ""),
    (PLAIN, [(CLIENT_BITS, "15")], ""),
    (PLAIN, [(CLIENT_BITS, "10")], "; client_max_window_bits=10"),
    (PLAIN, [(CLIENT_BITS, "8")], "; client_max_window_bits=8"),
    (PLAIN, [(CLIENT_BITS, "9"), (SERVER_BITS, "11")], "; server_max_window_bits=11; client_max_window_bits=9"),
    # Our own wishes. A client that has not said that it can be told about its window is not told.
    (SMALL, [], "; server_max_window_bits=12"),
    (SMALL, [(CLIENT_BITS, None)], "; server_max_window_bits=12; client_max_window_bits=11"),
    (SMALL, [(CLIENT_BITS, "13")], "; server_max_window_bits=12; client_max_window_bits=11"),
    (SMALL, [(CLIENT_BITS, "10")], "; server_max_window_bits=12; client_max_window_bits=10"),
    (SMALL, [(SERVER_BITS, "10")], "; server_max_window_bits=10"),
    (SMALL, [(SERVER_BITS, "14")], "; server_max_window_bits=12"),
    (FORGETFUL, [], "; server_no_context_takeover; client_no_context_takeover"),
    (FORGETFUL, [(SERVER_FORGETS, None)], "; server_no_context_takeover; client_no_context_takeover"),
]

DECLINED: list[Parameters] = [
    [("unknown", None)],
    [("unknown", "1")],
    [("Server_no_context_takeover", None)],
    [(SERVER_FORGETS, "1")],
    [(SERVER_FORGETS, "")],
    [(CLIENT_FORGETS, "true")],
    [(SERVER_FORGETS, None), (SERVER_FORGETS, None)],
    [(SERVER_BITS, "10"), (SERVER_BITS, "10")],
    [(CLIENT_BITS, None), (CLIENT_BITS, "10")],
    [(SERVER_BITS, None)],
    [(SERVER_BITS, "")],
    *(
        [(name, bits)]
        for name in (SERVER_BITS, CLIENT_BITS)
        for bits in ("7", "16", "0", "-9", "+9", "09", "9.0", "a", "1_0", " 9")
    ),
    [(CLIENT_BITS, "")],
    [(SERVER_BITS, "8")],  # it is legal, and zlib cannot do it
    [(SERVER_BITS, "8"), (CLIENT_BITS, None)],
]


@pytest.mark.parametrize(("settings", "offer", "answer"), AGREED)
def test_what_is_agreed_on(settings: DeflateSettings, offer: Parameters, answer: str) -> None:
    agreement = settings.agree(offer)
    assert agreement is not None
    assert agreement.element() == "permessage-deflate" + answer


@pytest.mark.parametrize("offer", DECLINED)
def test_what_is_declined(offer: Parameters) -> None:
    for settings in (PLAIN, SMALL, FORGETFUL):
        assert settings.agree(offer) is None


# -- every combination -------------------------------------------------------------------------------------------------

LETTERS = bytes(Random(7692).choices(b"abcdefghijklmnopqrstuvwxyz", k=3000))
REPEATED = LETTERS[:700]
MESSAGES = [LETTERS, REPEATED, bytes(40_000), REPEATED, b"a", LETTERS]
"""They refer to one another from afar, so that a window that is too small or forgotten shows."""


@pytest.mark.parametrize("client_forgets", [False, True])
@pytest.mark.parametrize("server_forgets", [False, True])
@pytest.mark.parametrize("server_bits", [None, "9", "10", "12", "15"])
@pytest.mark.parametrize("client_bits", ["absent", None, "8", "9", "10", "12", "15"])
def test_every_combination(
    server_forgets: bool, client_forgets: bool, server_bits: str | None, client_bits: str | None
) -> None:
    offer: Parameters = []
    if server_forgets:
        offer.append((SERVER_FORGETS, None))
    if client_forgets:
        offer.append((CLIENT_FORGETS, None))
    if server_bits is not None:
        offer.append((SERVER_BITS, server_bits))
    if client_bits != "absent":
        offer.append((CLIENT_BITS, client_bits))
    for settings in (PLAIN, SMALL, FORGETFUL):
        agreement = settings.agree(offer)
        assert agreement is not None
        said = dict(part.partition("=")[::2] for part in agreement.element().split("; ")[1:])
        assert SERVER_FORGETS in said or not server_forgets
        assert int(said.get(SERVER_BITS) or 15) <= int(server_bits or 15)
        assert CLIENT_BITS not in said or client_bits != "absent"
        # A client with as little memory as it may have, by what it was told alone. Its zlib cannot do 8 bits either.
        client = Zlib(
            bits=max(9, int(said.get(CLIENT_BITS) or 15)),
            takeover=CLIENT_FORGETS not in said,
            peer_bits=int(said.get(SERVER_BITS) or 15),
            peer_takeover=SERVER_FORGETS not in said,
        )
        line = Line(agreement=agreement)
        for message in MESSAGES:
            line.feed(sent(BINARY, client.deflate(message), rsv=RSV1))
            line.socket.send_bytes(message)
        assert line.told == MESSAGES
        assert client.messages(line.frames) == MESSAGES


def test_context_is_taken_over_unless_it_is_not() -> None:
    for settings, again in ((PLAIN, True), (FORGETFUL, False)):
        agreement = settings.agree([])
        assert agreement is not None
        deflater = agreement.deflater()
        first, second = deflater.deflate(LETTERS), deflater.deflate(LETTERS)
        assert (len(second) < len(first) // 10) is again


def test_what_deflates_without_context_is_shared() -> None:
    ours, theirs = FORGETFUL.agree([]), FORGETFUL.agree([(CLIENT_BITS, None)])
    assert ours is not None
    assert theirs is not None
    assert ours.deflater() is theirs.deflater()
    narrower = FORGETFUL.agree([(SERVER_BITS, "10")])
    assert narrower is not None
    assert narrower.deflater() is not ours.deflater()


@pytest.mark.parametrize("size", [1, 700, 64 << 10, (64 << 10) + 1])
def test_what_is_sent_to_many_stands_alone_for_each(size: int) -> None:
    """Also in the middle of other messages, and when it is sent again."""
    agreement = FORGETFUL.agree([])
    assert agreement is not None
    message, other = (LETTERS * 30)[:size], (LETTERS * 30)[:size][::-1] + b"."
    for each in (message, message, other, message, message + b".", message):
        line = Line(agreement=agreement)
        line.socket.send_bytes(each)
        line.socket.send_bytes(each)
        for frame in line.frames:
            assert frame.compressed == (len(each) >= agreement.settings.threshold)
            assert Zlib().messages([frame]) == [each]


@pytest.mark.parametrize("takeover", [False, True])
def test_no_more_is_inflated_than_there_is_room_for(takeover: bool) -> None:
    message = Zlib().deflate(LETTERS)
    assert Inflater(15, takeover).inflate(message, True, len(LETTERS)) == LETTERS
    for room in (len(LETTERS) - 1, 1, 0):
        with pytest.raises(WebSocketError) as error:
            Inflater(15, takeover).inflate(message, True, room)
        assert error.value.code == 1009
    assert Inflater(15, takeover).inflate(b"\0", True, 0) == b""


def test_a_bomb_in_blocks_that_say_they_are_the_last() -> None:
    compressor = zlib.compressobj(wbits=-15)
    block = compressor.compress(bytes(600)) + compressor.flush(zlib.Z_FINISH)
    inflater = Inflater(15, True)
    assert inflater.inflate(block + block + b"\0", True, 1200) == bytes(1200)
    with pytest.raises(WebSocketError) as error:
        inflater.inflate(block + block + b"\0", True, 1199)
    assert error.value.code == 1009


def test_a_client_that_forgets_less_than_it_said() -> None:
    """A window that is larger than what was agreed on is found out when it is used."""
    agreement = DeflateSettings(client_bits=9).agree([(CLIENT_BITS, None)])
    assert agreement is not None
    client, line = Zlib(15), Line(agreement=agreement)
    for message in (REPEATED + bytes(2000), REPEATED):
        line.feed(sent(BINARY, client.deflate(message), rsv=RSV1))
    assert line.told == [REPEATED + bytes(2000), Failed(1007)]


@pytest.mark.parametrize(("bits", "memory_level"), [(9, 1), (12, 5), (15, 8), (15, 9)])
def test_the_memory_of_a_connection_is_what_is_told(bits: int, memory_level: int) -> None:
    """See the module: for each direction that was used, to a KiB."""
    message = Random(1950).randbytes(100_000)
    deflated = Zlib(bits).deflate(message)
    deflater, inflater = Deflater(bits, memory_level, 1), Inflater(bits, True)
    tracemalloc.start()
    deflater.deflate(message)
    ours = tracemalloc.get_traced_memory()[0]
    inflater.inflate(deflated, True, len(message))
    theirs = tracemalloc.get_traced_memory()[0] - ours
    tracemalloc.stop()
    assert abs(ours - (2 ** (bits + 2) + 2 ** (memory_level + 9) + 6 * 1024)) <= 1024
    assert abs(theirs - (2**bits + 7 * 1024)) <= 1024


def test_state_is_made_when_it_is_needed() -> None:
    """A connection on which nothing was compressed holds none of it."""
    agreement = PLAIN.agree([])
    assert agreement is not None
    line = Line(agreement=agreement)
    line.feed(sent(TEXT, b"a"))
    line.socket.send_text("a")
    assert line.told == ["a"]
    assert not [frame for frame in line.frames if frame.compressed]
