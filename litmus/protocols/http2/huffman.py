"""The Huffman code of HPACK (RFC 7541, section 5.2 and appendix B)."""

from __future__ import annotations

from typing import Final

from litmus.protocols.http2.errors import HpackError

SHORTEST: Final = 5
"""Bits in the shortest code: how far a string can expand."""


def decode(data: bytes) -> bytes:
    """The string that ``data`` encodes. Raises HpackError when it does not encode one.

    It takes two steps for each octet. A step goes down the tree of codes by four bits, and passes the end of one code
    at most.
    """
    most = len(data) * 8 // SHORTEST + 1  # a step that completes nothing writes to where the next octet will be
    space = _SPACE if most <= _SPACE_SIZE else bytearray(most)
    out = space
    length = state = seen = 0
    for octet in data:
        step = _STEPS[state | octet >> 4]
        seen |= step
        out[length] = step >> _OCTET & 0xFF
        length += step >> _COMPLETE & 1
        step = _STEPS[step & _STATE | octet & 15]
        seen |= step
        out[length] = step >> _OCTET & 0xFF
        length += step >> _COMPLETE & 1
        state = step & _STATE
    _check(state, seen)
    return b"" + out[:length]  # a bytearray when interpreted, and bytes when compiled, which are then left as they are


def decoded_size(data: bytes) -> int:
    """How many octets ``decode`` would return: so that nobody has to make room for more than is wanted."""
    length = state = seen = 0
    for octet in data:
        step = _STEPS[state | octet >> 4]
        seen |= step
        length += step >> _COMPLETE & 1
        step = _STEPS[step & _STATE | octet & 15]
        seen |= step
        length += step >> _COMPLETE & 1
        state = step & _STATE
    _check(state, seen)
    return length


def encode(data: bytes) -> bytes:
    """``data`` in the Huffman code, padded with the beginning of EOS."""
    size = encoded_size(data)
    space = _SPACE if size <= _SPACE_SIZE else bytearray(size)
    out = space
    bits = held = length = 0
    for octet in data:
        held += _LENGTHS[octet]
        bits = (bits << _LENGTHS[octet] | _CODES[octet]) & _BITS
        while held >= 8:
            held -= 8
            out[length] = bits >> held & 0xFF
            length += 1
    if held:
        out[length] = (bits << 8 - held | 0xFF >> held) & 0xFF
    return b"" + out[:size]


def encoded_size(data: bytes) -> int:
    """How many octets ``encode`` would return."""
    bits = 0
    for octet in data:
        bits += _LENGTHS[octet]
    return (bits + 7) // 8


def _check(state: int, seen: int) -> None:
    """Refuse what went a way that leads to nothing, or ended where it must not."""
    if seen >> _FAILED & 1:
        raise HpackError("EOS in a Huffman-coded string")
    if not _PADDING[state >> 4]:
        raise HpackError("a Huffman-coded string that ends in the middle of a code")


EOS: Final = 256

# How many bits the code of each octet has, and behind them that of EOS.
_LENGTHS = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28,
    28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6,
    12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15,
    5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20,
    22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22,
    23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26,
    27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
]  # fmt: skip


def _codes(lengths: list[int]) -> list[int]:
    """The code of each symbol. They are numbers in order, the shorter codes first (a canonical Huffman code)."""
    codes = [0] * len(lengths)
    code = length = 0
    for symbol in sorted(range(len(lengths)), key=lengths.__getitem__):
        code <<= lengths[symbol] - length
        length = lengths[symbol]
        codes[symbol] = code
        code += 1
    return codes


def _tree(lengths: list[int], codes: list[int]) -> list[list[int]]:
    """The tree of codes: the two ways on from each node, to another one, or ``~symbol`` where a code is complete."""
    nodes = [[0, 0]]
    for symbol, (length, code) in enumerate(zip(lengths, codes, strict=True)):
        node = nodes[0]
        for place in range(length - 1, 0, -1):
            bit = code >> place & 1
            if not node[bit]:
                node[bit] = len(nodes)
                nodes.append([0, 0])
            node = nodes[node[bit]]
        node[code & 1] = ~symbol
    return nodes


def _step(nodes: list[list[int]], node: int, nibble: int) -> int:
    """Where four bits lead from a node: see ``_STEPS``."""
    step = 0
    for place in (3, 2, 1, 0):
        node = nodes[node][nibble >> place & 1]
        if node == ~EOS:
            return 1 << _FAILED
        if node < 0:
            step = 1 << _COMPLETE | ~node << _OCTET
            node = 0
    return step | node << 4


def _padding(nodes: list[list[int]]) -> list[int]:
    """For each node, whether a string may end there: behind a code, and at most seven bits of EOS more."""
    allowed = [0] * len(nodes)
    node = 0
    for _ in range(8):
        allowed[node] = 1
        node = nodes[node][1]
    return allowed


# What a step consists of: the node that it leads to, in the place where it can be combined with the next four bits; the
# octet whose code it completes, and whether it does; whether it completes EOS.
_STATE: Final = 0xFF0
_OCTET: Final = 12
_COMPLETE: Final = 20
_FAILED: Final = 21

_BITS: Final = 0xFFFFFFFFFF  # as many as wait to be written: 7, and a code

_SPACE_SIZE: Final = 0 if __file__.endswith(".py") else 4096
_SPACE: Final = bytearray(_SPACE_SIZE)
"""What is not too long is written here: to ask for room takes longer than to decode.

While compiled code writes, no other thread runs; interpreted code has to have room of its own.
"""

_CODES = _codes(_LENGTHS)
_NODES: Final = _tree(_LENGTHS, _CODES)
_PADDING = _padding(_NODES)
_STEPS = [_step(_NODES, node, nibble) for node in range(len(_NODES)) for nibble in range(16)]
