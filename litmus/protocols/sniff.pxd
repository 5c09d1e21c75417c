from litmus.memory.lease cimport Lease
from litmus.protocols.http1 cimport Http1
from litmus.protocols.http2.request cimport RequestReader
from litmus.protocols.limits cimport Limits
from litmus.protocols.machine cimport Host
from litmus.protocols.request cimport HeadParser

cdef bytes _BEGINNING
cdef Py_ssize_t _ENOUGH


cdef class Protocols:
    cdef HeadParser _parser
    cdef object _upgrade
    cdef bint _websockets
    cdef readonly RequestReader reader

    cpdef first(self, Host host, Limits limits, negotiated)
    cpdef http1(self, Host host, Limits limits)


cdef class Sniffer:
    cdef Host _host
    cdef Protocols _protocols
    cdef Limits _limits
    cdef bint _draining
    cdef readonly bint hungry
    cdef public Lease lease

    cpdef received(self, Lease lease)
