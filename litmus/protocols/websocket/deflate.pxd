cdef int _INVALID_PAYLOAD, _TOO_BIG, _ENDS
cdef Py_ssize_t _REMEMBERED_SIZE


cdef class Inflater:
    cdef int _bits
    cdef bint _takeover
    cdef int _ends
    cdef object _state

    cpdef bytes inflate(self, bytes piece, bint last, Py_ssize_t room)
    cdef bytes _go_on(self, bytes data, Py_ssize_t room)


cdef class Deflater:
    cdef int _bits
    cdef int _memory_level
    cdef int _level
    cdef int _flush
    cdef object _state

    cpdef bytes deflate(self, bytes data)


cdef class SharedDeflater(Deflater):
    cdef bytes _data
    cdef bytes _deflated

    cpdef bytes deflate(self, bytes data)
