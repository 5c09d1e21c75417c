cimport cython

cdef int _OCTET, _COMPLETE, _FAILED
cdef unsigned int _STATE
cdef unsigned long long _BITS
cdef Py_ssize_t _SPACE_SIZE
cdef bytearray _SPACE
cdef unsigned char[257] _LENGTHS
cdef unsigned int[257] _CODES
cdef unsigned int[4096] _STEPS
cdef unsigned char[256] _PADDING


@cython.locals(
    most=cython.Py_ssize_t,
    length=cython.Py_ssize_t,
    space=bytearray,
    out="unsigned char*",
    octet=cython.uchar,
    state=cython.uint,
    seen=cython.uint,
    step=cython.uint,
)
cpdef bytes decode(bytes data)
@cython.locals(
    length=cython.Py_ssize_t, octet=cython.uchar, state=cython.uint, seen=cython.uint, step=cython.uint
)
cpdef Py_ssize_t decoded_size(bytes data) except -1
@cython.locals(
    size=cython.Py_ssize_t,
    space=bytearray,
    out="unsigned char*",
    octet=cython.uchar,
    bits=cython.ulonglong,
    held=cython.int,
    length=cython.Py_ssize_t,
)
cpdef bytes encode(bytes data)
@cython.locals(octet=cython.uchar, bits=cython.Py_ssize_t)
cpdef Py_ssize_t encoded_size(bytes data)
cdef int _check(unsigned int state, unsigned int seen) except -1
