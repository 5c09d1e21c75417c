from litmus.protocols.request cimport Request


cdef class Sink:
    cpdef body_arrived(self)
    cpdef unblocked(self)
    cpdef peer_finished(self)
    cpdef refused(self, error, long long size)
    cpdef disconnected(self, bint unwanted)


cdef class Stream:
    cdef public bint blocked
    cdef public bint body_complete
    cdef public Sink sink

    cpdef bytes read_body(self)
    cpdef long long respond(self, int status, headers, bytes body, bint end) except -1
    cpdef long long send_body(self, bytes data, bint end) except -1
    cpdef send_interim(self, int status, headers)
    cpdef send_trailers(self, headers)
    cpdef long long outstanding(self) except -1
    cpdef abort(self)


cdef class Timer:
    cdef public long long due
    cdef public long long spoke


cdef class Host:
    cpdef bytes date(self)
    cpdef request(self, Request request, Stream stream)
    cpdef write(self, bytes data)
    cpdef end_output(self)
    cpdef long long outstanding(self) except -1
    cpdef reset(self)
    cpdef consumed(self)
    cpdef wake(self)
    cpdef again(self)
    cpdef arm(self, timer, int deadline)
    cpdef bint is_late(self, timer) except -1
    cpdef disarm(self, timer)
    cpdef flooded(self, str reason)
    cpdef unread(self)
    cpdef overfull(self)
    cpdef failed(self, str reason)
    cpdef interim(self, int status)
    cpdef refused(self, error, bytes head, long long size)
