cimport cython

from litmus.protocols.response_fields cimport ResponseField, response_field

cdef int _PLAIN, _LENGTH, _DATE, _CLOSE, _HTTP1_ONLY
cdef long long _UNKNOWN
cdef dict _STATUS_LINES


cdef class Head:
    cdef readonly int status
    cdef public long long length
    cdef readonly bint close
    cdef bint _has_date
    cdef list _parts

    @cython.locals(parts=list, field=ResponseField, kind=cython.int)
    cdef _collect(self, headers)
    cpdef add(self, bytes line)
    @cython.locals(parts=list)
    cpdef bytes encode(self, bytes date, bytes body)


cpdef bint bodiless(int status, bytes method)
cpdef bytes chunk(bytes data)
cdef bytes _status_line(int status)
