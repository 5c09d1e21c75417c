cdef class Limits:
    cdef readonly Py_ssize_t request_line
    cdef readonly Py_ssize_t header_section
    cdef readonly Py_ssize_t unquestioned
    cdef readonly long long body
    cdef readonly long long body_progress
    cdef readonly long long requests
    cdef readonly int pipelined
    cdef readonly Py_ssize_t streams
    cdef readonly long long window
    cdef readonly dict hosts

    cpdef long long body_with(self, headers) except -1
