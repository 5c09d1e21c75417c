cimport cython

from litmus.native cimport copied


cdef class Lease:
    cdef unsigned char[::1] _cells
    cdef readonly object view
    cdef readonly Py_ssize_t size
    cdef readonly int size_class
    cdef public Py_ssize_t start
    cdef public Py_ssize_t end
    cdef public bint held

    cpdef Py_ssize_t unread_size(self)
    cpdef object room(self)
    cpdef object unread(self)
    @cython.locals(start=cython.Py_ssize_t)
    cpdef bytes peek(self, Py_ssize_t size)
    @cython.locals(taken=bytes)
    cpdef bytes take(self, Py_ssize_t size)
    cpdef void compact(self)
