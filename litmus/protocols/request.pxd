cdef int _SPACE


cdef class Request:
    cdef public bytes method
    cdef public bytes target
    cdef public str version
    cdef public list headers
    cdef public long long body
    cdef public bint keep_alive
    cdef public bint expects_continue


cdef class HeadParser:
    cdef list _headers
    cdef long long _body
    cdef int _lengths
    cdef int _codings
    cdef bint _expects_continue
    cdef bint _complete
    cdef bint _keep_alive
    cdef object _parser

    cpdef Request parse(self, bytes head)
    cdef _reset(self)
    cpdef on_header(self, bytes name, bytes value)
    cpdef on_message_complete(self)
    cdef _framing(self, bytes name, bytes value)
