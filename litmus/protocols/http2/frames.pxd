cimport cython

cdef int _HEADERS, _RST_STREAM, _WINDOW_UPDATE, _END_HEADERS
cdef object _pack, _WORD

cpdef bytes header(unsigned long size, int kind, int flags, unsigned long stream)
cpdef bytes rst_stream(unsigned long stream, int code)
cpdef bytes window_update(unsigned long stream, unsigned long size)
@cython.locals(start=cython.Py_ssize_t, parts=list, part=bytes)
cpdef bytes field_block(bytes block, int flags, unsigned long stream, Py_ssize_t size)
