"""Priorities of responses (RFC 9218): what clients ask for, and whose turn it is to send.

A priority is one number, twice the urgency, and one more if the response is *incremental*: of use in parts, as they
come. The lower, the sooner. Of those of one urgency that are not incremental, the oldest stream is served to its end
before the next; those that are take turns, frame by frame (section 10).
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from litmus.protocols.http2.stream import Http2Stream

DEFAULT: Final = 6
"""Urgency 3, not incremental (section 4)."""

_DEFAULT: Final = DEFAULT


def parse(value: bytes) -> int:
    """The priority that the value of a ``priority`` field or of PRIORITY_UPDATE asks for (section 4).

    What is not understood is ignored, as is a whole value that is no dictionary of RFC 8941, or is longer than any that
    means something: to take it apart costs far more than to send it.
    """
    if len(value) > _LONGEST:
        return _DEFAULT
    urgency, incremental = _DEFAULT // 2, 0
    position = 0
    while position < len(value):
        match = _MEMBER.match(value, position)
        if match is None:
            return _DEFAULT
        position = match.end()
        key, given = match.groups()
        if key == b"u":
            urgency = int(given) if given in _URGENCIES else _DEFAULT // 2
        elif key == b"i":
            incremental = int(given is None or given == b"?1")
    return 2 * urgency + incremental


class Scheduler:
    """The streams that have something to send and are free to, and whose turn it is.

    A stream is in it once at most; ``Http2Stream.scheduled`` says whether it is.
    """

    __slots__ = ("_queues",)

    def __init__(self) -> None:
        self._queues: dict[int, deque[Http2Stream]] = {}  # by priority, none of them empty

    def add(self, stream: Http2Stream) -> None:
        """Enter a stream behind those of its priority; if it is not incremental, behind those that are older."""
        if stream.scheduled:
            return
        stream.scheduled = True
        queue = self._queues.get(stream.priority)
        if queue is None:
            self._queues[stream.priority] = deque((stream,))
            return
        place = len(queue)
        if not stream.priority & 1:
            while place and queue[place - 1].id > stream.id:
                place -= 1
        queue.insert(place, stream)

    def remove(self, stream: Http2Stream) -> None:
        """Take a stream out, if it is there."""
        if stream.scheduled:
            stream.scheduled = False
            queue = self._queues[stream.priority]
            queue.remove(stream)
            if not queue:
                del self._queues[stream.priority]

    def is_busy(self) -> bool:
        """Whether any stream is in it."""
        return bool(self._queues)

    def streams(self) -> list[Http2Stream]:
        """All that are."""
        return [stream for queue in self._queues.values() for stream in queue]

    def next(self) -> Http2Stream | None:
        """The stream whose turn it is. It stays; an incremental one goes to the end of its queue."""
        if not self._queues:
            return None
        priority = min(self._queues)
        queue = self._queues[priority]
        if not priority & 1:
            return queue[0]
        queue.rotate(-1)
        return queue[-1]


_LONGEST: Final = 64
_URGENCIES: Final = frozenset(b"%d" % urgency for urgency in range(8))

# A member of a dictionary with a bare item and parameters (RFC 8941, section 3.2); of inner lists nothing is needed.
_ITEM: Final = (
    rb"(?:-?[0-9]{1,15}(?:\.[0-9]{1,3})?"  # a number
    rb'|"(?:[ !#-\[\]-~]|\\["\\])*"'  # a string
    rb"|[A-Za-z*][\w!#$%&'*+.^`|~:/-]*"  # a token
    rb"|:[\w+/=]*:|\?[01])"  # bytes, a boolean
)
_KEY: Final = rb"[a-z*][a-z0-9_.*-]*"
_MEMBER: Final = re.compile(
    rb" *(%b)(?:=(%b))?(?:; *%b(?:=%b)?)*(?:[ \t]*,[ \t]*(?=[a-z*])| *$)" % (_KEY, _ITEM, _KEY, _ITEM)
)
