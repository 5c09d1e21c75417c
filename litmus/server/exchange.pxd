cimport cython

from litmus.native cimport bound, now_ns
from litmus.protocols.lines cimport RequestLine
from litmus.protocols.machine cimport Sink, Stream
from litmus.protocols.request cimport Request
from litmus.server.engine cimport Engine
from litmus.server.scope cimport Client, http_scope


cdef int _PENDING, _STARTED, _SENDING, _TRAILERS, _COMPLETE
cdef int _RESPONDING, _FINISHING, _HTTP1, _HTTP2


@cython.locals(exchange=Exchange)
cpdef serve(Engine engine, Request request, Stream stream, Client client)


cdef object _RECEIVE, _SEND


cdef class Exchange(Sink):
    cdef readonly Engine engine
    cdef public long long due
    cdef public long long spoke
    cdef object _announced
    cdef bint _body_seen
    cdef Client _client
    cdef bint _cut
    cdef bint _disconnected
    cdef Py_ssize_t _entry
    cdef object _headers
    cdef bint _logged
    cdef bint _overdue
    cdef bint _peer_finished
    cdef object _pushed_back
    cdef Request _request
    cdef int _response
    cdef long long _size
    cdef long long _started_ns
    cdef int _status
    cdef Stream _stream
    cdef object _task
    cdef bint _told
    cdef bint _unwanted
    cdef list _trailers
    cdef object _waiters
    cdef object _writers

    @cython.locals(line=RequestLine, wire=cython.int)
    cdef begin(self, Engine engine, Request request, Stream stream, Client client)
    cdef start(self)
    cpdef call(self)
    cpdef ended(self, error)
    cdef _failed(self, error)
    cpdef receive(self)
    @cython.locals(fields=dict, end=cython.bint)
    cpdef send(self, message)
    cdef _next_message(self)
    cdef dict _disconnect(self)
    cdef _call_off(self)
    cdef _deliver(self)
    cdef _respond(self, status, headers, bytes body, bint end)
    cdef _complete(self)
    cdef _send_last(self, bytes body)
    cdef _send_other(self, kind, dict fields)
    cdef _disarm(self)
    cdef _record(self)
