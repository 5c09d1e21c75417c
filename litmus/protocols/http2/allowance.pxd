from litmus.protocols.machine cimport Host, Timer

cdef int _ALLOWANCE


cdef class Allowance(Timer):
    cdef Host _host
    cdef readonly int left

    cpdef spend(self, int cost, str what)
    cpdef earn(self, int amount)
