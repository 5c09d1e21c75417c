cimport cython


cdef class AccessLog:
    cdef object _sink
    cdef list _lines
    cdef long long _second
    cdef str _stamp
    cdef dict _known

    @cython.locals(second=cython.longlong)
    cpdef record(
        self,
        str host,
        bytes method,
        bytes target,
        str version,
        int status,
        long long size,
        double seconds,
        list headers,
    )
    cpdef flush(self)
    cdef str _escaped(self, bytes value)
