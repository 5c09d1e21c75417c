cimport cython

from litmus.memory.lease cimport Lease
from litmus.protocols.body cimport Decoder
from litmus.protocols.limits cimport Limits
from litmus.protocols.machine cimport Host, Stream
from litmus.protocols.request cimport HeadParser, Request
from litmus.protocols.response cimport Head, bodiless, chunk, response_head


cdef Py_ssize_t _GLANCE, _HEAD_SHOWN, JOIN_LIMIT
cdef int _CR
cdef long long _UNKNOWN, _NO_BODY
cdef bytes _NEXT
cdef int _EVENTS, _ILLEGAL
cdef tuple _DEADLINE
cdef int _IDLE, _HEAD, _BODY, _RESPONSE, _DISCARD, _LINGER, _CLOSED
cdef int _PARTIAL, _REQUEST, _REQUEST_WITH_BODY, _BODY_END, _RESPONSE_END, _RESPONSE_CLOSE, _RESPONSE_LINGER
cdef int _BREACH, _CUT
cdef int _NOT_STARTED, _LENGTH, _CHUNKED, _UNTIL_CLOSE, _NO_CONTENT, _COMPLETE


cdef class Http1(Stream):
    cdef int _burst
    cdef Host _host
    cdef Limits _limits
    cdef HeadParser _parser
    cdef Decoder _decoder
    cdef Py_ssize_t _discarded
    cdef bint _draining
    cdef int _framing
    cdef bint _half_closed
    cdef Head _head
    cdef bytes _method
    cdef bint _must_continue
    cdef bint _old
    cdef bint _persistent
    cdef long long _progress
    cdef long long _remaining
    cdef long long _requests
    cdef Py_ssize_t _scanned
    cdef object _successor
    cdef object _upgrade
    cdef readonly bint hungry
    cdef public Lease lease
    cdef readonly int state

    cpdef received(self, Lease lease)
    @cython.locals(
        head=Head, length=cython.longlong, added=bytes, framing=cython.int, size=cython.Py_ssize_t, content=bytes
    )
    cpdef long long respond(self, int status, headers, bytes body, bint end) except -1
    @cython.locals(framing=cython.int, size=cython.Py_ssize_t)
    cpdef long long send_body(self, bytes data, bint end) except -1
    @cython.locals(state=cython.int)
    cdef bint _step(self, Lease lease) except -1
    cdef bint _starved(self) except -1
    cdef bint _unread(self) except -1
    @cython.locals(state=cython.int)
    cdef _move(self, int event)
    @cython.locals(
        start=cython.Py_ssize_t,
        length=cython.Py_ssize_t,
        body=cython.longlong,
        limit=cython.longlong,
        unread=bytes,
        request=Request,
    )
    cdef bint _read_head(self, Lease lease) except -1
    @cython.locals(size=cython.longlong)
    cdef bint _goes_over(self, Request request, Py_ssize_t length, Lease lease) except -1
    cdef Request _parse(self, bytes head)
    cdef _measure(self, bytes head, Py_ssize_t size)
    cdef bint _discard(self, Lease lease) except -1
    cdef _finish(self)
    cdef bint _worth_discarding(self) except -1
    cdef _breach(self, error)
    cdef bytes _beginning(self)
    cdef _cut(self)
    cdef _detach(self)


cdef bytes _END_OF_HEAD
@cython.locals(found=cython.Py_ssize_t, before=bytes, end=bytes)
cdef Py_ssize_t _head_length(bytes unread, Py_ssize_t scanned) except -1
