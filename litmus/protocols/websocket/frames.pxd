cdef int _FIN, _TEXT, _BINARY
cdef Py_ssize_t _SHORT, _LONG
cdef list _SHORT_TEXT, _SHORT_BINARY
cdef object _SHORT_HEADER, _MEDIUM_HEADER, _LONG_HEADER

cpdef bytes header(int first, Py_ssize_t size)
cpdef bytes frame(int opcode, bytes payload)
