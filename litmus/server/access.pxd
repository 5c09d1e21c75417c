cimport cython

from litmus.protocols.remembering cimport remember


cdef class AccessLog:
    cdef object _sink
    cdef list _lines
    cdef long long _second
    cdef str _stamp
    cdef dict _known

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
    cpdef record_refusal(self, str host, bytes head, int status, long long size)
    cpdef flush(self)
    @cython.locals(second=cython.longlong)
    cdef _look_at_the_clock(self)
    cdef _add(self, str line)
    cdef str _escaped(self, bytes value)
