cimport cython

cdef int _SPACE, _HASH, _PERCENT, _UNDERSCORE
cdef dict _VERSIONS
cdef frozenset _ESCAPES


cdef class Request:
    cdef public bytes method
    cdef public bytes target
    cdef public str version
    cdef public list headers
    cdef public long long body
    cdef public bint keep_alive
    cdef public bint expects_continue

    cpdef Request asked_for(self, bytes method, bytes target)


cdef class HeadParser:
    cdef list _headers
    cdef long long _body
    cdef int _lengths
    cdef int _codings
    cdef int _hosts
    cdef bytes _host
    cdef bint _expects_continue
    cdef bint _complete
    cdef bint _keep_alive
    cdef object _parser
    cdef dict _known
    cdef str _underscores
    cdef Py_ssize_t _lines
    cdef object _on_dropped

    @cython.locals(line=list, request_line=bytes, section=bytes, version=str, plain=bint, authority=bytes)
    cpdef Request parse(self, bytes head)
    cdef _feed(self, bytes head)
    cdef _remember(self, bytes section, Request request)
    cdef _reset(self)
    cpdef on_header(self, bytes name, bytes value)
    cpdef on_message_complete(self)
    cdef _notice(self, bytes name, bytes value)


@cython.locals(target=bytes)
cdef str _plain_version(list line)
@cython.locals(path=bytes, parts=list, part=bytes)
cdef bint _is_decodable(bytes target)
