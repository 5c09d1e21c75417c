cimport cython

from litmus.protocols.remembering cimport remember

cdef Py_ssize_t _REMEMBERED, _REMEMBERED_SIZE
cdef dict _KINDS


cdef class Field:
    cdef readonly tuple pair
    cdef readonly int kind
    cdef readonly long long number


cdef class FieldParser:
    cdef dict _known
    cdef object _on_dropped
    cdef str _underscores
    cdef readonly long long news

    cpdef Field parse(self, bytes line)
    @cython.locals(name=bytes, value=bytes)
    cdef Field _look_at(self, bytes line)
    @cython.locals(kind=cython.int)
    cpdef Field field(self, bytes name, bytes value)


@cython.locals(index=cython.Py_ssize_t, name=bytes)
cpdef set_host(list headers, bytes authority)
