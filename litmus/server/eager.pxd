cdef class _Catcher:
    cdef public object step
    cdef public object context


cpdef start_task(loop, coroutine)
