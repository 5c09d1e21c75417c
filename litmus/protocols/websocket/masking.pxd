cimport cython

cdef bint _INTERPRETED
cdef unsigned int _KEY
cdef Py_ssize_t _SPACE_SIZE
cdef bytearray _SPACE


@cython.locals(size=cython.Py_ssize_t, space=bytearray, out="unsigned char*")
cpdef bytes unmask(bytes data, Py_ssize_t start, Py_ssize_t end, unsigned int key)
@cython.locals(size=cython.Py_ssize_t, space=bytearray, out="unsigned char*")
cpdef str unmask_text(bytes data, Py_ssize_t start, Py_ssize_t end, unsigned int key)
@cython.locals(room="unsigned char*")
cpdef bint unmask_onto(
    bytearray out, Py_ssize_t at, bytes data, Py_ssize_t start, Py_ssize_t end, unsigned int key
) except -1
@cython.locals(turn=cython.int)
cpdef unsigned int rotate(unsigned int key, Py_ssize_t size)
@cython.locals(
    octets="const unsigned char*",
    at=cython.Py_ssize_t,
    i=cython.Py_ssize_t,
    block="unsigned char[16]",
    pattern="unsigned char[16]",
    seen="unsigned char[16]",
    bits=cython.int,
)
cdef int apply(unsigned char* out, bytes data, Py_ssize_t start, Py_ssize_t size, unsigned int key) noexcept
cdef bytes _combine(bytes data, unsigned int key)
