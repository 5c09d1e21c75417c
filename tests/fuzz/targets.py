"""The targets: each takes any bytes, and raises when something happens that must not."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

from support.wire import Call, Handler, Wire, echo, ignore, ok, splits, watch

from litmus.loading import ConfigError
from litmus.settings import load


def http1(data: bytes) -> None:
    """What a peer sends on one HTTP/1.1 connection; the first two bytes choose the application and the cuts.

    No exception leaves the machine, and however the bytes are cut the same happens. When the connection breaks instead,
    an application that has not got its whole body is told so.
    """
    if len(data) < 2:
        return
    choice, seed, sent = data[0], data[1], data[2:]
    handler, eof = APPLICATIONS[choice % len(APPLICATIONS)], choice >= 128
    random = Random(seed)
    pieces = splits(sent, [random.randrange(len(sent) + 1) for _ in range(random.randrange(8))])
    whole, cut = (outcome(each, handler, eof) for each in ([sent], pieces))
    assert whole == cut, f"{whole}\nin pieces: {cut}"
    wire = Wire(handler).feed_all(pieces)
    if not wire.closed:
        wire.lose()
    if handler in (echo, ignore) and wire.calls:  # the others don't wait for what comes
        last = wire.calls[-1]  # those before were answered
        assert last.gone or last.complete


def outcome(pieces: list[bytes], handler: Handler, eof: bool) -> list[object]:
    """What ``watch`` tells, but for two things that depend on the cuts.

    How much of a body the application has before a breach in it is found; and whether the connection closes behind the
    last response at once, or lingers because more has come already.
    """
    calls, out, refusals, ended, closed, _ = watch(pieces, handler, eof)
    told = [(request, body if complete else b"", complete, gone) for request, body, complete, gone in calls]
    return [told, out, refusals, ended or closed]


def faulty(call: Call) -> None:
    """An application that begins a response and gives up."""
    call.stream.respond(200, [(b"content-length", b"100")], b"some of it", False)
    call.stream.abort()


APPLICATIONS: tuple[Handler, ...] = (echo, ok, ignore, faulty)


def settings(data: bytes) -> None:
    """A configuration file; behind a NUL, a variable of the environment. What is wrong is told as ConfigError."""
    text, _, variable = data.partition(b"\0")
    name, _, value = variable.decode("utf-8", "replace").replace("\0", "").partition("=")
    environ = {f"LITMUS_{name}": value} if name else {}
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(text)
        file.flush()
        with suppress(ConfigError):
            load(Path(file.name), environ=environ)


TARGETS: dict[str, Callable[[bytes], None]] = {"http1": http1, "settings": settings}
