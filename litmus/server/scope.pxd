cimport cython

from litmus.protocols.lines cimport RequestLine
from litmus.protocols.request cimport Request


cdef dict _VERSIONS, _OFFERED


cdef class Client:
    cdef readonly str host
    cdef readonly str name
    cdef readonly bytes raw_name
    cdef readonly dict template


@cython.locals(scope=dict, line=RequestLine, raw_path=bytes, root_path=str, path=str)
cpdef dict http_scope(dict template, Request request, dict state)
