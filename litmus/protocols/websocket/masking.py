"""Masking: what clients send is combined with a key, octet by octet (RFC 6455, section 5.3).

A key is a number here, whose lowest octet is the one that comes first.
"""

from __future__ import annotations

from typing import Final


def unmask(data: bytes, start: int, end: int, key: int) -> bytes:
    """``data[start:end]`` without its mask."""
    size = end - start
    if _INTERPRETED:
        return _combine(data[start:end], key)
    space = _SPACE if size <= _SPACE_SIZE else bytearray(size)
    out = space
    apply(out, data, start, size, key)
    return b"" + out[:size]  # they are bytes when compiled, which are then left as they are


def unmask_text(data: bytes, start: int, end: int, key: int) -> str:
    """The text in ``data[start:end]`` without its mask. Raises UnicodeDecodeError."""
    size = end - start
    if _INTERPRETED:
        return _combine(data[start:end], key).decode("utf-8")
    space = _SPACE if size <= _SPACE_SIZE else bytearray(size)
    out = space
    apply(out, data, start, size, key)
    return out[:size].decode("utf-8")


def unmask_onto(out: bytearray, at: int, data: bytes, start: int, end: int, key: int) -> bool:
    """Write ``data[start:end]`` without its mask to ``out`` from ``at`` on, which has room for it.

    Returns whether all of it is ASCII.
    """
    if _INTERPRETED:
        piece = _combine(data[start:end], key)
        out[at : at + len(piece)] = piece
        return piece.isascii()
    room = out
    return apply(room + at, data, start, end - start, key) < 0x80  # type: ignore[operator]  # when compiled, a pointer


def rotate(key: int, size: int) -> int:
    """The key for what comes behind ``size`` octets that it was used for."""
    turn = (size & 3) * 8
    return (key >> turn | key << 32 - turn) & _KEY if turn else key


def apply(out: bytearray, data: bytes, start: int, size: int, key: int) -> int:
    """Write ``size`` octets from ``start`` on, without their mask, to ``out``. Returns what they are, or'ed together.

    For code that is compiled. Blocks of 16, a number that the C compiler can see, in room that nothing else points to,
    become one instruction each.
    """
    if _INTERPRETED:
        block, pattern, seen = bytearray(16), bytearray(16), bytearray(16)
    octets = data
    at = 0
    bits = 0
    if size >= 16:
        for i in range(16):
            pattern[i] = key >> (i & 3) * 8 & 0xFF
            seen[i] = 0
        while at + 16 <= size:
            for i in range(16):
                block[i] = octets[start + i] ^ pattern[i]
            for i in range(16):
                out[at + i] = block[i]
            for i in range(16):
                seen[i] |= block[i]
            at += 16
            start += 16
        for i in range(16):
            bits |= seen[i]
    while at < size:
        out[at] = octets[start] ^ (key >> (at & 3) * 8 & 0xFF)
        bits |= out[at]
        at += 1
        start += 1
    return bits


def _combine(data: bytes, key: int) -> bytes:
    """For code that is interpreted: two large numbers are combined in less time than many small ones."""
    size = len(data)
    pattern = (key.to_bytes(4, "little") * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(pattern, "little")).to_bytes(size, "little")


_INTERPRETED: Final = __file__.endswith(".py")
_KEY: Final = 0xFFFFFFFF

_SPACE_SIZE: Final = 0 if _INTERPRETED else 64 << 10
_SPACE: Final = bytearray(_SPACE_SIZE)
"""What is not too long is written here, on its way to where it is kept: nothing has to be asked for, or cleared."""
