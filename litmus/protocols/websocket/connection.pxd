cimport cython

from litmus.native cimport joined
from litmus.protocols.websocket.deflate cimport Deflater
from litmus.protocols.websocket.frames cimport frame, header
from litmus.protocols.websocket.reading cimport FrameReader

cdef int _OPEN, _CLOSING, _CLOSED
cdef int _OUR_CLOSE, _PEER_CLOSE, _BREACH, _LOST, _ILLEGAL
cdef tuple _NEXT
cdef int _FIN, _RSV1, _TEXT, _BINARY, _CLOSE, _PING, _PONG, _ABNORMAL_CLOSURE
cdef Py_ssize_t _JOIN_LIMIT
cdef object _last_message
cdef bytes _last_frame


cdef class Wire:
    cpdef write(self, bytes data)
    cpdef end(self)


cdef class Receiver:
    cpdef message(self, message)
    cpdef ponged(self, bytes payload)
    cpdef unblocked(self)
    cpdef closed(self, int code, str reason)
    cpdef failed(self, int code, str reason)


cdef class WebSocket(FrameReader):
    cdef readonly int state
    cdef readonly bint blocked
    cdef Wire _wire
    cdef Receiver _receiver
    cdef Deflater _deflater
    cdef Py_ssize_t _threshold
    cdef bytes _pong

    cpdef Py_ssize_t feed(self, bytes data, Py_ssize_t at) except -1
    cpdef eof(self)
    cpdef lost(self)
    cpdef output_blocked(self)
    cpdef output_unblocked(self)
    cpdef send_text(self, str text)
    cpdef send_bytes(self, bytes data)
    cpdef ping(self, bytes payload=*)
    cpdef close(self, int code=*, reason=*)
    cdef _send_again(self)
    @cython.locals(first=cython.int, size=cython.Py_ssize_t, whole=bytes)
    cdef _send(self, int opcode, bytes payload, message)
    @cython.locals(answer=cython.bint)
    cpdef control_arrived(self, int opcode, bytes payload)
    cdef _fail(self, error)
    @cython.locals(state=cython.int)
    cdef _move(self, int event)
