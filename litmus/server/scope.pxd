from litmus.protocols.request cimport Request


cdef class Client:
    cdef readonly str name
    cdef readonly bytes raw_name
    cdef readonly dict template


cpdef dict http_scope(dict template, Request request, dict state)
cdef bytes _origin_form(bytes target)
