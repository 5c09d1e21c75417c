"""Header blocks: in pieces, with padding, with compression that both sides have to keep in step."""

from conformance.http2.table import (
    GET,
    MALFORMED,
    OK,
    WAITING,
    Asked,
    Outcome,
    Step,
    either,
    fatal,
    over,
    refused,
    reset,
    served,
)
from support.http2 import (
    Error,
    Flag,
    Setting,
    Type,
    block,
    continuation,
    data,
    dependency,
    frame,
    get,
    headers,
    indexed,
    literal,
    ping,
    post,
    priority,
    request,
    rst_stream,
    settings,
    table_size,
    window_update,
)

BLOCKS = "RFC 9113, section 4.3"
COMPRESSION = "RFC 9113, section 4.3.1"
HEADERS = "RFC 9113, section 6.2"
CONTINUATION = "RFC 9113, section 6.10"
INDEXING = "RFC 7541, section 2.3.3"
SIZES = "RFC 7541, section 4.2"
STRINGS = "RFC 7541, section 5.2"
INTEGERS = "RFC 7541, section 5.1"

BLOCK = block(request())
BEGINNING = headers(1, BLOCK[:10], end=True, done=False)
BROKEN = (Error.COMPRESSION_ERROR,)
HELLO = (Asked("POST", "/post", b"hello"),)
FIELDS = ((b"host", b"a"), (b"x-stored", b"kept"))
STORED = literal("x-stored", "kept", store=True)
KEPT = headers(3, BLOCK + indexed(62), end=True)
"""A request that refers to the field that a block before it has stored."""


def pieces(count: int, stream: int = 1, end: bool = True) -> bytes:
    """A request's header block in so many pieces; the last may be empty."""
    size = -(-len(BLOCK) // count)
    parts = [BLOCK[at * size : (at + 1) * size] for at in range(count)]
    first, *more = [headers(stream, parts[0], end=end, done=count == 1), *(
        continuation(stream, part, done=at == count - 2) for at, part in enumerate(parts[1:])
    )]  # fmt: skip
    return b"".join([first, *more])


LARGE = headers(1, block(request()), end=True, done=False) + b"".join(
    continuation(1, literal("x", "y" * 8_000), done=number == 7) for number in range(8)
)
TOO_MUCH = frozenset({Outcome(431, True, code) for code in (None, Error.NO_ERROR)})
"""The request is well-formed, only too large; there is an answer for that."""

BETWEEN = {
    "DATA of this stream": data(1, b"x"),
    "HEADERS of this stream": get(1),
    "HEADERS of another stream": get(3),
    "PRIORITY": priority(1),
    "PRIORITY of another stream": priority(3),
    "RST_STREAM": rst_stream(1),
    "SETTINGS": settings(),
    "an acknowledgement of SETTINGS": settings(ack=True),
    "PING": ping(),
    "GOAWAY": frame(Type.GOAWAY, 0, 0, bytes(8)),
    "WINDOW_UPDATE": window_update(0, 1),
    "WINDOW_UPDATE of this stream": window_update(1, 1),
    "CONTINUATION of another stream": continuation(3, BLOCK[10:]),
    "CONTINUATION of no stream": continuation(0, BLOCK[10:]),
    "PUSH_PROMISE": frame(Type.PUSH_PROMISE, Flag.END_HEADERS, 1, b"\0\0\0\2"),
    "PRIORITY_UPDATE": frame(Type.PRIORITY_UPDATE, 0, 0, b"\0\0\0\1u=1"),
}

BAD_BLOCKS = {
    "index 0": ("RFC 7541, section 6.1", indexed(0)),
    "an index behind both tables": (INDEXING, indexed(62)),
    "an index far behind both tables": (INDEXING, indexed(1 << 20)),
    "a literal with a name behind both tables": (INDEXING, b"\x7f\x00" + b"\1x"),
    "an index that is cut": (INTEGERS, b"\xff"),
    "an index without end": (INTEGERS, b"\xff" + b"\x80" * 20 + b"\0"),
    "an index of more than 64 bits": (INTEGERS, b"\xff" + b"\xff" * 10 + b"\x7f"),
    "a literal without a name": (STRINGS, b"\0"),
    "a literal without a value": (STRINGS, b"\0\1x"),
    "a name that is cut": (STRINGS, b"\0\5xy"),
    "a value that is cut": (STRINGS, b"\0\1x\5y"),
    "a string of 2**62 bytes": (STRINGS, b"\0\1x\x7f" + b"\xff" * 8 + b"\x3f"),
    "Huffman code with the end of string": (STRINGS, b"\0\1x\x84\xff\xff\xff\xff"),
    "Huffman code padded with zeros": (STRINGS, b"\0\1x\x81\x18"),
    "Huffman code padded with a whole byte": (STRINGS, b"\0\1x\x82\x1f\xff"),
    "a table larger than SETTINGS say": (SIZES, table_size(1 << 30)),
    "a table size behind a field": (SIZES, literal("x", "y") + table_size(0)),
}


def afterwards(*bad: Step) -> tuple[Step, ...]:
    """A request that is refused and stores a field, and one behind it that uses that."""
    return (*bad, KEPT)


KEPT_ASKED = (Asked(fields=FIELDS),)

TABLE = [
    # In pieces
    *(served(f"a block in {count} pieces", CONTINUATION, pieces(count)) for count in (1, 2, 3, 5, 17)),
    served("a block with its last piece empty", CONTINUATION,
           headers(1, BLOCK, end=True, done=False) + continuation(1)),
    served("a block with its first piece empty", CONTINUATION,
           headers(1, b"", end=True, done=False) + continuation(1, BLOCK)),
    served("a block with empty pieces between", CONTINUATION,
           BEGINNING + continuation(1, done=False) * 3 + continuation(1, BLOCK[10:])),
    served("END_STREAM on HEADERS counts behind CONTINUATION", "RFC 9113, section 8.1", pieces(3) + get(3),
           streams={1: OK, 3: OK}, asked=GET * 2),
    served("END_STREAM on CONTINUATION means nothing", "RFC 9113, section 8.1",
           headers(1, block(request(method="POST", path="/post")), done=False) + continuation(1, flags=Flag.END_STREAM)
           + data(1, b"hello", end=True), asked=HELLO),
    served("trailers in pieces", CONTINUATION,
           post(1) + data(1, b"hello") + headers(1, literal("x", "y")[:2], end=True, done=False)
           + continuation(1, literal("x", "y")[2:]), asked=HELLO),
    *(
        fatal(f"in a block: {name}", CONTINUATION, BEGINNING + sent + continuation(1, BLOCK[10:]))
        for name, sent in BETWEEN.items()
    ),
    fatal("in trailers in pieces: DATA", CONTINUATION,
          post(1) + headers(1, b"", end=True, done=False) + data(1, b"x") + continuation(1)),
    fatal("CONTINUATION of nothing", CONTINUATION, continuation(1, BLOCK)),
    fatal("CONTINUATION on stream 0", CONTINUATION, continuation(0, BLOCK)),
    fatal("CONTINUATION behind a whole block", CONTINUATION, get(1) + continuation(1, b""), asked=None),
    fatal("CONTINUATION behind a block in pieces", CONTINUATION, pieces(2) + continuation(1, b""), asked=None),
    fatal("CONTINUATION behind DATA", CONTINUATION, post(1) + data(1, b"x") + continuation(1)),
    fatal("CONTINUATION behind the answer", CONTINUATION, get(1), over(1), continuation(1), asked=GET,
          codes=(Error.PROTOCOL_ERROR, Error.STREAM_CLOSED)),
    fatal("CONTINUATION behind PING", CONTINUATION, ping() + continuation(1)),
    # Padding and priority
    *(
        served(f"HEADERS with padding of {pad}", HEADERS, headers(1, BLOCK, end=True, pad=pad))
        for pad in (0, 1, 255)
    ),
    served("HEADERS with priority", HEADERS, headers(1, BLOCK, end=True, priority=dependency(0))),
    served("HEADERS with exclusive priority on an idle stream", HEADERS,
           headers(1, BLOCK, end=True, priority=dependency(77, 255, exclusive=True))),
    served("HEADERS with padding and priority", HEADERS, headers(1, BLOCK, end=True, pad=7, priority=dependency(0))),
    served("HEADERS with padding and priority, in pieces", HEADERS,
           headers(1, BLOCK[:10], end=True, done=False, pad=7, priority=dependency(0)) + continuation(1, BLOCK[10:])),
    served("HEADERS of padding only, in pieces", HEADERS,
           headers(1, b"", end=True, done=False, pad=9) + continuation(1, BLOCK)),
    fatal("padding as long as the frame", HEADERS,
          frame(Type.HEADERS, Flag.PADDED | Flag.END_HEADERS | Flag.END_STREAM, 1, bytes([len(BLOCK) + 1]) + BLOCK)),
    fatal("padding longer than the frame", HEADERS,
          frame(Type.HEADERS, Flag.PADDED | Flag.END_HEADERS | Flag.END_STREAM, 1, b"\xff" + BLOCK)),
    fatal("padding that eats the priority", HEADERS,
          frame(Type.HEADERS, Flag.PADDED | Flag.PRIORITY | Flag.END_HEADERS | Flag.END_STREAM, 1,
                b"\x04" + dependency(0)), codes=(Error.PROTOCOL_ERROR, Error.FRAME_SIZE_ERROR)),
    fatal("padding without its length", HEADERS,
          frame(Type.HEADERS, Flag.PADDED | Flag.END_HEADERS | Flag.END_STREAM, 1),
          codes=(Error.PROTOCOL_ERROR, Error.FRAME_SIZE_ERROR)),
    fatal("priority that is cut", HEADERS,
          frame(Type.HEADERS, Flag.PRIORITY | Flag.END_HEADERS | Flag.END_STREAM, 1, bytes(4)),
          codes=(Error.PROTOCOL_ERROR, Error.FRAME_SIZE_ERROR)),
    fatal("HEADERS on stream 0", HEADERS, get(0)),
    # Compression
    *(
        fatal(f"bad block: {name}", rfc, headers(1, BLOCK + bad, end=True), codes=BROKEN)
        for name, (rfc, bad) in BAD_BLOCKS.items()
    ),
    *(
        fatal(f"bad trailers: {name}", rfc, post(1) + headers(1, literal("x", "y") + bad, end=True), codes=BROKEN)
        for name, (rfc, bad) in BAD_BLOCKS.items()
    ),
    fatal("a bad block in pieces", BLOCKS, headers(1, BLOCK, end=True, done=False) + continuation(1, indexed(0)),
          codes=BROKEN),
    fatal("a bad block on a stream that was reset", BLOCKS,
          post(1) + rst_stream(1) + headers(1, indexed(0), end=True),
          codes=(*BROKEN, Error.STREAM_CLOSED, Error.PROTOCOL_ERROR)),
    served("a table size at the beginning", SIZES, headers(1, table_size(0) + BLOCK, end=True)),
    served("two table sizes at the beginning", SIZES, headers(1, table_size(0) + table_size(4096) + BLOCK, end=True)),
    served("a field that a block before has stored", COMPRESSION, headers(1, BLOCK + STORED, end=True) + KEPT,
           streams={1: OK, 3: OK}, asked=(Asked(fields=FIELDS), *KEPT_ASKED)),
    fatal("a stored field, behind a table of no size", SIZES,
          headers(1, BLOCK + STORED, end=True) + headers(3, table_size(0) + BLOCK + indexed(62), end=True),
          codes=BROKEN, asked=KEPT_ASKED),
    served("the order of blocks is that of streams interleaved", BLOCKS,
           headers(1, block(request(method="POST", path="/post")) + STORED) + KEPT + data(1, b"hello", end=True),
           streams={1: OK, 3: OK}, asked=(*HELLO, *KEPT_ASKED)),
    # What is refused is decompressed all the same
    served("compression behind a malformed request", COMPRESSION,
           *afterwards(headers(1, block(request(method=None)) + STORED, end=True)),
           streams={1: MALFORMED, 3: OK}, asked=KEPT_ASKED),
    served("compression behind a malformed request, stored behind the fault", COMPRESSION,
           *afterwards(headers(1, block(request(("X", "y"))) + STORED, end=True)),
           streams={1: MALFORMED, 3: OK}, asked=KEPT_ASKED),
    served("compression behind malformed trailers", COMPRESSION,
           *afterwards(post(1) + headers(1, literal(":path", "/") + STORED, end=True)),
           streams={1: MALFORMED, 3: OK}, asked=KEPT_ASKED),
    served("compression behind trailers", COMPRESSION,
           *afterwards(post(1) + data(1, b"hello") + headers(1, STORED, end=True)),
           streams={1: OK, 3: OK}, asked=(*HELLO, *KEPT_ASKED)),
    served("compression behind HEADERS on a half-closed stream", COMPRESSION,
           *afterwards(get(1) + headers(1, STORED, end=True)), window=0,
           streams={1: reset(Error.STREAM_CLOSED, behind=(None, 200)), 3: WAITING}, asked=(Asked(), *KEPT_ASKED)),
    served("compression behind HEADERS on a stream that the server has reset", "RFC 9113, section 5.1",
           post(1, ("content-length", "1")) + data(1, b"12"), over(1), headers(1, STORED, end=True), KEPT,
           streams={1: MALFORMED, 3: OK}, asked=KEPT_ASKED),
    served("a field of 4,000 bytes", BLOCKS, get(1, ("x", "y" * 4_000)),
           asked=(Asked(fields=((b"host", b"a"), (b"x", b"y" * 4_000))),)),
    # More than the server cares to hold (limits.header_fields, limits.header_section)
    refused("a hundred fields and one", "RFC 9113, section 10.5.1", get(1, *[("x", "y")] * 101), outcomes=TOO_MUCH,
            application=True),
    either(
        refused("a header section of 64 KiB", "RFC 9113, section 10.5.1", LARGE, outcomes=TOO_MUCH, application=True),
        fatal("a header section of 64 KiB", "RFC 9113, section 10.5.1", LARGE, codes=(Error.ENHANCE_YOUR_CALM,)),
    ),
    served("a header section of 30 KiB", "RFC 9113, section 10.5.1",
           headers(1, block(request()), end=True, done=False)
           + b"".join(continuation(1, literal("x", "y" * 10_000), done=end) for end in (False, False, True)),
           asked=(Asked(fields=((b"host", b"a"), *[(b"x", b"y" * 10_000)] * 3)),), application=True),
    # The size of the server's table
    served("no table for the server's encoder", "RFC 9113, section 6.5.2",
           settings({Setting.HEADER_TABLE_SIZE: 0}) + get(1), over(1), get(3), over(3),
           streams={1: OK, 3: OK}, asked=GET * 2),
    served("the server's table smaller, and large again", "RFC 7541, section 4.2",
           get(1), over(1), settings({Setting.HEADER_TABLE_SIZE: 0}) + settings({Setting.HEADER_TABLE_SIZE: 4096})
           + get(3),
           over(3), get(5), streams={1: OK, 3: OK, 5: OK}, asked=GET * 3),
    served("a larger table for the server's encoder", "RFC 9113, section 6.5.2",
           settings({Setting.HEADER_TABLE_SIZE: 65_536}) + get(1), over(1), get(3), streams={1: OK, 3: OK},
           asked=GET * 2),
]  # fmt: skip
