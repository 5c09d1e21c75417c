cimport cython

from litmus.protocols.fields cimport Field, FieldParser
from litmus.protocols.lines cimport RequestLine
from litmus.protocols.remembering cimport remember
from litmus.protocols.request cimport Request

cdef int _PLAIN, _DROPPED, _HOST, _CONTENT_LENGTH, _EXPECT, _COOKIE, _PRIORITY, _CONNECTION, _DEFAULT


cdef class RequestReader:
    cdef FieldParser _fields
    cdef dict _known
    cdef dict _lines
    cdef Py_ssize_t _line
    cdef Py_ssize_t _most

    @cython.locals(
        pair=tuple,
        name=bytes,
        value=bytes,
        headers=list,
        host=bytes,
        method=bytes,
        path=bytes,
        scheme=bytes,
        authority=bytes,
        protocol=bytes,
        length=cython.longlong,
        cookie=cython.Py_ssize_t,
        expects_continue=cython.bint,
        hosts=cython.int,
        lengths=cython.int,
        wanted=cython.int,
        pseudo=cython.bint,
        field=Field,
        kind=cython.int,
        request=Request,
    )
    cpdef Request read(self, list fields, bint ended, bint extended=*)
    cdef Field _field(self, tuple pair)
    @cython.locals(name=bytes, value=bytes)
    cdef Field _look_at(self, tuple pair)
    cdef _check_authority(self, bytes authority, bytes host, int hosts)
    @cython.locals(line=RequestLine)
    cdef RequestLine _request_line(self, bytes method, bytes path)
