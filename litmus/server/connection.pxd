cimport cython

from litmus.memory.lease cimport Lease
from litmus.protocols.machine cimport Stream
from litmus.protocols.request cimport Request
from litmus.server.deadlines cimport Wheel
from litmus.server.engine cimport Engine, Outlet
from litmus.server.exchange cimport serve
from litmus.server.scope cimport Client


cdef int _KEEP_ALIVE, _FIRST_BYTE
cdef Py_ssize_t _GATHER_LEAST, _GATHER_MOST
cdef long long _UNKNOWN


cdef class Connection(Outlet):
    cdef Client _client
    cdef int _deadline
    cdef bint _end_output
    cdef Engine _engine
    cdef Py_ssize_t _gather
    cdef int _jitter
    cdef object _late
    cdef Lease _lease
    cdef object _machine
    cdef object _on_lost
    cdef list _out
    cdef Py_ssize_t _out_size
    cdef bint _paused
    cdef long long _progress
    cdef bint _reprieved
    cdef bint _running
    cdef bint _served
    cdef object _transport
    cdef long long _unsent
    cdef bint _waiting
    cdef bint _wake_scheduled
    cdef public long long due
    cdef public long long spoke

    cpdef get_buffer(self, sizehint)
    cpdef buffer_updated(self, Py_ssize_t nbytes)
    cpdef flush(self)
    cpdef abort(self)
    @cython.locals(size=cython.Py_ssize_t)
    cpdef write(self, bytes data)
    @cython.locals(deadline=cython.int, asked=cython.bint, began=cython.longlong)
    cpdef idleness(self)
    cdef _flush_early(self)
    cdef _proceed(self)
    cdef _run(self, Lease lease)
    cdef bint _hand_over(self, successor) except -1
    @cython.locals(deadline=cython.int, ticks=cython.longlong, due=cython.longlong, wheel=Wheel)
    cdef _arm(self)
    cdef _keep(self, Lease lease)
    cdef Lease _leave_window(self, Lease window)
    cdef _move(self, Lease lease, Lease larger)
    cdef Lease _hold(self, Lease lease)
    cdef _wait_for_lease(self)
    cdef _drop_lease(self)
    cdef _pause_reading(self)
    cdef _resume_reading(self)
