cdef object _step, _context


cpdef start_task(loop, coroutine)
