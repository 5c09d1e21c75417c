from litmus.protocols.http2.stream cimport Http2Stream


cdef class Scheduler:
    cdef dict _queues

    cpdef add(self, Http2Stream stream)
    cpdef remove(self, Http2Stream stream)
    cpdef bint is_busy(self) except -1
    cpdef Http2Stream next(self)
