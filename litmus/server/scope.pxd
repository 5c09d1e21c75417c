cimport cython

from litmus.protocols.lines cimport RequestLine
from litmus.protocols.request cimport Request


cdef dict _VERSIONS, _OFFERED


cdef class Client:
    cdef readonly str host
    cdef readonly str name
    cdef readonly bytes raw_name
    cdef readonly dict template
    cdef readonly object deflate
    cdef RequestLine _line

    @cython.locals(template=dict, raw_path=bytes, root_path=str, path=str)
    cpdef dict below(self, RequestLine line)


@cython.locals(scope=dict)
cpdef dict http_scope(Client client, Request request, dict state)
