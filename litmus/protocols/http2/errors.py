"""What can be wrong with a connection of HTTP/2, or with one of its streams."""

from __future__ import annotations


class HpackError(Exception):
    """A field block that cannot be decoded.

    Nobody knows any more what the peer's encoder refers to, so this is the end of the connection: an error of type
    COMPRESSION_ERROR (RFC 9113, section 4.3). The message says what was wrong.
    """


class HeaderListTooLarge(Exception):
    """A field block that was decoded, and says more than is taken: its request gets 431, and the connection goes on."""
