cdef int _REQUESTS_TOTAL, _IN_FLIGHT, _CONNECTIONS_TOTAL, _CONNECTIONS, _RESPONSES
cdef int _BYTES_IN, _BYTES_OUT, _CLOSED_AS_FLOOD, _WEBSOCKETS, _RESPONSES_UNREAD, _STREAMS_REFUSED


cdef class Counters:
    cdef unsigned long long[::1] _cells

    cpdef connection_opened(self)
    cpdef connection_closed(self)
    cpdef request_begun(self)
    cpdef request_refused(self, int status)
    cpdef request_ended(self)
    cpdef responded(self, int status)
    cpdef flooded(self)
    cpdef response_unread(self)
    cpdef stream_refused(self)
    cpdef socket_opened(self)
    cpdef socket_closed(self)
    cpdef received(self, long long size)
    cpdef sent(self, long long size)
