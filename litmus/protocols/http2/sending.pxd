cimport cython

from litmus.protocols.http2.allowance cimport Allowance
from litmus.protocols.http2.encoder cimport Encoder
from litmus.protocols.http2.frames cimport data_beginning, field_block, header, headers_beginning, word
from litmus.protocols.http2.priority cimport Scheduler
from litmus.protocols.http2.stream cimport Carrier, Http2Stream
from litmus.protocols.machine cimport Host

cdef int _DATA, _END_STREAM, _CLOSED
cdef Py_ssize_t _QUEUED_MOST, _TURN, _WORTHWHILE


cdef class Sender(Carrier):
    cdef Encoder _encoder
    cdef list _held
    cdef Host _host
    cdef Scheduler _scheduler
    cdef readonly Allowance allowance
    cdef public bint blocked
    cdef public Py_ssize_t frame_size
    cdef readonly long long initial_window
    cdef readonly long long sent
    cdef public long long answers
    cdef public long long returnable
    cdef public long long window

    @cython.locals(size=cython.Py_ssize_t, block=bytes, stream_id=bytes, head=bytes, data=bytes)
    cpdef send_head(self, Http2Stream stream, tuple fields, bytes body, bint end)
    @cython.locals(size=cython.Py_ssize_t)
    cpdef send_data(self, Http2Stream stream, bytes data, bint end)
    cpdef ended(self, Http2Stream stream)
    cpdef stalled(self, Http2Stream stream)
    cpdef schedule(self, Http2Stream stream)
    cpdef forget(self, Http2Stream stream)
    @cython.locals(stream=Http2Stream, left=cython.Py_ssize_t, size=cython.Py_ssize_t)
    cpdef pump(self)
    cdef _account(self, Http2Stream stream, Py_ssize_t size)
    cdef bint _fits(self, Http2Stream stream, Py_ssize_t size) except -1
    cdef _hold(self, Http2Stream stream)
    cdef _release(self, Http2Stream stream)
    @cython.locals(data=bytes, last=cython.bint)
    cdef _send_queued(self, Http2Stream stream, Py_ssize_t size)
    cdef _end(self, Http2Stream stream)
