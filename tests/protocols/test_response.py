"""Response heads: what goes on the wire, and that it doesn't depend on what was sent before."""

from typing import Any

import pytest

from litmus.protocols.errors import ResponseError
from litmus.protocols.response import UNKNOWN, error_response, response_head

DATE = b"date: Sat, 21 Nov 2026 00:00:00 GMT\r\n"
AGAIN = range(3)  # what is known of a field or of a head the next time must be what was found out the first time


def encode(headers: Any, status: int = 200) -> bytes:
    return response_head(status, headers).encode(b"", DATE, b"body")


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ((b"X-Y", b"z"), b"X-Y: z\r\n"),
        ((b"x", b""), b"x: \r\n"),
        ((b"x", b"\xff\t "), b"x: \xff\t \r\n"),
        ([b"x", b"list"], b"x: list\r\n"),
        ((b"x", bytearray(b"array")), b"x: array\r\n"),
        ((b"x", b"long" * 1000), b"x: " + b"long" * 1000 + b"\r\n"),
        ((b"Content-Length", b"4"), b"Content-Length: 4\r\n"),
        ((b"connection", b"keep-alive"), b""),
        ((b"Transfer-Encoding", b"chunked"), b""),
        ((b"keep-alive", b"timeout=5"), b""),
    ],
)
def test_a_field(header: Any, line: bytes) -> None:
    for _ in AGAIN:
        assert encode([header]) == b"HTTP/1.1 200 OK\r\n" + line + DATE + b"\r\nbody"


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\n", b"\xe4", "text"])
def test_a_bad_name(name: Any) -> None:
    for _ in AGAIN:
        with pytest.raises(ResponseError, match="header name"):
            encode([(name, b"value")])


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\n", b"\r", b"\0", b"a\r\n b", bytearray(b"a\nb")])
def test_a_value_that_would_break_out_of_its_line(value: Any) -> None:
    for _ in AGAIN:
        with pytest.raises(ResponseError, match=r"CR, LF or NUL: b'x'"):
            encode([(b"x", value)])


def test_what_the_application_says_about_framing() -> None:
    for _ in AGAIN:
        head = response_head(200, [(b"content-length", b"12"), (b"Connection", b"Close")])
        assert (head.length, head.close) == (12, True)
        head = response_head(204, [(b"content-length", b"12"), (b"connection", b"upgrade")])
        assert (head.length, head.close) == (UNKNOWN, False)
        for bad in ([(b"content-length", b"-1")], [(b"content-length", b"1"), (b"content-length", b"2")]):
            with pytest.raises(ResponseError):
                response_head(200, bad)


def test_a_length_that_is_repeated_is_sent_once() -> None:
    for _ in AGAIN:
        assert encode([(b"content-length", b"4"), (b"Content-Length", b"4")]).count(b"4\r\n") == 1


def test_a_date_of_the_applications_own() -> None:
    for _ in AGAIN:
        assert encode([(b"Date", b"then")]) == b"HTTP/1.1 200 OK\r\nDate: then\r\n\r\nbody"


def test_more_fields_than_are_remembered() -> None:
    for _ in AGAIN:
        for number in range(2000):
            assert b"\r\nx: %d\r\n" % number in encode([(b"x", b"%d" % number)])


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (200, b"OK"),
        (413, b"Content Too Large"),
        (414, b"URI Too Long"),
        (416, b"Range Not Satisfiable"),
        (422, b"Unprocessable Content"),
        (431, b"Request Header Fields Too Large"),
        (599, b""),
    ],
)
def test_reason_phrases_are_those_of_the_rfc_on_every_python(status: int, phrase: bytes) -> None:
    assert encode([], status).startswith(b"HTTP/1.1 %d %b\r\n" % (status, phrase))


def test_an_error_response_says_what_it_is_and_why() -> None:
    response = error_response(414, "the request line is longer than 9 bytes", DATE, b"retry-after: 5\r\n")
    head, _, body = response.partition(b"\r\n\r\n")
    assert body == b"414 URI Too Long: the request line is longer than 9 bytes\n"
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 414 URI Too Long",
        b"content-type: text/plain; charset=utf-8",
        b"content-length: %d" % len(body),
        b"retry-after: 5",
        b"connection: close",
        DATE.rstrip(),
    ]


def test_a_head_that_is_known() -> None:
    fields = [(b"x-known", b"1"), (b"content-length", b"4")]
    for _ in AGAIN:
        head = response_head(200, fields)
        assert head.recurs == (head is response_head(200, tuple(fields)))


def test_a_head_that_is_known_with_another_status_date_or_line() -> None:
    fields = [(b"x-other", b"1")]
    later = DATE.replace(b"00:00:00", b"00:00:01")
    for _ in AGAIN:
        for status, phrase in ((200, b"OK"), (404, b"Not Found")):
            for date in (DATE, later):
                for added in (b"", b"connection: close\r\n"):
                    head = b"HTTP/1.1 %d %b\r\nx-other: 1\r\n%b%b\r\n" % (status, phrase, added, date)
                    assert response_head(status, fields).encode(added, date, b"body") == head + b"body"
                    assert response_head(status, fields).encode(added, date, b"") == head


def test_fields_that_are_changed_after_their_head_is_known() -> None:
    fields = [(b"x-changed", b"1")]
    for _ in AGAIN:
        assert b"x-changed: 1\r\n" in encode(fields)
    fields[0] = (b"x-changed", b"2")
    assert b"x-changed: 2\r\n" in encode(fields)
    fields.clear()
    assert b"x-changed" not in encode(fields)


def test_a_head_is_that_of_the_very_fields_that_are_known() -> None:
    field, equal = (b"x-very", b"1"), (b"x-very", bytes(bytearray(b"1")))
    for _ in AGAIN:
        head = response_head(200, [field])
    assert head.is_of(200, [field])
    assert response_head(200, [equal]) is head
    for status, headers in ((404, [field]), (200, [field, field]), (200, []), (200, (field,)), (200, [equal])):
        assert not head.is_of(status, headers)


def test_a_value_that_changes_without_being_another_object() -> None:
    memory = bytearray(b"1")
    header: Any = (b"x-changing", memoryview(memory).toreadonly())
    for _ in AGAIN:
        assert b"x-changing: 1\r\n" in encode([(b"x-changing", b"1")])
        assert b"x-changing: 1\r\n" in encode([header])
    memory[:] = b"2"
    assert b"x-changing: 2\r\n" in encode([header])
