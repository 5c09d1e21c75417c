from litmus.memory.lease cimport Lease


cdef class LengthDecoder:
    cdef readonly bint complete
    cdef readonly long long remaining

    cpdef bytes decode(self, Lease lease)


cdef class ChunkedDecoder:
    cdef readonly bint complete
    cdef int _state
    cdef long long _remaining
    cdef long long _limit
    cdef long long _content
    cdef long long _excess
    cdef Py_ssize_t _trailers

    cpdef bytes decode(self, Lease lease)
    cdef _line(self, bytes line)
    cdef _extend(self, bytes extension)
