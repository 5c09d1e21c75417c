cimport cython

from litmus.native cimport finish, now_ns
from litmus.protocols.lines cimport RequestLine
from litmus.protocols.machine cimport Sink, Stream
from litmus.protocols.request cimport Request
from litmus.server.engine cimport Engine
from litmus.server.scope cimport Client


cdef class Channel(Sink):
    cdef readonly Client client
    cdef readonly Engine engine
    cdef public long long due
    cdef public long long spoke
    cdef long long _began_ns
    cdef bint _cut
    cdef Py_ssize_t _entry
    cdef bint _logged
    cdef Request _request
    cdef long long _size
    cdef int _status
    cdef Stream _stream
    cdef object _task
    cdef bint _told
    cdef Waiting _waiting

    @cython.locals(line=RequestLine)
    cdef enter(self, Engine engine, Request request, Stream stream, Client client, int wire)
    cdef next_message(self)
    cdef bint is_blocked(self) except -1
    cdef named(self)
    cpdef cancel(self)
    @cython.locals(receiving=Receiving)
    cpdef receive(self)
    @cython.locals(waiting=Waiting)
    cdef take(self)
    cdef await_message(self)
    @cython.locals(waiting=Waiting)
    cdef bint give(self, message) except -1
    @cython.locals(waiting=Waiting)
    cdef deliver(self)
    @cython.locals(waiting=Waiting)
    cdef forget(self, future)
    @cython.locals(waiting=Waiting, senders=list)
    cpdef unblocked(self)
    cdef words(self)
    cdef disarm(self)
    cdef accuse(self, str what, error, str kind=*)
    cdef record(self)


cdef class Waiting:
    cdef object _first
    cdef list _others
    cdef list returned
    cdef list senders

    cdef enter(self, future)
    cdef first(self)
    cdef remove(self, future)


cdef class Receiving:
    cdef Channel _channel
    cdef object _future

    cdef begin(self, Channel channel)
    cpdef close(self)


cdef str _OVER


cpdef bytes as_bytes(data)
