from collections.abc import Callable

import pytest

from litmus.control import messages
from litmus.control.framing import HEADER_SIZE, Deframer
from litmus.control.messages import (
    BootFailed,
    Done,
    Drain,
    Drained,
    MessageError,
    Ready,
    Refused,
    Reload,
    ReopenLogs,
    Scale,
    Stats,
    Status,
    Stop,
    StopServer,
)

FAMILIES: list[tuple[Callable[[bytes], object], list[object]]] = [
    (messages.decode_arbiter_message, [Drain(30.0, sweep=True), Drain(0.5, sweep=False), Stop(), ReopenLogs()]),
    (
        messages.decode_worker_message,
        [Ready(), BootFailed("import", "No module named 'shop'", "Traceback …\n"), Drained(0), Drained(3)],
    ),
    (messages.decode_request, [Status(), Stats(), Reload(), Scale(4), StopServer()]),
    (messages.decode_reply, [Done({"workers": 4}), Done({}), Refused("busy"), Refused("bad", "line 1\nline 2")]),
]


@pytest.mark.parametrize(("decode", "message"), [(decode, each) for decode, family in FAMILIES for each in family])
def test_every_message_comes_back_as_it_was(decode: Callable[[bytes], object], message: messages.Request) -> None:
    [payload] = Deframer(messages.PIPE_LIMIT).feed(messages.encode(message))
    assert decode(payload) == message


@pytest.mark.parametrize(("decode", "family"), FAMILIES)
def test_nobody_takes_the_messages_of_others(decode: Callable[[bytes], object], family: list[object]) -> None:
    for _, others in FAMILIES:
        for message in others if others is not family else ():
            with pytest.raises(MessageError, match="Invalid value"):
                decode(messages.encode(message)[HEADER_SIZE:])  # type: ignore[arg-type]


def test_the_wire_is_plain_json() -> None:
    assert messages.encode(Scale(3))[HEADER_SIZE:] == b'{"type":"scale","workers":3}'


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"\xff\xfe\x00", "malformed"),
        (b'{"type":"sc\xff"}', "invalid start byte"),
        (b"[" * 60_000, "Expected `object`"),
        (b"[]", "Expected `object`"),
        (b"{}", "missing required field `type`"),
        (b'{"type":"canary"}', "Invalid value 'canary'"),
        (b'{"type":"reload","canary":true}', "unknown field `canary`"),
        (b'{"type":"scale"}', "missing required field `workers`"),
        (b'{"type":"scale","workers":0}', "Expected `int` >= 1"),
        (b'{"type":"scale","workers":"4"}', "Expected `int`, got `str`"),
        (b'{"type":"status"}{"type":"status"}', "trailing"),
    ],
)
def test_a_bad_request_is_refused_with_the_reason(payload: bytes, complaint: str) -> None:
    with pytest.raises(MessageError, match=complaint):
        messages.decode_request(payload)


def test_a_deeply_nested_reply_is_an_error_and_not_a_crash() -> None:
    with pytest.raises(MessageError):
        messages.decode_reply(b'{"type":"done","result":{"a":' + b"[" * 60_000)


def test_an_older_client_reads_the_reply_of_a_newer_server() -> None:
    assert messages.decode_reply(b'{"type":"refused","error":"no","hint":"later"}') == Refused("no")


def test_a_traceback_that_is_too_long_keeps_its_end() -> None:
    assert messages.shorten("short") == "short"
    assert messages.shorten("ab", limit=1) == "[… 1 character left out]\nb"
    assert messages.shorten("abcdefgh", limit=3) == "[… 5 characters left out]\nfgh"


def test_the_longest_text_fits_the_pipe_even_if_every_character_is_escaped() -> None:
    worst = messages.shorten("\x00" * 10_000_000)
    frame = messages.encode(BootFailed("import", worst[:1000], worst))
    assert len(frame) < messages.PIPE_LIMIT
