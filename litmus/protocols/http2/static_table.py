"""The static table of HPACK (RFC 7541, appendix A)."""

from __future__ import annotations

from typing import Final

Entry = tuple[bytes, bytes]
"""A name and a value."""

_TEXT: Final = b"""\
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate
"""


def _entry(line: bytes) -> Entry:
    name, _, value = line.partition(b" ")
    return name, value


STATIC_TABLE: Final = [(b"", b""), *map(_entry, _TEXT.splitlines())]
"""The entries by their indices. Index 0 is not used (RFC 7541, section 6.1)."""

FIRST_DYNAMIC: Final = len(STATIC_TABLE)
"""Where the dynamic table begins (RFC 7541, section 2.3.3)."""

INDICES: Final = {entry: index for index, entry in enumerate(STATIC_TABLE) if index}
"""Indices by whole entries."""

NAME_INDICES: Final = {STATIC_TABLE[index][0]: index for index in range(len(STATIC_TABLE) - 1, 0, -1)}
"""Indices by names, the first one of each."""

ENTRY_OVERHEAD: Final = 32
"""What an entry counts beside its octets, in tables and in header lists (RFC 7541, section 4.1)."""
