"""What others encode and decode is the same here, as long as one connection may go on."""

import hpack
from hypothesis import given
from hypothesis import strategies as st

from litmus.protocols.http2.decoder import Decoder
from litmus.protocols.http2.encoder import EncodedField, Encoder
from litmus.protocols.http2.static_table import STATIC_TABLE

LIMIT = 1 << 20

NAMES = st.sampled_from([b":path", b"cookie", b"date", b"accept", b"x", b"x-long" * 20]) | st.binary(max_size=20)
VALUES = st.sampled_from([b"", b"0", b"gzip, deflate", b"0123456789" * 40, b"z" * 5000]) | st.binary(max_size=80)
FIELDS = st.tuples(NAMES, VALUES) | st.sampled_from(STATIC_TABLE[1:])
SIZES = st.lists(st.sampled_from([0, 31, 64, 200, 1000, 4096, 10_000]), max_size=3)


@st.composite
def blocks(draw: st.DrawFn) -> list[tuple[list[int], bool, list[tuple[bytes, bytes]]]]:
    """Blocks of some fields that recur, each with the sizes that the table was given in front of it, and a choice."""
    pool = draw(st.lists(FIELDS, min_size=1, max_size=12))
    lists = st.lists(st.sampled_from(pool) | FIELDS, max_size=12)
    sizes = st.just([]) | SIZES
    return draw(st.lists(st.tuples(sizes, st.booleans(), lists), max_size=12))


@given(blocks())
def test_what_others_encode(sent: list[tuple[list[int], bool, list[tuple[bytes, bytes]]]]) -> None:
    encoder, decoder = hpack.Encoder(), Decoder()
    for sizes, huffman, fields in sent:
        for size in sizes:
            decoder.resize(size)
        # This encoder would tell of each change, where the smallest size and the last one are due (RFC 7541, section
        # 4.2), and of none if the last one is no change.
        for size in dict.fromkeys([min(sizes), sizes[-1]] if sizes else []):
            if size != encoder.header_table_size:
                encoder.header_table_size = size
        block = encoder.encode(fields, huffman=huffman)
        assert decoder.decode(block, LIMIT) == fields
        table = encoder.header_table
        assert decoder.table() == [tuple(entry) for entry in table.dynamic_entries]


@given(blocks())
def test_what_others_decode(sent: list[tuple[list[int], bool, list[tuple[bytes, bytes]]]]) -> None:
    encoder, decoder = Encoder(), hpack.Decoder(max_header_list_size=LIMIT)
    known: dict[tuple[bytes, bytes], EncodedField] = {}
    for sizes, forgotten, fields in sent:
        for size in sizes:
            encoder.resize(size)
            decoder.max_allowed_table_size = size
        if forgotten:
            known.clear()
        for field in fields:
            if field not in known:
                known[field] = EncodedField(*field)
        for _ in range(3):
            block = encoder.encode(tuple(known[field] for field in fields))
            assert [tuple(field) for field in decoder.decode(block, raw=True)] == fields
            assert encoder.size == decoder.header_table._current_size <= encoder.capacity
