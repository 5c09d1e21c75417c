cimport cython

from litmus.protocols.fields cimport Field, FieldParser

cdef int _HASH, _PERCENT, _SLASH
cdef int _PLAIN, _DROPPED, _HOST, _CONTENT_LENGTH, _CONNECTION, _EXPECT, _CLOSE, _KEEP_ALIVE
cdef dict _VERSIONS
cdef frozenset _USUAL, _ESCAPES


cdef class Request:
    cdef public bytes method
    cdef public bytes target
    cdef public str version
    cdef public list headers
    cdef public long long body
    cdef public bint keep_alive
    cdef public bint expects_continue

    @cython.locals(other=Request)
    cpdef Request asked_for(self, bytes method, bytes target)


cdef class HeadParser:
    cdef FieldParser _fields
    cdef dict _known
    cdef Py_ssize_t _most

    @cython.locals(line=list, request_line=bytes, section=bytes, version=str, authority=bytes, known=Request, news=cython.longlong)
    cpdef Request parse(self, bytes head)
    @cython.locals(
        lines=list,
        line=bytes,
        headers=list,
        field=Field,
        kind=cython.int,
        hosts=cython.int,
        framings=cython.int,
        connection=cython.int,
        expects_continue=cython.bint,
    )
    cdef Request _read(self, bytes section, bytes method, bytes target, str version)
    cdef _remember(self, bytes section, Request request)


@cython.locals(target=bytes)
cdef str _plain_version(list line)
@cython.locals(path=bytes, parts=list, part=bytes)
cdef bint _is_decodable(bytes target)
