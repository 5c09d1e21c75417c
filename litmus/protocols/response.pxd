cdef class Head:
    cdef readonly int status
    cdef public long long length
    cdef readonly bint close
    cdef bint _has_date
    cdef list _parts

    cpdef add(self, bytes line)
    cpdef bytes encode(self, bytes date, bytes body)
    cdef _notice(self, int kind, bytes value)


cpdef bint bodiless(int status, bytes method)
cpdef bytes chunk(bytes data)
cdef int _classify(name) except -1
cdef tuple _field(header)
cdef int _PLAIN, _LENGTH, _DATE, _CONNECTION, _DROPPED
cdef bytes _status_line(int status)
