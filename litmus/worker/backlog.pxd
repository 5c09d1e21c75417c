cdef class Accepted:
    cdef int _descriptor
    cdef readonly int family
    cdef readonly int type
    cdef readonly object peer


cpdef Accepted take(listener)
