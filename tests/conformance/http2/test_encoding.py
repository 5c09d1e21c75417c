"""What an encoder of field blocks must and must not send (RFC 7541, by sections; RFC 9113, section 4.3)."""

import pytest

from litmus.protocols.http2.decoder import Decoder
from litmus.protocols.http2.encoder import EncodedField, Encoder, encode_integer, encode_string, status_field
from litmus.protocols.http2.huffman import encode

LIMIT = 65_536


class Pair:
    """An encoder and the decoder of its peer. Both tables are the same, whatever is sent."""

    def __init__(self) -> None:
        self.encoder = Encoder()
        self.decoder = Decoder()

    def send(self, *fields: EncodedField) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        """A block, and what the peer makes of it."""
        block = self.encoder.encode(fields)
        says = self.decoder.decode(block, LIMIT)
        assert self.encoder.size == self.decoder.size
        assert self.encoder.capacity == self.decoder.capacity
        return block, says

    def resize(self, size: int) -> None:
        """The peer's setting changes."""
        self.encoder.resize(size)
        self.decoder.resize(size)


def plain(text: bytes) -> EncodedField:
    """A field that is worth to be indexed."""
    name, _, value = text.partition(b" ")
    return EncodedField(name, value)


# Sections 2.3 and 6.1


def test_a_field_that_is_in_the_static_table_is_its_index() -> None:
    assert Encoder().encode((status_field(200), plain(b"accept-encoding gzip, deflate"))) == b"\x88\x90"


def test_a_name_that_is_in_the_static_table_is_its_index() -> None:
    assert Encoder().encode((plain(b"server x"),)) == b"\x0f\x27" + b"\x01x"
    assert Encoder().encode((plain(b":status 201"),)) == b"\x08" + encode_string(b"201")


def test_all_statuses() -> None:
    pair = Pair()
    for _ in range(3):
        for status in range(200, 1000):
            assert pair.send(status_field(status))[1] == [(b":status", b"%d" % status)]


# Sections 2.2, 6.2.1 and 7.1: what is indexed


def test_what_comes_again_is_one_octet() -> None:
    pair = Pair()
    fields = (status_field(200), plain(b"content-type text/html"), plain(b"x-frame-options DENY"))
    blocks = []
    for _ in range(4):
        block, says = pair.send(*fields)
        assert says == [(b":status", b"200"), (b"content-type", b"text/html"), (b"x-frame-options", b"DENY")]
        blocks.append(block)
    assert blocks[0][1:2] == b"\x0f", "nothing is entered for once"
    assert blocks[1][1:2] == b"\x5f"
    assert blocks[2] == blocks[3] == b"\x88\xbf\xbe"


def test_what_was_sent_on_another_connection_is_entered_at_once() -> None:
    field = plain(b"x y")
    Encoder().encode((field,))
    pair = Pair()
    pair.send(field)
    assert pair.decoder.table() == [(b"x", b"y")]


def test_what_comes_twice_in_a_block() -> None:
    pair = Pair()
    field = plain(b"x y")
    for _ in range(3):
        assert pair.send(field, field, field)[1] == [(b"x", b"y")] * 3


def test_values_that_never_come_again_leave_the_table_alone() -> None:
    pair = Pair()
    stays = plain(b"x stays")
    for number in range(200):
        block, says = pair.send(plain(b"y %d" % number), stays)
        assert says == [(b"y", b"%d" % number), (b"x", b"stays")]
    assert block.endswith(b"\xbe")
    assert pair.decoder.table() == [(b"x", b"stays")]


@pytest.mark.parametrize("name", [b"date", b"content-length", b"etag", b"location", b"x-request-id", b"traceparent"])
def test_what_changes_is_not_indexed(name: bytes) -> None:
    """Section 6.2.2."""
    pair = Pair()
    field = EncodedField(name, b"value")
    for _ in range(3):
        block, says = pair.send(field)
        assert says == [(name, b"value")]
        assert block[0] & 0xF0 == 0x00
    assert pair.decoder.table() == []


@pytest.mark.parametrize("name", [b"set-cookie", b"authorization", b"www-authenticate", b"x-csrf-token"])
def test_what_nobody_may_guess_is_never_indexed(name: bytes) -> None:
    """Sections 6.2.3 and 7.1.3."""
    pair = Pair()
    for value in (b"value", b""):  # an empty one would be in the static table
        field = EncodedField(name, value)
        for _ in range(3):
            block, says = pair.send(field)
            assert says == [(name, value)]
            assert block[0] & 0xF0 == 0x10
    assert pair.decoder.table() == []


def test_more_fields_than_the_table_has_room_for() -> None:
    pair = Pair()
    fields = [EncodedField(b"name-%d" % number, b"v" * (number % 200)) for number in range(300)]
    for _ in range(4):
        for start in range(0, 300, 30):
            said = [(b"name-%d" % number, b"v" * (number % 200)) for number in range(start, start + 30)]
            assert pair.send(*fields[start : start + 30])[1] == said


def test_as_many_entries_as_there_can_be() -> None:
    """All but the first 65 need an index of more than one octet."""
    pair = Pair()
    fields = [EncodedField(b"", b"")] * 3 + [EncodedField(b"%c" % octet, b"") for octet in range(0x80)]
    for _ in range(4):
        assert len(pair.send(*fields)[1]) == len(fields)
    same = [EncodedField(b"", b"") for _ in range(128)]
    for _ in range(4):
        block, _ = pair.send(*same)
    assert len(pair.decoder.table()) == 128
    assert pair.encoder.size == 4096
    assert len(block) == 65 + 63 * 2


def test_a_field_larger_than_the_table_leaves_it_alone() -> None:
    """Section 4.4: it would empty it."""
    pair = Pair()
    small, large = plain(b"x y"), EncodedField(b"x", b"z" * 4064)
    for _ in range(3):
        assert pair.send(small, large)[1] == [(b"x", b"y"), (b"x", b"z" * 4064)]
    assert pair.decoder.table() == [(b"x", b"y")]


def test_a_field_exactly_as_large_as_the_table() -> None:
    pair = Pair()
    field = EncodedField(b"x", b"z" * 4063)
    for _ in range(3):
        block, _ = pair.send(field)
    assert block == b"\xbe"


# Section 4.2


def update(size: int) -> bytes:
    return encode_integer(size, 5, 0x20)


@pytest.mark.parametrize(
    ("sizes", "updates"),
    [
        ([4096], []),
        ([65_536], []),
        ([100], [100]),
        ([0], [0]),
        ([100, 50], [50]),
        ([50, 100], [50, 100]),
        ([0, 4096], [0, 4096]),
        ([0, 65_536], [0, 4096]),
        ([4096, 8192, 30, 70, 60], [30, 60]),
    ],
)
def test_a_change_of_size_is_told_at_the_beginning_of_the_next_block(sizes: list[int], updates: list[int]) -> None:
    """The smallest maximum in between MUST be signaled, and the final one always is."""
    pair = Pair()
    field = plain(b"x y")
    for _ in range(2):
        pair.send(field)
    for size in sizes:
        pair.encoder.resize(size)
        pair.decoder.resize(size)
    start = b"".join(map(update, updates))
    block, says = pair.send(field)
    assert block.startswith(start)
    assert says == [(b"x", b"y")]
    assert not pair.send(field)[0].startswith(b"\x20"), "once is enough"
    assert pair.send(field)[0][0] & 0xE0 != 0x20


def test_what_does_not_fit_any_more_is_entered_again_or_not() -> None:
    pair = Pair()
    field = plain(b"x y")
    for _ in range(3):
        pair.send(field)
    pair.resize(33)
    assert pair.send(field)[0] == update(33) + b"\x00\x01x\x01y"
    assert pair.send(field)[0] == b"\x00\x01x\x01y"
    pair.resize(34)
    assert pair.send(field)[0] == update(34) + b"\x40\x01x\x01y"
    assert pair.send(field)[0] == b"\xbe"


def test_a_table_that_grows_again_after_it_was_told_to_shrink() -> None:
    pair = Pair()
    pair.resize(100)
    pair.send(status_field(200))
    pair.resize(1000)
    assert pair.send(status_field(200))[0] == update(1000) + b"\x88"


# Section 5


@pytest.mark.parametrize("bits", range(1, 9))
def test_integers(bits: int) -> None:
    """Section 5.1, by its own algorithm."""
    for number in {0, 1, 126, 127, 128, 1337, 2**31 - 1, *range(max(0, 2**bits - 3), 2**bits + 3)}:
        octets = encode_integer(number, bits, 0)
        most = 2**bits - 1
        assert octets[0] <= most
        decoded = octets[0] + sum((octet & 0x7F) << 7 * place for place, octet in enumerate(octets[1:]))
        assert decoded == number
        assert all(octet & 0x80 for octet in octets[1:-1])
        assert len(octets) == 1 or (octets[0] == most and not octets[-1] & 0x80)


def test_strings_are_in_the_huffman_code_if_that_is_shorter() -> None:
    """Section 5.2."""
    assert encode_string(b"") == b"\x00"
    assert encode_string(b"private") == b"\x85" + encode(b"private")
    assert encode_string(b"\xff\n") == b"\x02\xff\n"
    assert encode_string(b"X") == b"\x01X", "as long"
    assert encode_string(b"0" * 1000) == encode_integer(625, 7, 0x80) + encode(b"0" * 1000)


# What is remembered


def test_a_block_that_is_remembered_is_forgotten_when_an_index_in_it_changes() -> None:
    pair = Pair()
    first, second, date = plain(b"x 1"), plain(b"x 2"), EncodedField(b"date", b"now")
    for _ in range(3):
        pair.send(first, date)
    assert pair.send(first, date)[0].startswith(b"\xbe")
    for _ in range(2):
        assert pair.send(second)[1] == [(b"x", b"2")]
    block, says = pair.send(first, date)
    assert block.startswith(b"\xbf")
    assert says == [(b"x", b"1"), (b"date", b"now")]


def test_trailers() -> None:
    pair = Pair()
    for _ in range(3):
        assert pair.send(plain(b"grpc-status 0"))[1] == [(b"grpc-status", b"0")]
    assert pair.send()[1] == []
