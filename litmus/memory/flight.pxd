cimport cython

from litmus.native cimport put

cdef int _WORD, _PHASE, _PROTOCOL, _METHOD, _PEER, _LENGTH, _TEXT, _TEXT_SIZE


cdef class FlightTable:
    cdef unsigned char[::1] _cells
    cdef list _free
    cdef object _memory
    cdef Py_ssize_t _offset
    cdef unsigned long long[::1] _words

    @cython.locals(
        entry=cython.Py_ssize_t,
        text=cython.Py_ssize_t,
        before=cython.Py_ssize_t,
        between=cython.Py_ssize_t,
        size=cython.Py_ssize_t,
    )
    cpdef Py_ssize_t begin(self, long long started_ns, int protocol, bytes method, bytes peer, bytes path) except -2
    cpdef phase(self, Py_ssize_t entry, int phase)
    cpdef end(self, Py_ssize_t entry)
