cdef class WebSocketLimits:
    cdef readonly Py_ssize_t message
    cdef readonly Py_ssize_t frame
    cdef readonly Py_ssize_t fragments
