cimport cython

from litmus.native cimport resize
from litmus.protocols.websocket.deflate cimport Inflater
from litmus.protocols.websocket.limits cimport WebSocketLimits
from litmus.protocols.websocket.masking cimport rotate, unmask, unmask_onto, unmask_text

cdef int _CONTINUATION, _TEXT, _BINARY, _CLOSE, _PONG
cdef int _FIN, _RSV1, _RESERVED, _OPCODE, _MASKED, _CONTROL_LIMIT
cdef int _PROTOCOL_ERROR, _INVALID_PAYLOAD, _TOO_BIG
cdef Py_ssize_t _LONGEST_BEGINNING


cdef class FrameReader:
    cdef public bint paused
    cdef readonly bint dropping
    cdef WebSocketLimits _limits
    cdef Inflater _inflater
    cdef bytes _partial
    cdef bint _inside
    cdef bint _fin
    cdef unsigned int _key
    cdef Py_ssize_t _remaining
    cdef int _opcode
    cdef bint _compressed
    cdef Py_ssize_t _fragments
    cdef bytearray _held
    cdef Py_ssize_t _size
    cdef bytes _tail

    @cython.locals(end=cython.Py_ssize_t)
    cpdef Py_ssize_t read(self, bytes data, Py_ssize_t at) except -1
    cpdef drop(self)
    cpdef bint under_way(self) except -1
    cpdef message_arrived(self, message)
    cpdef control_arrived(self, int opcode, bytes payload)
    @cython.locals(
        octets="const unsigned char*",
        left=cython.Py_ssize_t,
        first=cython.int,
        second=cython.int,
        opcode=cython.int,
        size=cython.Py_ssize_t,
        start=cython.Py_ssize_t,
        wide=cython.int,
        key=cython.uint,
    )
    cdef Py_ssize_t _read_frame(self, bytes data, Py_ssize_t at, Py_ssize_t end) except -1
    @cython.locals(opcode=cython.int, allowed=cython.int)
    cdef _check(self, int first)
    @cython.locals(size=cython.ulonglong)
    cdef Py_ssize_t _long_size(self, bytes data, Py_ssize_t at, int wide) except -1
    @cython.locals(limits=WebSocketLimits, held=cython.Py_ssize_t, compressed=cython.bint)
    cdef int _admit(self, int first, Py_ssize_t size) except -1
    cdef Py_ssize_t _keep(self, bytes data, Py_ssize_t at, Py_ssize_t end) except -1
    @cython.locals(kept=bytes, beginning=bytes)
    cdef Py_ssize_t _complete(self, bytes data, Py_ssize_t at) except -1
    @cython.locals(
        remaining=cython.Py_ssize_t,
        whole=cython.bint,
        stop=cython.Py_ssize_t,
        last=cython.bint,
        key=cython.uint,
        text=cython.bint,
    )
    cdef Py_ssize_t _read_payload(self, bytes data, Py_ssize_t at, Py_ssize_t end) except -1
    @cython.locals(text=str)
    cdef _deliver_text(self, bytes data, Py_ssize_t at, Py_ssize_t stop, unsigned int key)
    @cython.locals(start=cython.Py_ssize_t, held=bytearray, plain=cython.bint)
    cdef _add(self, bytes data, Py_ssize_t at, Py_ssize_t stop, unsigned int key, bint last)
    @cython.locals(start=cython.Py_ssize_t, held=bytearray, text=cython.bint)
    cdef _add_compressed(self, bytes piece, bint last)
    @cython.locals(held=bytearray, more=cython.Py_ssize_t)
    cdef _make_room(self, Py_ssize_t size)
    @cython.locals(held=bytearray, text=cython.bint)
    cdef _finish(self)
    @cython.locals(size=cython.Py_ssize_t)
    cdef _check_text(self, bytes piece)


cdef str _decode(data)
