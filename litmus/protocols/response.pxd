cimport cython

from litmus.native cimport joined
from litmus.protocols.remembering cimport remember
from litmus.protocols.response_fields cimport ResponseField, response_field

cdef int _PLAIN, _LENGTH, _DATE, _CLOSE, _HTTP1_ONLY
cdef long long _UNKNOWN
cdef dict _HEADS, _STATUS_LINES
cdef Py_ssize_t _REMEMBERED


cdef class Head:
    cdef readonly int status
    cdef readonly long long length
    cdef readonly bint close
    cdef readonly bint recurs
    cdef bytes _date
    cdef bint _has_date
    cdef list _lines
    cdef bytes _whole

    cdef readonly tuple fields

    @cython.locals(lines=list, pairs=list, field=ResponseField, kind=cython.int)
    cdef _collect(self, headers)
    @cython.locals(fields=tuple, index=cython.Py_ssize_t)
    cpdef bint is_of(self, int status, headers) except -1
    cpdef bytes encode(self, bytes added, bytes date, bytes body)


@cython.locals(fields=tuple, known=Head, head=Head)
cpdef Head response_head(int status, headers)
cpdef bint bodiless(int status, bytes method)
cpdef bytes chunk(bytes data)
cdef bytes _status_line(int status)
