cimport cython

from litmus.protocols.request cimport Request


cdef int _PERCENT, _SLASH
cdef dict _VERSIONS


cdef class Client:
    cdef readonly str host
    cdef readonly str name
    cdef readonly bytes raw_name
    cdef readonly dict template


@cython.locals(scope=dict, target=bytes, raw_path=bytes, query=bytes, root_path=str, path=str)
cpdef dict http_scope(dict template, Request request, dict state)
cdef bytes _origin_form(bytes target)
