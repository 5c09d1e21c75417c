cdef list _caught


cpdef start_task(loop, coroutine)
