cimport cython

from litmus.native cimport bound
from litmus.protocols.machine cimport Host, Stream
from litmus.protocols.request cimport Request
from litmus.server.channel cimport Channel, as_bytes
from litmus.server.engine cimport Engine
from litmus.server.established cimport Established
from litmus.server.scope cimport Client
from litmus.server.sockets cimport Sockets

cdef int _CONNECTING, _DENYING, _DENIED, _ACCEPTED
cdef int _NORMAL, _ABNORMAL, _INTERNAL_ERROR, _WEBSOCKET


@cython.locals(session=Session)
cpdef serve(Engine engine, Request request, Stream stream, Client client, Host host)


cdef object _RECEIVE, _SEND


cdef class Session(Channel):
    cdef readonly Established established
    cdef readonly bint left
    cdef bint _accepting
    cdef bint _admitted
    cdef int _code
    cdef bint _connected
    cdef dict _denial
    cdef object _handshake
    cdef Host _host
    cdef str _reason
    cdef bint _running
    cdef bint _settled
    cdef int _state

    cdef begin(self, Engine engine, Request request, Stream stream, Client client, Host host)
    cpdef call(self)
    cpdef ended(self, error)
    cdef named(self)
    cdef next_message(self)
    @cython.locals(established=Established, fields=dict, state=cython.int)
    cpdef send(self, message)
    cdef bint is_blocked(self) except -1
    cpdef leave(self, int code, str reason)
    @cython.locals(established=Established, sockets=Sockets)
    cdef _settle(self)
    cdef _strike_off(self)
    @cython.locals(established=Established, sockets=Sockets)
    cdef _accept(self, subprotocol, headers)
    cdef _deny(self, int status, str reason, headers)
    cdef _deny_more(self, dict message)
    cdef _denied(self)
    cdef _failed(self, error)
    cdef bint _is_abandoned(self) except -1
    cdef _fail(self, str what, int status, str answer, error=*)
    cdef bint _is_unanswered(self) except -1
