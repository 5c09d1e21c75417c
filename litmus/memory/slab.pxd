from litmus.memory.lease cimport Lease


cdef class SizeClass:
    cdef readonly int index
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t total
    cdef readonly list free


cdef class Slab:
    cdef readonly Py_ssize_t available
    cdef readonly list classes
    cdef object _board
    cdef object _memory
    cdef bint _serving
    cdef object _waiters

    cpdef Lease acquire(self, Py_ssize_t size)
    cpdef release(self, Lease lease)
