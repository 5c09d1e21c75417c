# See native.py: the same in C.

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec


cdef extern from "Python.h":
    void PyErr_SetObject(PyObject* kind, PyObject* value) noexcept
    PyObject* PyExc_StopIteration
    int PyIter_Send(object iterator, object value, PyObject** result) except -1
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1
    cpdef object bound "PyMethod_New" (object function, object instance)
    cpdef int resize "PyByteArray_Resize" (object data, Py_ssize_t size) except -1
    cpdef Py_ssize_t refcount "Py_REFCNT" (object)


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.initializedcheck(False)
cpdef inline bytes copied(unsigned char[::1] cells, Py_ssize_t start, Py_ssize_t stop):
    return PyBytes_FromStringAndSize(<const char*> &cells[0] + start, stop - start)


cpdef inline bytes joined(bytes first, bytes second):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(first)
    cdef Py_ssize_t more = PyBytes_GET_SIZE(second)
    cdef bytes both
    if more == 0:
        return first
    both = PyBytes_FromStringAndSize(NULL, size + more)
    memcpy(PyBytes_AS_STRING(both), PyBytes_AS_STRING(first), size)
    memcpy(PyBytes_AS_STRING(both) + size, PyBytes_AS_STRING(second), more)
    return both


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.initializedcheck(False)
cpdef inline void put(unsigned char[::1] cells, Py_ssize_t start, bytes data, Py_ssize_t size) noexcept:
    memcpy(&cells[0] + start, PyBytes_AS_STRING(data), size)


cpdef inline long long now_ns() noexcept:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1000000000LL + now.tv_nsec


cpdef inline void finish(value) noexcept:
    PyErr_SetObject(PyExc_StopIteration, <PyObject*> value)


cpdef inline object iterator(coroutine):
    return coroutine


cpdef inline object advance(awaited, end):
    cdef PyObject* result = NULL
    cdef object waits_for
    if PyIter_Send(awaited, None, &result) == 0:  # it has returned
        Py_DECREF(<object> result)
        return end
    waits_for = <object> result
    Py_DECREF(waits_for)
    return waits_for


cpdef inline object run(context, function, argument):
    PyContext_Enter(context)
    try:
        return function(argument)
    finally:
        PyContext_Exit(context)
