cdef class FlightTable:
    cdef object _table
    cdef list _free

    cpdef Py_ssize_t begin(self, object started_ns, int protocol, bytes method, bytes peer, bytes path)
    cpdef phase(self, Py_ssize_t entry, int phase)
    cpdef end(self, Py_ssize_t entry)
