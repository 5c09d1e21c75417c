cimport cython

from litmus.protocols.remembering cimport remember

cdef int _HASH, _PERCENT
cdef dict _VERSIONS
cdef frozenset _ESCAPES
cdef Py_ssize_t _REMEMBERED, _REMEMBERED_SIZE


cdef class RequestLine:
    cdef readonly bytes method
    cdef readonly str verb
    cdef readonly bytes target
    cdef readonly str version
    cdef readonly bint old
    cdef readonly bytes authority
    cdef readonly str path
    cdef readonly bytes raw_path
    cdef readonly bytes query


cdef class LineParser:
    cdef dict _known

    @cython.locals(known=RequestLine)
    cpdef RequestLine parse(self, bytes line)


@cython.locals(parts=list, method=bytes, target=bytes, digits=bytes, version=str, authority=bytes, origin=bytes)
cdef RequestLine _look_at(bytes line)
