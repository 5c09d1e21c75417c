cimport cython

from litmus.protocols.http2.frames cimport rst_stream, window_update
from litmus.protocols.http2.sending cimport Sender
from litmus.protocols.http2.stream cimport Http2Stream
from litmus.protocols.limits cimport Limits
from litmus.protocols.machine cimport Sink

cdef int _OPEN, _HALF_CLOSED_LOCAL, _CLOSED, _OUR_END, _ENDED, _RESPONSE
cdef Py_ssize_t _REMEMBERED, _CREDIT


cdef class Streams(Sender):
    cdef long long _answered
    cdef long long _asked
    cdef dict _closed
    cdef dict _closed_before
    cdef Limits _limits
    cdef object _skipped
    cdef long long _spare
    cdef long long _taken
    cdef readonly long long granted
    cdef public bint half_closed
    cdef public bint receiving
    cdef public long long room
    cdef readonly dict streams

    cpdef emptied(self)
    @cython.locals(more=cython.longlong)
    cpdef consumed(self, Http2Stream stream, Py_ssize_t size)
    cpdef ended(self, Http2Stream stream)
    @cython.locals(state=cython.int, length=cython.Py_ssize_t)
    cpdef content(self, Http2Stream stream, bytes content, Py_ssize_t size, bint ended)
    cpdef peer_ended(self, Http2Stream stream)
    cpdef peer_reset(self, Http2Stream stream)
    cpdef refuse(self, Http2Stream stream, error, int code)
    cpdef reset(self, Http2Stream stream, int code, bint at_fault=*)
    cpdef lose(self, Http2Stream stream, bint at_fault=*)
    cpdef credit(self, long long size)
    cdef _grant(self, Http2Stream stream, long long size)
    cpdef note_closed(self, unsigned long stream_id, int how)
    @cython.locals(sink=Sink)
    cdef _remove(self, Http2Stream stream, int how, bint unwanted)
