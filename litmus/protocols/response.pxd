cimport cython

from litmus.protocols.remembering cimport remember

cdef int _PLAIN, _LENGTH, _DATE, _CONNECTION, _CLOSE, _DROPPED
cdef long long _UNKNOWN
cdef dict _FIELDS, _KINDS, _STATUS_LINES


cdef class _Field:
    cdef int kind
    cdef bytes line
    cdef long long length


cdef class Head:
    cdef readonly int status
    cdef public long long length
    cdef readonly bint close
    cdef bint _has_date
    cdef list _parts

    @cython.locals(parts=list, field=_Field, kind=cython.int)
    cdef _collect(self, headers)
    cpdef add(self, bytes line)
    @cython.locals(parts=list)
    cpdef bytes encode(self, bytes date, bytes body)


cpdef bint bodiless(int status, bytes method)
cpdef bytes chunk(bytes data)
cdef int _classify(name) except -1
@cython.locals(kind=cython.int, length=cython.longlong, line=bytes)
cdef _Field _field(header)
cdef bytes _status_line(int status)
