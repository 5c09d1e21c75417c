cdef class Ready:
    cdef object _value


cdef class Done:
    pass
