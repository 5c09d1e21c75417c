cdef class Wheel:
    cdef readonly long long now
    cdef list _spokes

    cpdef arm(self, entry, long long ticks)
    cpdef remove(self, entry)
    cdef _enter(self, entry, long long due)
