cimport cython

from litmus.native cimport bound
from litmus.protocols.machine cimport Stream
from litmus.protocols.request cimport Request
from litmus.server.channel cimport Channel, as_bytes
from litmus.server.engine cimport Engine
from litmus.server.scope cimport Client, http_scope


cdef int _PENDING, _STARTED, _SENDING, _TRAILERS, _COMPLETE
cdef int _RESPONDING, _FINISHING, _HTTP1, _HTTP2


@cython.locals(exchange=Exchange)
cpdef serve(Engine engine, Request request, Stream stream, Client client)


cdef object _RECEIVE, _SEND


cdef class Exchange(Channel):
    cdef object _announced
    cdef bint _body_seen
    cdef bint _disconnected
    cdef object _headers
    cdef bint _overdue
    cdef bint _peer_finished
    cdef int _response
    cdef bint _unwanted
    cdef list _trailers

    cdef begin(self, Engine engine, Request request, Stream stream, Client client)
    cdef start(self)
    cpdef call(self)
    cpdef ended(self, error)
    cdef _failed(self, error)
    @cython.locals(fields=dict, end=cython.bint)
    cpdef send(self, message)
    cdef next_message(self)
    cdef bint is_blocked(self) except -1
    cdef dict _disconnect(self)
    cdef _call_off(self)
    cdef _respond(self, status, headers, bytes body, bint end)
    cdef _complete(self)
    cdef _send_last(self, bytes body)
    cdef _send_other(self, kind, dict fields)
