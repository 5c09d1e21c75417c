"""What a decoder of field blocks must and must not take (RFC 7541, by sections; RFC 9113, section 4.3)."""

import tracemalloc
from collections.abc import Callable

import pytest

from litmus.protocols.http2.decoder import Decoder
from litmus.protocols.http2.encoder import encode_integer
from litmus.protocols.http2.errors import HeaderListTooLarge, HpackError
from litmus.protocols.http2.huffman import encode
from litmus.protocols.http2.static_table import STATIC_TABLE

LIMIT = 8192

GET = b"\x82"
ENTERED = b"\x40\x01a\x01b"  # a: b, which enters the dynamic table
NEWEST = b"\xbe"


def update(size: int) -> bytes:
    return encode_integer(size, 5, 0x20)


def literal(name: bytes, value: bytes, first: int = 0x40) -> bytes:
    """A literal representation, without the Huffman code; with incremental indexing unless told otherwise."""
    return b"".join((b"%c" % first, encode_integer(len(name), 7, 0), name, encode_integer(len(value), 7, 0), value))


def refused(decoder: Decoder, block: bytes, match: str) -> None:
    with pytest.raises(HpackError, match=match):
        decoder.decode(block, LIMIT)


# Section 2.3


def test_the_static_table() -> None:
    """Section 2.3.1 and appendix A."""
    assert len(STATIC_TABLE) == 62
    for index, entry in enumerate(STATIC_TABLE[1:], 1):
        assert Decoder().decode(encode_integer(index, 7, 0x80), LIMIT) == [entry]
    for index, entry in {1: (b":authority", b""), 16: (b"accept-encoding", b"gzip, deflate")}.items():
        assert STATIC_TABLE[index] == entry
    assert STATIC_TABLE[61] == (b"www-authenticate", b"")


def test_the_dynamic_table_begins_behind_the_static_one_with_what_is_newest() -> None:
    """Section 2.3.3."""
    decoder = Decoder()
    for letter in (b"x", b"y", b"z"):
        decoder.decode(literal(letter, b""), LIMIT)
    assert decoder.decode(b"\xbe\xbf\xc0", LIMIT) == [(b"z", b""), (b"y", b""), (b"x", b"")]


def test_what_is_entered_can_be_referred_to_in_the_same_block() -> None:
    assert Decoder().decode(ENTERED + NEWEST, LIMIT) == [(b"a", b"b")] * 2


def test_the_same_entry_may_be_there_twice() -> None:
    """Section 2.3.2: MUST NOT be treated as an error."""
    decoder = Decoder()
    decoder.decode(ENTERED * 2, LIMIT)
    assert decoder.table() == [(b"a", b"b")] * 2
    assert decoder.size == 68


BEYOND = {
    "an indexed field": b"\xbf",
    "a name with incremental indexing": b"\x7f\x00\x01b",
    "a name without indexing": b"\x0f\x30\x01b",
    "a name never indexed": b"\x1f\x30\x01b",
    "far away": b"\xff\xff\xff\xff\x07",
}


@pytest.mark.parametrize("name", BEYOND)
def test_an_index_beyond_both_tables(name: str) -> None:
    """Section 2.3.3: MUST be treated as a decoding error."""
    refused(Decoder(), BEYOND[name], "in no table")
    decoder = Decoder()
    decoder.decode(ENTERED, LIMIT)  # index 62: those above ask for 63 and more
    refused(decoder, BEYOND[name], "in no table")


# Section 3.2


def test_what_is_repeated_stays_in_its_order() -> None:
    decoder = Decoder()
    decoder.decode(ENTERED, LIMIT)
    sent = [NEWEST, GET, NEWEST, literal(b"a", b"c", 0), GET]
    says = [(b"a", b"b"), (b":method", b"GET"), (b"a", b"b"), (b"a", b"c"), (b":method", b"GET")]
    assert decoder.decode(b"".join(sent), LIMIT) == says


# Section 4.1 and 4.4


def test_the_size_of_an_entry() -> None:
    decoder = Decoder()
    decoder.decode(literal(b"name", b"value"), LIMIT)
    assert decoder.size == 4 + 5 + 32
    decoder.decode(b"\x7e\x82" + encode(b"000"), LIMIT)  # the size is that of what is encoded
    assert decoder.table()[0] == (b"name", b"000")
    assert decoder.size == 41 + 4 + 3 + 32


def test_the_oldest_entries_make_room() -> None:
    decoder = Decoder(99)
    for letter in (b"x", b"y", b"z"):
        decoder.decode(literal(letter, b""), LIMIT)
    assert decoder.table() == [(b"z", b""), (b"y", b""), (b"x", b"")]
    decoder.decode(literal(b"a", b"b"), LIMIT)
    assert decoder.table() == [(b"a", b"b"), (b"z", b"")]
    assert decoder.size == 67


def test_an_entry_that_is_exactly_as_large_as_the_table() -> None:
    decoder = Decoder(34)
    decoder.decode(ENTERED, LIMIT)
    assert decoder.table() == [(b"a", b"b")]


def test_an_entry_that_is_larger_than_the_table_empties_it() -> None:
    """Section 4.4: it is not an error."""
    decoder = Decoder(34)
    decoder.decode(ENTERED, LIMIT)
    assert decoder.decode(literal(b"a", b"bc"), LIMIT) == [(b"a", b"bc")]
    assert decoder.table() == []
    assert decoder.size == 0


def test_a_new_entry_may_have_its_name_from_one_that_it_drives_out() -> None:
    """Section 4.4: implementations are cautioned."""
    decoder = Decoder(34)
    decoder.decode(ENTERED, LIMIT)
    assert decoder.decode(b"\x7e\x01c", LIMIT) == [(b"a", b"c")]
    assert decoder.table() == [(b"a", b"c")]


# Section 4.2 and 6.3


def test_a_smaller_table_evicts() -> None:
    """Section 4.3."""
    decoder = Decoder()
    decoder.decode(literal(b"x", b"") + literal(b"y", b""), LIMIT)
    assert decoder.decode(update(33) + NEWEST, LIMIT) == [(b"y", b"")]
    assert decoder.table() == [(b"y", b"")]
    decoder.decode(update(0) + update(4096), LIMIT)
    assert decoder.table() == []
    assert decoder.capacity == 4096


def test_an_update_above_the_maximum() -> None:
    """Section 6.3: MUST be treated as a decoding error."""
    refused(Decoder(), update(4097), "larger than was allowed")
    refused(Decoder(0), update(1), "larger than was allowed")
    decoder = Decoder()
    decoder.resize(8192)
    decoder.decode(update(8192) + GET, LIMIT)
    assert decoder.capacity == 8192
    refused(decoder, update(8193) + GET, "larger than was allowed")


@pytest.mark.parametrize("before", [GET, ENTERED, literal(b"a", b"b", 0), update(100) + GET])
def test_an_update_behind_a_field(before: bytes) -> None:
    """Section 4.2: MUST occur at the beginning of the first header block."""
    refused(Decoder(), before + update(100), "beginning")
    refused(Decoder(), before + update(100) + GET, "beginning")


@pytest.mark.parametrize("block", [GET, update(101) + GET, update(4096) + update(100) + GET, b""])
def test_an_update_that_is_owed(block: bytes) -> None:
    """RFC 9113, section 4.3.1: a block behind a reduction that does not begin with an update MUST be refused."""
    decoder = Decoder()
    decoder.resize(100)
    refused(decoder, block, "larger than was allowed" if block[:1] > b"\x20" and block != GET else "no size update")


@pytest.mark.parametrize("size", [0, 50, 100])
def test_an_update_that_was_owed(size: int) -> None:
    decoder = Decoder()
    decoder.decode(ENTERED, LIMIT)
    decoder.resize(100)
    assert decoder.decode(update(size) + GET, LIMIT) == [(b":method", b"GET")]
    assert decoder.capacity == size
    assert decoder.decode(GET, LIMIT) == [(b":method", b"GET")], "once is enough"


def test_the_smallest_size_in_between_is_owed() -> None:
    """Section 4.2: the smallest maximum that occurs MUST be signaled, even if it is not the last."""
    for block in (GET, update(4096) + GET):
        decoder = Decoder()
        decoder.resize(100)
        decoder.resize(4096)
        with pytest.raises(HpackError):
            decoder.decode(block, LIMIT)
    decoder = Decoder()
    decoder.decode(ENTERED, LIMIT)
    decoder.resize(0)
    decoder.resize(4096)
    assert decoder.decode(update(0) + update(4096) + GET, LIMIT) == [(b":method", b"GET")]
    assert (decoder.table(), decoder.capacity) == ([], 4096)


def test_nothing_is_owed_for_more_room_or_by_a_table_that_is_small_enough() -> None:
    decoder = Decoder()
    decoder.resize(8192)
    assert decoder.decode(GET, LIMIT)
    assert decoder.capacity == 4096
    decoder.resize(4096)
    assert decoder.decode(update(100) + GET, LIMIT)
    decoder.resize(200)
    assert decoder.decode(GET, LIMIT)


# Section 5.1


def test_integers_of_any_length_that_is_taken() -> None:
    for value in (0, 1, 126, 127, 128, 254, 255, 256, 16_383, 16_384, 20_000):
        assert Decoder().decode(literal(b"a", b"v" * value), 65_536) == [(b"a", b"v" * value)]
    assert Decoder().decode(b"\x3f\xe1\x80\x80\x80\x00" + GET, LIMIT), "zeros in front are no error"


LARGE = {
    "2 ** 31": encode_integer(2**31, 7, 0x80),
    "2 ** 35": encode_integer(2**35, 7, 0x80),
    "2 ** 64": b"\xff" + b"\x80" * 9 + b"\x02",
    "zeros without end": b"\xff" + b"\x80" * 100,
    "six octets": b"\xff\x80\x80\x80\x80\x80\x00",
}


@pytest.mark.parametrize("name", LARGE)
def test_integers_too_large(name: str) -> None:
    """Section 5.1: MUST be treated as decoding errors."""
    refused(Decoder(), LARGE[name], "too large|too many")


# Sections 5.1, 5.2 and 6: blocks that are cut off


def test_a_block_that_ends_too_soon() -> None:
    for field in (
        literal(b"name", b"value"),
        literal(b"name", b"value", 0x00),
        literal(b"name", b"value", 0x10),
        b"\x40\x83" + encode(b"name")[:3] + b"\x84" + encode(b"value"),
        b"\x44\x7f\x01" + b"v" * 128,
        b"\x7f\x00\x01v",
    ):
        decoder = Decoder()
        decoder.decode(ENTERED * 2, LIMIT)
        assert len(decoder.decode(field, LIMIT)) == 1
        for end in range(1, len(field)):
            with pytest.raises(HpackError):
                Decoder().decode(field[:end], LIMIT)


@pytest.mark.parametrize("block", [b"\x40\x02a", b"\x40\x01a\x7f\xff\xff\xff\x07v", b"\x40\x01a\xff\xff\xff\xff\x07v"])
def test_a_string_beyond_the_block(block: bytes) -> None:
    refused(Decoder(), block, "longer than the rest")


@pytest.mark.parametrize("string", [b"\x81\xff", b"\x84\xff\xff\xff\xff", b"\x81\x00", b"\x82\x1f\xff"])
def test_a_string_in_bad_huffman_code(string: bytes) -> None:
    """Section 5.2: MUST be treated as a decoding error, be it wanted or not."""
    for limit in (0, LIMIT):
        for block in (b"\x40" + string + b"\x01b", b"\x40\x01a" + string):
            with pytest.raises(HpackError, match="Huffman"):
                Decoder(0 if limit == 0 else 4096).decode(block, limit)


# Section 6


def test_index_0() -> None:
    """Section 6.1: MUST be treated as a decoding error."""
    refused(Decoder(), b"\x80", "in no table")


@pytest.mark.parametrize("first", [0x00, 0x10])
def test_literals_that_are_not_to_be_indexed(first: int) -> None:
    """Sections 6.2.2 and 6.2.3."""
    decoder = Decoder()
    assert decoder.decode(literal(b"a", b"b", first), LIMIT) == [(b"a", b"b")]
    assert decoder.decode(bytes((first | 4, 1)) + b"b", LIMIT) == [(b":path", b"b")]
    assert decoder.table() == []


def test_an_empty_block() -> None:
    assert Decoder().decode(b"", LIMIT) == []


# What is too large (RFC 9113, sections 6.5.2 and 10.5.1)


def test_the_size_of_a_header_list() -> None:
    block = literal(b"a", b"b", 0) * 3
    assert len(Decoder().decode(block, 102)) == 3
    with pytest.raises(HeaderListTooLarge):
        Decoder().decode(block, 101)


def test_what_follows_a_header_list_that_is_too_large_is_decoded() -> None:
    """RFC 9113, section 4.3: the table has to be kept right."""
    decoder = Decoder()
    with pytest.raises(HeaderListTooLarge):
        decoder.decode(literal(b"x", b"1" * 100) + literal(b"y", b"2"), 50)
    assert decoder.decode(b"\xbe", LIMIT) == [(b"y", b"2")]
    assert decoder.decode(b"\xbf", LIMIT) == [(b"x", b"1" * 100)]


@pytest.mark.parametrize("coded", [False, True])
def test_what_is_kept_nowhere_is_an_entry_too_large_all_the_same(coded: bool) -> None:
    string = b"0" * 5000
    sent = encode_integer(len(encode(string)), 7, 0x80) + encode(string) if coded else literal(string, b"")[1:-1]
    for block in (b"\x40" + sent + b"\x01v", b"\x40\x01n" + sent, b"\x40" + sent * 2):
        decoder = Decoder()
        decoder.decode(ENTERED, LIMIT)
        with pytest.raises(HeaderListTooLarge):
            decoder.decode(block + ENTERED + ENTERED, 1000)
        assert decoder.table() == [(b"a", b"b")] * 2
        decoder.decode(block, 65_536)
        assert decoder.table() == []


def test_an_error_is_found_behind_what_is_too_large() -> None:
    refused(Decoder(), literal(b"a", b"b" * LIMIT) + b"\x80", "in no table")


def peak(deed: Callable[[], object]) -> int:
    """The bytes that ``deed`` takes at most, in front of those that were taken before."""
    tracemalloc.start()
    try:
        deed()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_of_references() -> None:
    """Each octet of 60,000 stands for 4,000."""
    decoder = Decoder()
    decoder.decode(literal(b"a", b"b" * 4000), LIMIT)

    def explode() -> None:
        with pytest.raises(HeaderListTooLarge):
            decoder.decode(block, LIMIT)

    block = NEWEST * 60_000
    assert peak(explode) < 32_768
    assert decoder.size == 4033


def test_a_bomb_of_small_references() -> None:
    """What a list takes of memory is in proportion to its limit, whatever it consists of."""

    def explode() -> None:
        with pytest.raises(HeaderListTooLarge):
            Decoder().decode(block, LIMIT)

    block = literal(b"", b"", 0) * 60_000
    assert peak(explode) < 131_072


@pytest.mark.parametrize("first", [b"\x00\x01a", b"\x40\x01a", b"\x40", b"\x10"])
def test_a_bomb_in_huffman_code(first: bytes) -> None:
    """Of what would be 96,000 octets, nothing is made but a copy of what was sent."""

    def explode() -> None:
        with pytest.raises(HeaderListTooLarge):
            Decoder().decode(block, LIMIT)

    sent = encode(b"0" * 96_000)
    block = first + encode_integer(len(sent), 7, 0x80) + sent + (b"" if len(first) == 3 else b"\x01b")
    assert peak(explode) < len(sent) + 32_768


def test_what_is_entered_over_and_over_is_bounded() -> None:
    decoder = Decoder()

    def flood() -> None:
        for number in range(2000):
            decoder.decode(literal(b"n%d" % number, b"v" * (number % 300)), LIMIT)
            assert decoder.size <= 4096

    assert peak(flood) < 65_536
    assert sum(len(name) + len(value) + 32 for name, value in decoder.table()) == decoder.size


# What is remembered


def remembering(*blocks: bytes) -> Decoder:
    """A decoder that was asked to remember these blocks, each when it came."""
    decoder = Decoder()
    for block in blocks:
        decoder.remember(block, decoder.decode(block, LIMIT))
    return decoder


def test_a_block_that_leaves_the_table_alone_is_remembered() -> None:
    decoder = remembering(ENTERED, NEWEST + GET)
    assert decoder.recall(NEWEST + GET) == [(b"a", b"b"), (b":method", b"GET")]
    assert decoder.recall(NEWEST) is None
    assert decoder.recall(ENTERED) is None, "it has to be entered again"


@pytest.mark.parametrize("block", [update(4096), update(4096) + GET, GET + ENTERED, literal(b"a", b"b" * 5000)])
def test_what_changes_the_table_is_not_remembered_and_nothing_is_behind_it(block: bytes) -> None:
    decoder = remembering(GET)
    assert decoder.recall(GET) is not None
    decoder.remember(block, decoder.decode(block, LIMIT))
    assert decoder.recall(block) is None
    assert decoder.recall(GET) is None


def test_a_small_block_that_stands_for_much_is_not_remembered() -> None:
    decoder = remembering(literal(b"x", b"y" * 100), NEWEST * 10, NEWEST * 40)
    assert len(decoder.recall(NEWEST * 10)) == 10
    assert decoder.recall(NEWEST * 40) is None, "40 bytes stand for 5,320"


def test_nothing_is_recalled_where_an_update_is_owed() -> None:
    decoder = remembering(GET)
    decoder.resize(0)
    assert decoder.recall(GET) is None


def test_what_is_remembered_is_bounded() -> None:
    decoder = Decoder()

    def flood() -> None:
        for number in range(1000):
            block = literal(b"number", b"%d" % number, 0)
            decoder.remember(block, decoder.decode(block, LIMIT))
            assert decoder.recall(block) is not None

    assert peak(flood) < 32_768
    long = literal(b"a", b"b" * 1000, 0)
    decoder.remember(long, decoder.decode(long, LIMIT))
    assert decoder.recall(long) is None
