cimport cython

from litmus.memory.lease cimport Lease
from litmus.protocols.machine cimport Host, Sink, Stream
from litmus.protocols.websocket.connection cimport WebSocket, Wire

cdef Py_ssize_t _READ
cdef int _NONE, _WRITE, _LINGER


cdef class Tunnel(Wire):
    cdef public WebSocket socket
    cdef public bint heard
    cdef readonly long long sent
    cdef Host _host

    cpdef go_on(self)
    cpdef give_up(self)
    cpdef long long outstanding(self) except -1


cdef class ConnectionTunnel(Tunnel):
    cdef bint _ended
    cdef bint _half_closed
    cdef bint _over
    cdef readonly bint hungry
    cdef public Lease lease

    cpdef received(self, Lease lease)
    @cython.locals(socket=WebSocket, data=bytes)
    cdef _read(self, Lease lease)
    cdef _finish(self)


cdef class StreamTunnel(Tunnel):
    cdef Stream _stream
    cdef bytes _left
    cdef Py_ssize_t _at
    cdef bint _ended

    @cython.locals(socket=WebSocket, stream=Stream)
    cpdef arrived(self)
    cpdef lost(self)
    cpdef unblocked(self)


cdef class TunnelSink(Sink):
    cdef StreamTunnel _tunnel
