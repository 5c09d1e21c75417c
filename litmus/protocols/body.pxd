from litmus.memory.lease cimport Lease


cdef class LengthDecoder:
    cdef readonly bint complete
    cdef readonly long long remaining

    cpdef bytes decode(self, Lease lease)


cdef class ChunkedDecoder:
    cdef readonly bint complete
    cdef int _state
    cdef long long _remaining
    cdef Py_ssize_t _trailers

    cpdef bytes decode(self, Lease lease)
    cdef _line(self, bytes line)
