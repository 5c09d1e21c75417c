cdef class Wheel:
    cdef readonly long long now
    cdef set _armed
    cdef long long _origin
    cdef list _spokes

    cpdef arm(self, entry, long long ticks)
    cpdef put_off(self, entry)
    cpdef remove(self, entry)
    cdef _expire(self, Py_ssize_t index)
    cdef _enter(self, entry, long long due)
