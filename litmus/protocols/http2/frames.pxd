cimport cython

cdef int _DATA, _HEADERS, _RST_STREAM, _WINDOW_UPDATE, _END_HEADERS
cdef object _HEADER, _BEGINNING, _WORD
cdef Py_ssize_t _SHORT
cdef list _SHORT_HEADERS, _SHORT_DATA

cpdef bytes header(unsigned long size, int kind, int flags, unsigned long stream)
cpdef bytes headers_beginning(Py_ssize_t size)
cpdef bytes data_beginning(Py_ssize_t size, bint end)
cpdef bytes word(unsigned long number)
cpdef bytes rst_stream(unsigned long stream, int code)
cpdef bytes window_update(unsigned long stream, unsigned long size)
@cython.locals(start=cython.Py_ssize_t, parts=list, part=bytes)
cpdef bytes field_block(bytes block, int flags, unsigned long stream, Py_ssize_t size)
