cimport cython

cdef int _SPACE, _HASH


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
    cdef bint _expects_continue
    cdef bint _complete
    cdef bint _keep_alive
    cdef object _parser
    cdef dict _known

    @cython.locals(line=list, request_line=bytes, section=bytes)
    cpdef Request parse(self, bytes head)
    cdef Request _parse(self, bytes head, list line)
    cdef _reset(self)
    cpdef on_header(self, bytes name, bytes value)
    cpdef on_message_complete(self)
    cdef _framing(self, bytes name, bytes value)


@cython.locals(target=bytes)
cdef bint _is_plain(list line)
