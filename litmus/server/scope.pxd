cimport cython

from litmus.protocols.request cimport Request


cdef int _PERCENT


cdef class Client:
    cdef readonly str host
    cdef readonly str name
    cdef readonly bytes raw_name
    cdef readonly dict template


@cython.locals(scope=dict, raw_path=bytes, root_path=str)
cpdef dict http_scope(dict template, Request request, dict state)
cdef bytes _origin_form(bytes target)
