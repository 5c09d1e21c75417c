from litmus.memory.counters cimport Counters
from litmus.protocols.websocket.limits cimport WebSocketLimits


cdef class Sockets:
    cdef Counters _counters
    cdef long long _most
    cdef set _open
    cdef object _origins
    cdef long long _taken
    cdef long long _turn
    cdef long long _window
    cdef readonly WebSocketLimits limits
    cdef readonly Py_ssize_t queue
    cdef readonly long long close_ticks
    cdef readonly long long handshake_ticks
    cdef readonly long long idle_ticks
    cdef readonly long long ping_ticks
    cdef readonly long long pong_ticks
