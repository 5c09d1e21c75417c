"""The examples of RFC 7541, appendix C."""

from typing import NamedTuple

import pytest

from litmus.protocols.http2.decoder import Decoder
from litmus.protocols.http2.encoder import encode_integer, encode_string

Fields = list[tuple[bytes, bytes]]


def fields(*lines: str) -> Fields:
    pairs = (line.partition(" ") for line in lines)
    return [(name.encode(), value.encode()) for name, _, value in pairs]


class Block(NamedTuple):
    """A field block, what it says, and what is in the dynamic table behind it."""

    octets: str
    says: Fields
    table: Fields
    size: int


GET = (":method GET", ":scheme http", ":path /")
AUTHORITY = ":authority www.example.com"
NO_CACHE = "cache-control no-cache"
CUSTOM = "custom-key custom-value"
PRIVATE = "cache-control private"
DATE = "date Mon, 21 Oct 2013 20:13:21 GMT"
LATER = "date Mon, 21 Oct 2013 20:13:22 GMT"
LOCATION = "location https://www.example.com"
GZIP = "content-encoding gzip"
COOKIE = "set-cookie foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"

REQUESTS = [
    (fields(*GET, AUTHORITY), fields(AUTHORITY), 57),
    (fields(*GET, AUTHORITY, NO_CACHE), fields(NO_CACHE, AUTHORITY), 110),
    (
        fields(":method GET", ":scheme https", ":path /index.html", AUTHORITY, CUSTOM),
        fields(CUSTOM, NO_CACHE, AUTHORITY),
        164,
    ),
]
RESPONSES = [
    (
        fields(":status 302", PRIVATE, DATE, LOCATION),
        fields(LOCATION, DATE, PRIVATE, ":status 302"),
        222,
    ),
    (
        fields(":status 307", PRIVATE, DATE, LOCATION),
        fields(":status 307", LOCATION, DATE, PRIVATE),
        222,
    ),
    (
        fields(":status 200", PRIVATE, LATER, LOCATION, GZIP, COOKIE),
        fields(COOKIE, GZIP, LATER),
        215,
    ),
]


def blocks(expected: list[tuple[Fields, Fields, int]], *octets: str) -> list[Block]:
    return [Block(each, *rest) for each, rest in zip(octets, expected, strict=True)]


EXAMPLES: dict[str, tuple[int, list[Block]]] = {
    "C.2.1": (
        4096,
        [
            Block(
                "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
                fields("custom-key custom-header"),
                fields("custom-key custom-header"),
                55,
            )
        ],
    ),
    "C.2.2": (4096, [Block("040c 2f73 616d 706c 652f 7061 7468", fields(":path /sample/path"), [], 0)]),
    "C.2.3": (4096, [Block("1008 7061 7373 776f 7264 0673 6563 7265 74", fields("password secret"), [], 0)]),
    "C.2.4": (4096, [Block("82", fields(":method GET"), [], 0)]),
    "C.3": (
        4096,
        blocks(
            REQUESTS,
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ),
    ),
    "C.4": (
        4096,
        blocks(
            REQUESTS,
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ),
    ),
    "C.5": (
        256,
        blocks(
            RESPONSES,
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120"
            "474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "4803 3330 37c1 c0bf",
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738"
            "666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33"
            "3630 303b 2076 6572 7369 6f6e 3d31",
        ),
    ),
    "C.6": (
        256,
        blocks(
            RESPONSES,
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718"
            "63c7 8f0b 97c8 e9ae 82ae 43d3",
            "4883 640e ffc1 c0bf",
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7"
            "b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        ),
    ),
}


@pytest.mark.parametrize("section", EXAMPLES)
def test_field_blocks(section: str) -> None:
    table_size, sent = EXAMPLES[section]
    decoder = Decoder(table_size)
    for block in sent:
        assert decoder.decode(bytes.fromhex(block.octets), 4096) == block.says
        assert decoder.table() == block.table
        assert decoder.size == block.size


@pytest.mark.parametrize(("number", "bits", "octets"), [(10, 5, "0a"), (1337, 5, "1f9a0a"), (42, 8, "2a")])
def test_integers(number: int, bits: int, octets: str) -> None:
    """C.1."""
    assert encode_integer(number, bits, 0) == bytes.fromhex(octets)


@pytest.mark.parametrize(("number", "octets"), [(10, "2a"), (1337, "3f9a0a")])
def test_integers_as_they_come(number: int, octets: str) -> None:
    """C.1: a dynamic table size update is an integer with a prefix of five bits."""
    decoder = Decoder()
    assert decoder.decode(bytes.fromhex(octets), 4096) == []
    assert decoder.capacity == number


@pytest.mark.parametrize(
    ("string", "octets"),
    [
        (b"www.example.com", "8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"),
        (b"no-cache", "86 a8eb 1064 9cbf"),
        (b"custom-key", "88 25a8 49e9 5ba9 7d7f"),
        (b"custom-value", "89 25a8 49e9 5bb8 e8b4 bf"),
        (b"302", "82 6402"),
        (b"private", "85 aec3 771a 4b"),
        (b"Mon, 21 Oct 2013 20:13:21 GMT", "96 d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff"),
    ],
)
def test_strings(string: bytes, octets: str) -> None:
    """C.4 and C.6."""
    assert encode_string(string) == bytes.fromhex(octets)
