cimport cython

from litmus.protocols.http2.huffman cimport decode, decoded_size
from litmus.protocols.remembering cimport remember

cdef int _INDEXED, _INCREMENTAL, _UPDATE, _HUFFMAN, _CONTINUES, _LAST_SHIFT
cdef long long _LARGEST
cdef Py_ssize_t _ENTRY_OVERHEAD, _FIRST_DYNAMIC, _SHORTEST, _REMEMBERED, _REMEMBERED_SIZE, _REMEMBERED_LIST
cdef list _STATIC_TABLE


cdef class Decoder:
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t capacity
    cdef Py_ssize_t _allowed
    cdef Py_ssize_t _smallest
    cdef list _entries
    cdef dict _known
    cdef bint _repeatable
    cdef Py_ssize_t _list_size
    cdef bytes _block
    cdef Py_ssize_t _position

    cpdef resize(self, Py_ssize_t size)
    cpdef recall(self, bytes block)
    cpdef remember(self, bytes block, found)
    cpdef list decode(self, bytes block, Py_ssize_t limit)
    @cython.locals(size=cython.Py_ssize_t)
    cdef _read_updates(self)
    @cython.locals(
        block=bytes,
        end=cython.Py_ssize_t,
        fields=list,
        size=cython.Py_ssize_t,
        octet=cython.int,
        field=tuple,
        name=bytes,
        value=bytes,
    )
    cdef list _read_fields(self, Py_ssize_t limit)
    @cython.locals(place=cython.Py_ssize_t)
    cdef tuple _entry(self, Py_ssize_t index)
    @cython.locals(room=cython.Py_ssize_t, name=bytes, value=bytes)
    cdef tuple _literal(self, Py_ssize_t index, Py_ssize_t left)
    @cython.locals(
        block=bytes,
        position=cython.Py_ssize_t,
        end=cython.Py_ssize_t,
        number=cython.longlong,
        shift=cython.int,
        octet=cython.longlong,
    )
    cdef Py_ssize_t _integer(self, int mask) except -1
    @cython.locals(
        block=bytes, huffman=cython.int, length=cython.Py_ssize_t, start=cython.Py_ssize_t, data=bytes
    )
    cdef bytes _string(self, Py_ssize_t room)
    @cython.locals(name=bytes, value=bytes, size=cython.Py_ssize_t)
    cdef _enter(self, tuple field)
    @cython.locals(name=bytes, value=bytes)
    cdef _evict(self, Py_ssize_t size)
    cdef _has_changed(self)
