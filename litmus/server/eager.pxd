from litmus.native cimport advance, iterator, refcount, run

cdef list _caught
cdef object _END


cdef class Starter:
    cdef object _context
    cdef object _loop
    cdef _Spare _spare
    cdef list _variables

    cpdef start(self, caller)


cdef class _Spare:
    cdef object _attributes
    cdef object _get_name
    cdef Py_ssize_t _references
    cdef object begin
    cdef object context
    cdef _Relay relay
    cdef object step
    cdef object task

    cdef bint is_unchanged(self, list variables) except -1


cdef dict _attributes(task)


cdef class _Relay:
    cdef object _awaitable
    cdef object _caller
    cdef object _cancellation
    cdef object _inner
    cdef bint _over
    cdef bint _started
    cdef object _waits_for

    cpdef bint begin(self, caller) except -1
    cdef _cancelled_at_once(self, error)
    cdef _end(self, error)


cdef _iterator(awaitable)
cdef tuple _prepared(loop, coroutine, context)
