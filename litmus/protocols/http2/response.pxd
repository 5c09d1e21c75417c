cimport cython

from litmus.protocols.http2.encoder cimport EncodedField, status_field
from litmus.protocols.remembering cimport remember
from litmus.protocols.response_fields cimport ResponseField, response_field

cdef int _PLAIN, _LENGTH, _DATE
cdef long long _UNKNOWN
cdef dict _DATES, _LENGTHS


cdef class Section:
    cdef public bint dated
    cdef public list fields
    cdef public long long length

    @cython.locals(fields=list, field=ResponseField, kind=cython.int)
    cdef collect(self, int status, headers)


@cython.locals(section=Section)
cpdef Section header_section(int status, headers)
cpdef EncodedField date_field(bytes line)
cpdef EncodedField length_field(Py_ssize_t size)
cdef EncodedField _encoded(ResponseField field)
