cimport cython

from litmus.protocols.http2.encoder cimport EncodedField
from litmus.protocols.http2.response cimport Section, date_field, header_section, length_field
from litmus.protocols.machine cimport Stream
from litmus.protocols.request cimport Request
from litmus.protocols.response cimport bodiless

cdef int _ILLEGAL, _OPEN, _CLOSED, _BEGUN, _BEGUN_WHOLE
cdef long long _UNKNOWN
cdef Py_ssize_t _PIECE, _SMALL
cdef tuple _NEXT

cdef class Http2Stream


cdef class Carrier:
    cpdef bytes date(self)
    cpdef send_head(self, Http2Stream stream, tuple fields, bytes body, bint end)
    cpdef send_interim(self, Http2Stream stream, int status, tuple fields)
    cpdef send_data(self, Http2Stream stream, bytes data, bint end)
    cpdef send_trailers(self, Http2Stream stream, tuple fields)
    cpdef wanted(self, Http2Stream stream)
    cpdef consumed(self, Http2Stream stream, Py_ssize_t size)
    cpdef cut(self, Http2Stream stream)
    cpdef bint is_late(self, timer) except -1
    cpdef overdue(self, Http2Stream stream)
    cpdef stuck(self, Http2Stream stream, stall)


cdef class Http2Stream(Stream):
    cdef bint _bodiless
    cdef Carrier _carrier
    cdef list _inbox
    cdef bytes _method
    cdef Py_ssize_t _offset
    cdef object _outbox
    cdef long long _remaining
    cdef readonly bint begun
    cdef public long long due
    cdef public bint ending
    cdef readonly long long expected
    cdef public long long granted
    cdef public tuple head
    cdef readonly unsigned long id
    cdef public long long limit
    cdef public bint must_continue
    cdef public int priority
    cdef public long long progress
    cdef readonly long long queued
    cdef public long long received
    cdef public long long room
    cdef public bint scheduled
    cdef public long long sent
    cdef public long long spoke
    cdef public object stall
    cdef public int state
    cdef public long long taken
    cdef public tuple trailers
    cdef readonly bint tunnel
    cdef readonly bint waiting
    cdef public long long window

    cdef begin(self, Carrier carrier, unsigned long stream_id, Request request, bint ended, long long window, long long room)
    @cython.locals(state=cython.int)
    cpdef move(self, int event)
    @cython.locals(inbox=list, data=bytes)
    cpdef bytes read_body(self)
    @cython.locals(pieces=cython.Py_ssize_t, size=cython.Py_ssize_t, piece=bytes)
    cdef bytes _take(self, list inbox)
    @cython.locals(section=Section, size=cython.Py_ssize_t)
    cpdef long long respond(self, int status, headers, bytes body, bint end) except -1
    @cython.locals(size=cython.Py_ssize_t)
    cpdef long long send_body(self, bytes data, bint end) except -1
    @cython.locals(inbox=list)
    cpdef deliver(self, bytes data)
    cpdef Py_ssize_t unread(self) except -1
    cpdef enqueue(self, bytes data)
    @cython.locals(parts=list, first=bytes, part=bytes)
    cpdef bytes dequeue(self, Py_ssize_t size)
    cpdef drop(self)
    cpdef bint is_head(self) except -1


@cython.locals(stream=Http2Stream)
cpdef Http2Stream open_stream(
    Carrier carrier, unsigned long stream_id, Request request, bint ended, long long window, long long room
)
