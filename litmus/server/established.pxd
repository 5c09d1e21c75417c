cimport cython

from litmus.protocols.websocket.connection cimport Receiver, WebSocket
from litmus.protocols.websocket.tunnels cimport Tunnel
from litmus.server.channel cimport Channel, as_bytes
from litmus.server.engine cimport Engine
from litmus.server.sockets cimport Sockets

cdef int _GOING_AWAY, _RESTART, _CLOSING
cdef long long _UNKNOWN
cdef Py_ssize_t _QUEUED


cdef class Established(Receiver):
    cdef readonly bint dismissed
    cdef public long long due
    cdef readonly bint open
    cdef readonly Py_ssize_t queued
    cdef readonly WebSocket socket
    cdef public long long spoke
    cdef readonly Tunnel tunnel
    cdef bint _awaiting
    cdef bint _draining
    cdef Engine _engine
    cdef long long _outstanding
    cdef object _queue
    cdef long long _quiet_since
    cdef Channel _session

    cdef begin(self)
    cdef send(self, dict message)
    cdef next_message(self)
    cpdef close(self, int code, reason)
    cdef left(self)
    cpdef drain(self, long long ticks)
    cdef _go_on(self)
    @cython.locals(sockets=Sockets, ticks=cython.longlong, left=cython.longlong)
    cdef _rest(self)
    @cython.locals(sockets=Sockets, socket=WebSocket, tunnel=Tunnel)
    cdef _look_after(self)
    cdef _dismiss(self, int code, str reason)
    cdef _wait_no_longer(self)
    cdef bint _reads(self) except -1


cdef dict _received(message)
