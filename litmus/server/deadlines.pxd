cimport cython


cdef int _SPOKES


cdef class Wheel:
    cdef readonly long long now
    cdef set _armed
    cdef long long _origin
    cdef list _spokes

    @cython.locals(due=cython.longlong, spoke=cython.longlong)
    cpdef arm(self, entry, long long ticks)
    cpdef put_off(self, entry)
    @cython.locals(spoke=cython.longlong)
    cpdef remove(self, entry)
    cdef _expire(self, Py_ssize_t index)
    @cython.locals(spoke=cython.longlong)
    cdef _enter(self, entry, long long due)
