cimport cython

from litmus.protocols.remembering cimport remember

cdef dict _FIELDS, _KINDS


cdef class ResponseField:
    cdef readonly int kind
    cdef readonly long long length
    cdef readonly bytes line
    cdef public tuple pair
    cdef public bint recurs
    cdef public object encoded


@cython.locals(field=ResponseField)
cpdef ResponseField response_field(header)
@cython.locals(length=cython.longlong, line=bytes)
cdef ResponseField _look_at(header)
cdef object _classify(name)
