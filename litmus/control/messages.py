"""The messages between arbiter and workers (control pipe) and between ``litmusctl`` and arbiter (control socket).

Each is one JSON object whose ``type`` names it, in one frame (:mod:`litmus.control.framing`). :func:`encode` makes the
frame, the ``decode_…`` functions read a payload and raise :class:`MessageError` on anything that is not one of theirs.

What the arbiter is told to do is read strictly: a field it does not know is refused, because doing half of what a newer
``litmusctl`` asked for is worse than saying no. Everything else may grow fields without breaking an older reader.
"""

from typing import Annotated, Any, TypeVar

import msgspec

from litmus.control import framing
from litmus.units import count

REQUEST_LIMIT = 64 * 1024
"""Largest request of a client, in bytes."""

REPLY_LIMIT = 4 * 1024 * 1024
"""Largest reply of the arbiter, in bytes: the statistics of 128 workers with all their slab classes fit many times."""

PIPE_LIMIT = 1024 * 1024
"""Largest message on a worker's control pipe, in bytes; see :func:`shorten`."""

_TEXT_LIMIT = 64 * 1024


class MessageError(ValueError):
    """A payload is not one of the messages expected here; the text says what is wrong with it."""


class _Message(msgspec.Struct, frozen=True, tag_field="type", tag=str.lower):
    """Base of the messages; the tag is the name of the class in lower case."""


class Drain(_Message, frozen=True):
    """Arbiter to worker: finish what you have, then leave. Requests still open after ``timeout`` seconds are cut.

    ``sweep`` is true when nobody inherits the worker's listeners (scaling down, a removed listener, shutdown): accept
    what is queued on them first.
    """

    timeout: float
    sweep: bool


class Stop(_Message, frozen=True):
    """Arbiter to worker: cancel everything and exit now."""


class ReopenLogs(_Message, frozen=True):
    """Arbiter to worker: open the log files again, they were rotated."""


class StandIn(_Message, frozen=True):
    """Arbiter to worker: nobody serves ``slot`` for now. Accept what is queued on its listeners, which come with this.

    The ``listeners`` descriptors travel as ancillary data (unix(7), ``SCM_RIGHTS``) of the frame's first byte.
    """

    slot: int
    listeners: int


class StandDown(_Message, frozen=True):
    """Arbiter to worker: ``slot`` is served again."""

    slot: int


class Ready(_Message, frozen=True):
    """Worker to arbiter: the application has started (lifespan included) and connections are accepted."""


class BootFailed(_Message, frozen=True):
    """Worker to arbiter: the worker can't serve, and exits.

    ``stage`` names what failed ("import", "lifespan", …), ``reason`` is one line, ``traceback`` may be empty.
    """

    stage: str
    reason: str
    traceback: str


class Drained(_Message, frozen=True):
    """Worker to arbiter: drained, and about to exit. ``cut`` requests ran out of time; its log names them."""

    cut: int


class Status(_Message, frozen=True, forbid_unknown_fields=True):
    """Client to arbiter: a summary."""


class Stats(_Message, frozen=True, forbid_unknown_fields=True):
    """Client to arbiter: everything the shared segment holds."""


class Reload(_Message, frozen=True, forbid_unknown_fields=True):
    """Client to arbiter: read the configuration again and replace all workers; answered when it is done or refused."""


class Scale(_Message, frozen=True, forbid_unknown_fields=True):
    """Client to arbiter: run this many workers; answered when they are ready, or the surplus ones are gone."""

    workers: Annotated[int, msgspec.Meta(ge=1)]


class StopServer(_Message, frozen=True, forbid_unknown_fields=True):
    """Client to arbiter: drain and stop; answered when the drain has begun, the connection closes when it is over."""


class Done(_Message, frozen=True):
    """Arbiter to client: it was done; ``result`` is what the operation has to tell."""

    result: dict[str, Any]


class Refused(_Message, frozen=True):
    """Arbiter to client: it was not done. ``error`` is one line, ``detail`` the rest (problems, a traceback)."""

    error: str
    detail: str = ""


ArbiterMessage = Drain | Stop | ReopenLogs | StandIn | StandDown
WorkerMessage = Ready | BootFailed | Drained
Request = Status | Stats | Reload | Scale | StopServer
Reply = Done | Refused

_encoder = msgspec.json.Encoder()
_arbiter_messages: msgspec.json.Decoder[ArbiterMessage] = msgspec.json.Decoder(ArbiterMessage)
_worker_messages: msgspec.json.Decoder[WorkerMessage] = msgspec.json.Decoder(WorkerMessage)
_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_replies: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)

_T = TypeVar("_T")


def encode(message: ArbiterMessage | WorkerMessage | Request | Reply) -> bytes:
    """Return ``message`` as a complete frame, ready to be written."""
    return framing.encode(_encoder.encode(message))


def decode_arbiter_message(payload: bytes) -> ArbiterMessage:
    """Read, in a worker, what the arbiter sent. Raises :class:`MessageError`."""
    return _decode(_arbiter_messages, payload)


def decode_worker_message(payload: bytes) -> WorkerMessage:
    """Read, in the arbiter, what a worker sent. Raises :class:`MessageError`."""
    return _decode(_worker_messages, payload)


def decode_request(payload: bytes) -> Request:
    """Read, in the arbiter, what a client asks for. Raises :class:`MessageError`."""
    return _decode(_requests, payload)


def decode_reply(payload: bytes) -> Reply:
    """Read, in a client, what the arbiter answered. Raises :class:`MessageError`."""
    return _decode(_replies, payload)


def shorten(text: str, limit: int = _TEXT_LIMIT) -> str:
    """Return ``text``, or its last ``limit`` characters and a note: the end of a traceback says what happened.

    For free text in a message (tracebacks): the default keeps any message below :data:`PIPE_LIMIT`, escapes included.
    """
    if len(text) <= limit:
        return text
    return f"[… {count(len(text) - limit, 'character')} left out]\n{text[len(text) - limit :]}"


def _decode(decoder: msgspec.json.Decoder[_T], payload: bytes) -> _T:
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(str(error)) from error
