"""Header and trailer sections of HTTP/2 out of what applications send (RFC 9113, sections 8.1 and 8.3.2)."""

from __future__ import annotations

from typing import Final

from litmus.protocols.body import UNKNOWN
from litmus.protocols.errors import ResponseError
from litmus.protocols.http2.encoder import EncodedField, status_field
from litmus.protocols.machine import Headers
from litmus.protocols.remembering import remember
from litmus.protocols.response import check_status
from litmus.protocols.response_fields import CONTENT_LENGTH, DATE, PLAIN, ResponseField, response_field


class Section:
    """A response's header section in the making. ``header_section`` makes them.

    Attributes:
        fields: what goes out, :status first.
        length: the announced Content-Length, or ``UNKNOWN``.
        dated: there is a Date among them.
    """

    __slots__ = ("dated", "fields", "length")

    def collect(self, status: int, headers: Headers) -> None:
        """Take in what the application sends."""
        if status < 200 or status > 599:
            check_status(status)
        self.length = _UNKNOWN
        self.dated = False
        fields = [status_field(status)]
        for header in headers:
            field = response_field(header)
            kind = field.kind
            if kind == _PLAIN:
                fields.append(_encoded(field))
            elif kind == _LENGTH:
                if status == 204:  # RFC 9110, section 8.6
                    continue
                if self.length == _UNKNOWN:
                    self.length = field.length
                    fields.append(_encoded(field))
                elif self.length != field.length:
                    raise ResponseError("two different Content-Length headers")
            elif kind == _DATE:
                self.dated = True
                fields.append(_encoded(field))
        self.fields = fields


def header_section(status: int, headers: Headers) -> Section:
    """The header section of a final response. Raises ResponseError when it cannot go out like this."""
    section = Section.__new__(Section)
    section.collect(status, headers)
    return section


def interim_fields(status: int, headers: Headers) -> tuple[EncodedField, ...]:
    """The header section of an interim response; without content there is nothing to frame. Raises ResponseError."""
    return (status_field(status), *trailer_fields(headers))


def trailer_fields(headers: Headers) -> tuple[EncodedField, ...]:
    """A trailer section. What frames content has no place there (RFC 9110, section 6.5.1). Raises ResponseError."""
    found = [response_field(header) for header in headers]
    return tuple([_encoded(field) for field in found if field.kind == _PLAIN])


def date_field(line: bytes) -> EncodedField:
    """The field of a Date header line of HTTP/1."""
    field = _DATES.get(line)
    if field is None:
        field = EncodedField(b"date", line.partition(b" ")[2].strip())
        remember(_DATES, line, field, 1)
    return field


def length_field(size: int) -> EncodedField:
    """The Content-Length of a body of this size."""
    field = _LENGTHS.get(size)
    if field is None:
        field = EncodedField(b"content-length", b"%d" % size)
        remember(_LENGTHS, size, field, _REMEMBERED)
    return field


def _encoded(field: ResponseField) -> EncodedField:
    """The representations of a field, made when they are first asked for."""
    if field.encoded is None:
        name, _, value = field.line.partition(b":")
        field.encoded = EncodedField(name.lower(), value.strip(b" \t\r\n"))  # RFC 9113, section 8.2.1
    encoded: EncodedField = field.encoded
    return encoded


_DATES: Final[dict[bytes, EncodedField]] = {}
_LENGTHS: Final[dict[int, EncodedField]] = {}
_REMEMBERED: Final = 1024

# What another module has is an object: these are numbers, for the code above.
_PLAIN, _LENGTH, _DATE, _UNKNOWN = PLAIN, CONTENT_LENGTH, DATE, UNKNOWN
