cimport cython

from litmus.memory.counters cimport Counters
from litmus.memory.flight cimport FlightTable
from litmus.memory.lease cimport Lease
from litmus.memory.slab cimport Slab
from litmus.protocols.limits cimport Limits
from litmus.protocols.machine cimport Host
from litmus.protocols.sniff cimport Protocols
from litmus.server.deadlines cimport Wheel
from litmus.server.eager cimport Starter
from litmus.server.sockets cimport Sockets


cdef class Outlet(Host):
    cdef public bint posted

    cpdef flush(self)
    cpdef abort(self)


cdef class Engine:
    cdef readonly object settings
    cdef readonly object loop
    cdef readonly object application
    cdef public dict state
    cdef readonly object seat
    cdef readonly object board
    cdef readonly Counters counters
    cdef readonly FlightTable flight
    cdef readonly Slab slab
    cdef public Lease window
    cdef public Protocols protocols
    cdef set _dropped
    cdef readonly Wheel wheel
    cdef readonly object noise
    cdef readonly object access
    cdef readonly set connections
    cdef readonly set exchanges
    cdef readonly Sockets sockets
    cdef readonly set adopting
    cdef readonly bint draining
    cdef str _cancel
    cdef readonly bint cancels_finished
    cdef public object on_connections_changed
    cdef readonly object context
    cdef readonly Starter starter
    cdef object _clock
    cdef object _idle
    cdef readonly list deadlines
    cdef readonly Limits limits
    cdef readonly long long stall_ticks
    cdef readonly long long request_ticks
    cdef long long _jitter
    cdef readonly bytes date
    cdef long long _second
    cdef list _outbox
    cdef list _leaving

    cpdef post(self, Outlet outlet)
    @cython.locals(outbox=list, outlet=Outlet)
    cpdef _deliver(self)
    cpdef left(self)
    cpdef bint cancels(self, bint unwanted) except -1
    cpdef ended(self, Py_ssize_t entry)
