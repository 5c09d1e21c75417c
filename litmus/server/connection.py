"""A connection: the only place that touches a transport.

It reads into slab memory, runs the machine that is in charge, and keeps the deadline of the machine's state. What came
of it is written at the end of the loop's turn, in one piece and after everybody's requests were served: a processor
that goes to and fro between application and kernel finds neither's code in its caches. What the machine does not
consume stays in at most one lease of the connection's own; when that is full, or the slab is empty, the connection
stops reading.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from collections.abc import Callable
from typing import Any, Final, cast

from litmus.log import escape
from litmus.memory.lease import Lease
from litmus.protocols.errors import ProtocolError
from litmus.protocols.limits import Limits
from litmus.protocols.machine import Deadline, Expiring, Machine, Stream
from litmus.protocols.request import Request
from litmus.protocols.websocket.handshake import wanted
from litmus.server import session
from litmus.server.engine import Engine, Outlet
from litmus.server.exchange import serve
from litmus.server.noise import BROKEN, REFUSED, UNREAD, in_words
from litmus.server.scope import Client
from litmus.units import count

SPILL: Final = 1 << 10
"""Bytes that one read may bring while the slab is empty. They are kept outside the slab, and reading stops."""

_SPILLED: Final = -1
_KEEP_ALIVE: Final = Deadline.KEEP_ALIVE
_FIRST_BYTE: Final = Deadline.FIRST_BYTE
_GATHER_LEAST: Final = 64 << 10
"""Bytes of output that are given to the transport before the turn is over."""

_GATHER_MOST: Final = 512 << 10
"""The same, for a peer that takes them as they come: written at once, many bytes cost less."""

_UNKNOWN: Final = 1 << 62
_MANY: Final = 4 << 10
"""A read that leaves this much is a body or a pipeline of which more will follow: it gets a large buffer at once."""


class Connection(Outlet):
    """One client connection: an ``asyncio.BufferedProtocol`` for the transport, the host of its machine.

    Args:
        engine: the worker's means.
        limits: what the peer may demand.
        client: the peer.
        on_lost: called when the connection is gone.
        negotiated: the protocol that was agreed upon in a TLS handshake, see ``Protocols.first``.

    Attributes:
        due, spoke: see ``machine.Expiring``.
    """

    data_received = None
    """The loop looks for it, and to miss it costs more than to have it."""

    __slots__ = (
        "_client",
        "_deadline",
        "_end_output",
        "_engine",
        "_gather",
        "_jitter",
        "_late",
        "_lease",
        "_machine",
        "_on_lost",
        "_out",
        "_out_size",
        "_paused",
        "_progress",
        "_reprieved",
        "_running",
        "_served",
        "_transport",
        "_unsent",
        "_waiting",
        "_wake_scheduled",
        "due",
        "spoke",
    )

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        client: Client,
        on_lost: Callable[[], object] | None = None,
        negotiated: str | None = None,
    ) -> None:
        self._engine = engine
        self._client = client
        self._on_lost = on_lost
        self._jitter = engine.next_jitter()
        self._machine: Machine | None = engine.protocols.first(self, limits, negotiated)
        self._late: Expiring | None = None
        self._lease: Lease | None = None
        self._out: list[bytes] = []
        self._out_size = 0
        self._gather = _GATHER_LEAST
        self._deadline = Deadline.NONE
        self._running = False
        self._served = False
        self._paused = False
        self._waiting = False
        self._wake_scheduled = False
        self._end_output = False
        self._unsent = _UNKNOWN
        self._progress = 0
        self._reprieved = False
        self.due = 0
        self.posted = False
        self.spoke = 0

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open: enter it, and start the clock for its first request."""
        engine = self._engine
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports only look like one
        engine.connections.add(self)
        engine.counters.connection_opened()
        if engine.draining:
            self.drain()
        self._arm()
        engine.on_connections_changed()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next read goes: behind what is unread, or into the window that all connections share."""
        lease = self._lease
        if lease is not None:
            return lease.room()
        window = self._engine.window
        available = self._engine.slab.available
        return window.view if available >= window.size else window.view[: available or SPILL]

    def buffer_updated(self, nbytes: int) -> None:
        """A read brought ``nbytes``."""
        engine = self._engine
        engine.counters.received(nbytes)
        lease = self._lease
        if lease is None:
            lease = engine.window
        lease.end += nbytes
        self._run(lease)

    def eof_received(self) -> bool:
        """The peer has finished sending. Stays open as long as the machine has something to say."""
        machine = self._machine
        if machine is None:
            return False
        return self._hand_over(machine.eof())

    def pause_writing(self) -> None:
        """The transport has more to send than it should hold."""
        self._gather = _GATHER_LEAST
        if self._machine is not None:
            self._machine.output_blocked()
            if not self._running:
                self._arm()

    def resume_writing(self) -> None:
        """The transport has caught up."""
        if self._machine is not None:
            self._machine.output_unblocked()
            if not self._transport.is_closing():
                self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, whoever ended it: give everything back."""
        engine = self._engine
        engine.connections.discard(self)
        engine.counters.connection_closed()
        engine.wheel.remove(self)
        self.due = 0
        machine, self._machine = self._machine, None
        self._late = None
        if machine is not None:
            machine.lost()
        self._drop_lease()
        self._out.clear()
        if self._on_lost is not None:
            self._on_lost()
        engine.on_connections_changed()
        engine.left()

    # What the worker calls

    @property
    def name(self) -> str:
        """The peer's address, for logs."""
        return self._client.name

    def flush(self) -> None:
        """Give the transport what is to be written."""
        out = self._out
        transport = self._transport
        if out:
            self._out = []
            self._out_size = 0
            if transport.is_closing():
                self._write_failed()
            elif len(out) == 1:
                transport.write(out[0])
            else:
                transport.writelines(out)
        if self._end_output and not transport.is_closing():
            self._end_output = False
            transport.write_eof()

    def drain(self) -> None:
        """Finish what is under way, then close."""
        if self._machine is not None and not self._transport.is_closing():
            self._machine.drain()
            self._arm()

    def drained(self) -> list[tuple[object, int]]:
        """There is no more time for that: let the peer see, where it can, which responses it does not get.

        Returns how many bytes of each it had still to read, with its exchange, or the client where that is not known.
        """
        machine = self._machine
        streams = [] if machine is None else machine.drained()
        if streams:
            return [(self._client if sink is None else sink, size) for sink, size in streams]
        unsent = self.unsent()
        return [(self._client, unsent)] if unsent else []

    def abort(self) -> None:
        """Close now, whatever is under way."""
        self._transport.abort()

    def idleness(self) -> tuple[bool, int] | None:
        """Whether it has ever brought a request, and the tick since which nothing is under way, unread or unsent here.

        None if something is, or if it closes anyway. Nothing is kept for this: the deadline tells when it began.
        """
        machine = self._machine
        if machine is None or self._lease is not None or self._transport.is_closing():
            return None
        deadline = machine.deadline
        asked = deadline == _KEEP_ALIVE
        if deadline != self._deadline or not (asked or deadline == _FIRST_BYTE):
            return None
        if self._reprieved or self._unsent != _UNKNOWN or self._transport.get_write_buffer_size():
            return None  # the deadline is not that of its being idle
        began = self.due - self._engine.deadlines[deadline]
        return asked, began - self._jitter if asked else began

    def give_way(self) -> bool:
        """Close an idle connection as if its deadline had passed, unless bytes have just come.

        Returns whether it closes.
        """
        self.due = 0
        self.expire()
        return self._transport.is_closing()

    def unsent(self) -> int:
        """Bytes that are written and have not reached the peer, 0 once the kernel has taken them all.

        While the transport holds some, the kernel's are counted as well: it asks for more only when a good part of its
        own queue is empty, and a slow peer that reads steadily must not look like one that does not read.
        """
        if not self._transport.get_write_buffer_size() + self._out_size:
            return 0
        return self.outstanding()

    def expire(self) -> None:
        """The deadline has passed: the machine says what becomes of the connection.

        A peer that is still reading what was sent before gets more time, and the deadline anew when it has read it
        all. What has arrived while the loop was busy is read first.
        """
        engine = self._engine
        wheel = engine.wheel
        unsent = self.unsent()
        if unsent:
            if unsent < self._unsent:
                self._unsent = unsent
                self._progress = wheel.now
            left = self._progress + engine.stall_ticks - wheel.now
            if left > 0:
                wheel.arm(self, min(left, engine.deadlines[Deadline.LINGER]))
            else:
                given_up = count(unsent, "byte")
                engine.counters.response_unread()
                engine.noise.tell(UNREAD, "%s does not read: %s of its response given up", self._client.name, given_up)
                self.reset()  # after a mere close the kernel would keep them, and wait for the peer on its own
            return
        if self._unsent != _UNKNOWN:
            self._unsent = _UNKNOWN
            wheel.arm(self, engine.deadlines[self._deadline])
            return
        if not self._reprieved and self._unheard():
            self._reprieved = True
            wheel.arm(self, 1)
            return
        machine = self._machine
        if machine is None or self._transport.is_closing():
            self.abort()
            return
        successor = machine.expired()
        if successor is None:
            self._hand_over(None)
            return
        self._machine = successor
        self._deadline = Deadline.NONE  # so that it starts anew even if it is the same one again
        self._proceed()

    def lease_available(self) -> bool:
        """See ``slab.Waiter``: take the buffer, move what is unread there, and go on reading."""
        lease = self._lease
        assert lease is not None
        larger = self._engine.slab.acquire(lease.size + 1)
        if larger is None:
            return False
        self._waiting = False
        self._move(lease, larger)
        self._resume_reading()
        return True

    # What the machine asks for (see machine.Host)

    def date(self) -> bytes:
        """See ``Host.date``."""
        return self._engine.date

    def request(self, request: Request, stream: Stream) -> None:
        """See ``Host.request``."""
        self._served = True
        if request.protocol is not None and self._engine.settings.websocket.enabled and wanted(request):
            session.serve(self._engine, request, stream, self._client, self)
        else:
            serve(self._engine, request, stream, self._client)

    def write(self, data: bytes) -> None:
        """See ``Host.write``."""
        size = len(data)
        self._engine.counters.sent(size)
        self._out.append(data)
        self._out_size += size
        if self._out_size > self._gather:
            self._flush_early()
        else:
            self._engine.post(self)

    def outstanding(self) -> int:
        """See ``Host.outstanding``."""
        size: int = self._transport.get_write_buffer_size() + self._out_size
        return size + self._ask(termios.TIOCOUTQ)

    def end_output(self) -> None:
        """See ``Host.end_output``."""
        self._end_output = True
        self._engine.post(self)

    def reset(self) -> None:
        """See ``Host.reset``."""
        with contextlib.suppress(OSError):
            self._socket().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def consumed(self) -> None:
        """See ``Host.consumed``."""
        lease = self._lease
        if lease is not None and not self._running:
            self._keep(lease)

    def wake(self) -> None:
        """See ``Host.wake``. Idle with nothing unread there is nothing to run, only the clock to start."""
        machine = self._machine
        if self._running or self._wake_scheduled or machine is None:
            return
        if self._lease is None and machine.deadline == Deadline.KEEP_ALIVE:
            self._arm()
        else:
            self._wake_scheduled = True
            # In the worker's context: this may be called from within an application's task, with its variables.
            self._engine.loop.call_soon(self._woken, context=self._engine.context)

    def again(self) -> None:
        """See ``Host.again``."""
        if not self._wake_scheduled:
            self._wake_scheduled = True
            self._engine.loop.call_soon(self._woken, context=self._engine.context)

    def arm(self, timer: Expiring, deadline: int) -> None:
        """See ``Host.arm``. A deadline that is off is none."""
        ticks = self._engine.deadlines[deadline]
        if ticks:
            self._engine.wheel.arm(timer, ticks)

    def is_late(self, timer: Expiring) -> bool:
        """See ``Host.is_late``."""
        if timer is self._late:
            self._late = None
            return False
        if not self._unheard():
            return False
        self._late = timer
        self._engine.wheel.arm(timer, 1)
        return True

    def disarm(self, timer: Expiring) -> None:
        """See ``Host.disarm``."""
        self._engine.wheel.remove(timer)
        timer.due = 0

    def flooded(self, reason: str) -> None:
        """See ``Host.flooded``."""
        self._engine.flooded(self._client.name, reason)

    def unread(self) -> None:
        """See ``Host.unread``."""
        self._engine.counters.response_unread()

    def overfull(self) -> None:
        """See ``Host.overfull``."""
        engine = self._engine
        engine.counters.stream_refused()
        most = engine.settings.http2.streams
        engine.noise.tell(REFUSED, "refused a stream from %s: %d are open (http2.streams)", self._client.name, most)

    def failed(self, reason: str) -> None:
        """See ``Host.failed``."""
        self._engine.noise.tell(BROKEN, "closed the connection from %s: %s", self._client.name, reason)

    def interim(self, status: int) -> None:
        """See ``Host.interim``."""
        self._engine.counters.responded(status)

    def refused(self, error: ProtocolError, head: bytes | None, size: int) -> None:
        """See ``Host.refused``."""
        engine, name, reason = self._engine, self._client.name, escape(error.reason)
        if head is None:
            engine.noise.tell(REFUSED, "refused the rest of an answered request from %s: %s", name, reason)
            return
        engine.refused(self._client.host, head, error.status, size)
        method, _, rest = head.partition(b"\r")[0].partition(b" ")
        words = in_words(method, rest.partition(b" ")[0])
        engine.noise.tell(REFUSED, "refused %s from %s: %d, %s", words, name, error.status, reason)

    # Inside

    def _flush_early(self) -> None:
        """Give the transport what there is: it must have it to notice that the peer does not read."""
        self._gather = min(2 * self._gather, _GATHER_MOST)
        self.flush()

    def _woken(self) -> None:
        self._wake_scheduled = False
        if self._machine is not None:
            self._proceed()

    def _proceed(self) -> None:
        """Let the machine in charge go on with what is unread, be it nothing."""
        lease = self._lease
        self._run(self._engine.window if lease is None else lease)

    def _run(self, lease: Lease) -> None:
        """Let the machines work on a lease until they need more, then write and keep what is left."""
        machine = self._machine
        if machine is None:
            lease.start = lease.end = 0
            return
        self._running = True
        try:
            successor = machine.received(lease)
            while successor is not machine and successor is not None:
                self._machine = machine = successor
                successor = machine.received(lease)
        except BaseException:
            lease.start = lease.end = 0  # the window is everybody's: nobody else may find these bytes in it
            raise
        finally:
            self._running = False
        if self._machine is None:
            lease.start = lease.end = 0  # writing found the connection gone, and the window is everybody's
            return
        if successor is None:
            lease.start = lease.end
        self._keep(lease)
        self._hand_over(successor)

    def _hand_over(self, successor: Machine | None) -> bool:
        """Put ``successor`` in charge; None closes the connection. Returns whether it stays open."""
        if successor is None:
            self.flush()
            self._transport.close()
            if self._transport.get_write_buffer_size():
                self._deadline = Deadline.LINGER
                self._unsent = _UNKNOWN
                self._engine.wheel.arm(self, self._engine.deadlines[Deadline.LINGER])
            return False
        self._machine = successor
        self._arm()
        return True

    def _socket(self) -> Any:
        return self._transport.get_extra_info("socket")

    def _unheard(self) -> bool:
        """Whether bytes wait to be read: a late loop serves its timers before it looks at its sockets."""
        return not self._paused and self._ask(termios.FIONREAD) > 0

    def _ask(self, what: int) -> int:
        """What the kernel says of the socket, a number of bytes; 0 of one that is closed."""
        own = self._socket()
        with contextlib.suppress(OSError):
            if own is not None and own.fileno() >= 0:
                return int(struct.unpack("i", fcntl.ioctl(own.fileno(), what, bytes(4)))[0])
        return 0

    def _write_failed(self) -> None:
        """The transport closed itself when an earlier write failed. ``connection_lost`` comes a turn of the loop later,
        and an application that sends and sends would never let that turn come."""
        if self._machine is not None:
            self._machine.lost()

    def _arm(self) -> None:
        """Put the deadline of the machine's state on the wheel. Progress within a state earns no extension."""
        assert self._machine is not None
        deadline = self._machine.deadline
        ticks = self._engine.deadlines[deadline]
        if ticks == 0:
            self.due = 0
        elif self._served or deadline != self._deadline:
            self._unsent = _UNKNOWN
            self._reprieved = False
            if deadline == _KEEP_ALIVE:
                ticks += self._jitter
            wheel = self._engine.wheel
            due = wheel.now + ticks
            if 0 < self.spoke <= due:  # as ``arm`` would, which has to look these up by their names
                self.due = due
                wheel.put_off(self)
            else:
                wheel.arm(self, ticks)
        self._deadline = deadline
        self._served = False

    # Inside: where unread bytes live

    def _keep(self, lease: Lease) -> None:
        """Find a place for the unread bytes of ``lease``, with room behind them, or stop reading."""
        assert self._machine is not None
        engine = self._engine
        if lease.start == lease.end:
            lease.start = lease.end = 0
            if lease is not engine.window:
                self._drop_lease()
            self._machine.lease = None
            self._resume_reading()
            return
        if lease is engine.window:
            lease = self._leave_window(lease)
        if lease.end == lease.size and lease.start:
            lease.compact()
        if lease.end < lease.size:
            if not self._waiting:
                self._resume_reading()
        elif self._machine.hungry and lease.size_class != _SPILLED and lease.size < engine.slab.largest:
            larger = engine.slab.acquire(lease.size + 1)
            if larger is None:
                self._wait_for_lease()
            else:
                self._move(lease, larger)
        else:
            self._pause_reading()

    def _leave_window(self, window: Lease) -> Lease:
        """Move unread bytes out of the window, without copying them when they are many."""
        engine = self._engine
        size = window.unread_size()
        if size >= _MANY:
            fresh = engine.slab.acquire(window.size)
            if fresh is not None:
                engine.window = fresh
                return self._hold(window)
        slab = engine.slab
        lease = slab.acquire(size + 1 if size < slab.available else size)
        if lease is None:
            lease = Lease(memoryview(bytearray(size)), _SPILLED)
            self._wait_for_lease()
        lease.view[:size] = window.unread()
        lease.end = size
        window.start = window.end = 0
        return self._hold(lease)

    def _move(self, lease: Lease, larger: Lease) -> None:
        """Give the unread bytes a larger buffer."""
        size = lease.unread_size()
        larger.view[:size] = lease.unread()
        larger.end = size
        self._drop_lease()
        self._hold(larger)

    def _hold(self, lease: Lease) -> Lease:
        assert self._machine is not None
        self._lease = lease
        self._machine.lease = lease
        return lease

    def _wait_for_lease(self) -> None:
        self._pause_reading()
        if not self._waiting:
            self._waiting = True
            self._engine.slab.wait(self)

    def _drop_lease(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None and lease.size_class != _SPILLED:
            self._engine.slab.release(lease)
        if self._waiting:
            self._waiting = False
            self._engine.slab.forget(self)

    def _pause_reading(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
