cimport cython

from litmus.protocols.fields cimport Field, FieldParser
from litmus.protocols.lines cimport LineParser, RequestLine
from litmus.protocols.remembering cimport remember

cdef Py_ssize_t _REMEMBERED, _REMEMBERED_SIZE, _REMEMBERED_HEAD
cdef int _PLAIN, _DROPPED, _HOST, _CONTENT_LENGTH, _CONNECTION, _EXPECT, _UPGRADE, _CLOSE, _KEEP_ALIVE, _SWITCH


cdef class Request:
    cdef public RequestLine line
    cdef public list headers
    cdef public long long body
    cdef public bint keep_alive
    cdef public bint expects_continue
    cdef public int priority
    cdef public bytes protocol

    @cython.locals(other=Request)
    cpdef Request below(self, RequestLine line)


cdef class HeadParser:
    cdef LineParser _lines
    cdef readonly FieldParser fields
    cdef dict _heads
    cdef dict _known
    cdef Py_ssize_t _most

    cpdef Request recall(self, bytes head)
    @cython.locals(
        line=RequestLine, request_line=bytes, section=bytes, known=Request, request=Request, news=cython.longlong
    )
    cpdef Request parse(self, bytes head)
    @cython.locals(
        lines=list,
        each=bytes,
        headers=list,
        field=Field,
        kind=cython.int,
        hosts=cython.int,
        framings=cython.int,
        connection=cython.int,
        expects_continue=cython.bint,
        request=Request,
    )
    cdef Request _read(self, bytes section, RequestLine line)
