cimport cython

from litmus.memory.lease cimport Lease
from litmus.protocols.http2.requests cimport Requests
from litmus.protocols.http2.stream cimport Http2Stream
from litmus.protocols.machine cimport Timer

cdef int _PREFACE, _SETTINGS, _OPEN, _CLOSING, _LINGER, _CLOSED
cdef int _DATA, _HEADERS, _PRIORITY, _RST_STREAM, _SETTINGS_FRAME, _PUSH_PROMISE, _PING, _GOAWAY, _WINDOW_UPDATE
cdef int _CONTINUATION, _PRIORITY_UPDATE
cdef int _ACK, _END_STREAM, _END_HEADERS, _PADDED, _PRIORITY_FLAG
cdef int _HALF_CLOSED_REMOTE
cdef int _CHEAP, _WASTED, _LOST
cdef Py_ssize_t _WORTHWHILE, _PROBED, _GLANCE, _HEADER_SIZE, _FRAME_SIZE


cdef class Http2(Requests):
    cdef object _adopted
    cdef bint _behind
    cdef list _block
    cdef int _block_flags
    cdef Py_ssize_t _block_size
    cdef unsigned long _block_stream
    cdef Timer _drain_alarm
    cdef bint _draining
    cdef bint _greeted
    cdef bint _partial
    cdef int _phase
    cdef bint _running
    cdef Timer _settings_alarm
    cdef readonly bint hungry
    cdef public Lease lease

    cpdef received(self, Lease lease)
    cdef _settle(self)
    @cython.locals(
        data=bytes,
        payload=bytes,
        at=cython.Py_ssize_t,
        end=cython.Py_ssize_t,
        size=cython.Py_ssize_t,
        kind=cython.int,
        flags=cython.int,
        stream=cython.ulong,
    )
    cdef _read(self, Lease lease)
    cdef bint _had_its_turn(self) except -1
    cdef bint _read_preface(self, Lease lease) except -1
    cdef _frame(self, int kind, int flags, unsigned long stream_id, bytes payload)
    cdef _headers(self, int flags, unsigned long stream_id, bytes payload)
    cdef _take_block(self, int flags, unsigned long stream_id, bytes block)
    cdef _continuation(self, int flags, unsigned long stream_id, bytes payload)
    @cython.locals(size=cython.Py_ssize_t, stream=Http2Stream, ended=cython.bint)
    cdef _data(self, int flags, unsigned long stream_id, bytes payload)
    cdef _rst_stream(self, unsigned long stream_id, bytes payload)
    @cython.locals(size=cython.ulong, stream=Http2Stream)
    cdef _window_update(self, unsigned long stream_id, bytes payload)
    cdef bint _is_answer(self) except -1
    cdef bint _is_paid_for(self, long long size) except -1
    cdef _count_requests(self)
    cdef _check_begun(self, unsigned long stream_id, str what)


cdef bytes _unpadded(int flags, bytes payload, Py_ssize_t least)
