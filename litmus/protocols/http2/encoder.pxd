cimport cython

from litmus.protocols.http2 cimport huffman
from litmus.protocols.remembering cimport remember

cdef int _INDEXED, _INCREMENTAL, _UPDATE, _NEVER_INDEXED, _NOT_INDEXED, _HUFFMAN
cdef Py_ssize_t _REMEMBERED, _REMEMBERED_SIZE, _REMEMBERED_STATUSES
cdef list _DYNAMIC, _OCTETS
cdef dict _INDICES, _NAME_INDICES, _STATUS_FIELDS
cdef frozenset _CHANGING, _SENSITIVE


cdef class EncodedField:
    cdef readonly Py_ssize_t size
    cdef readonly bytes literal
    cdef readonly bytes indexing
    cdef readonly bint recurs


@cython.locals(field=EncodedField)
cpdef EncodedField status_field(int status)


cdef class Encoder:
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t capacity
    cdef Py_ssize_t _signalled
    cdef Py_ssize_t _smallest
    cdef dict _numbers
    cdef long long _entered
    cdef dict _known

    cpdef resize(self, Py_ssize_t size)
    @cython.locals(block=bytes)
    cpdef bytes encode(self, tuple fields)
    @cython.locals(parts=list, settled=cython.bint, field=EncodedField, part=bytes, block=bytes)
    cdef bytes _encode(self, tuple fields)
    @cython.locals(updates=list)
    cdef list _updates(self)
    cdef _enter(self, EncodedField field)
    @cython.locals(oldest=EncodedField)
    cdef _evict(self, Py_ssize_t size)


@cython.locals(most=cython.longlong)
cpdef bytes encode_integer(long long number, int bits, int first)
@cython.locals(size=cython.Py_ssize_t)
cpdef bytes encode_string(bytes data)
