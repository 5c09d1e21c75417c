from litmus.memory.lease cimport Lease


cdef class Decoder:
    cdef readonly bint complete

    cpdef bytes decode(self, Lease lease)


cdef class LengthDecoder(Decoder):
    cdef readonly long long remaining


cdef class ChunkedDecoder(Decoder):
    cdef int _state
    cdef long long _remaining
    cdef long long _limit
    cdef long long _content
    cdef long long _excess
    cdef Py_ssize_t _trailers

    cdef _line(self, bytes line)
    cdef _extend(self, bytes extension)
