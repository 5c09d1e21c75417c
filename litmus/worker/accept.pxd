cimport cython

from litmus.native cimport advance, iterator
from litmus.server.connection cimport Connection
from litmus.server.engine cimport Engine
from litmus.server.scope cimport Client
from litmus.worker.backlog cimport Accepted


cdef class _Opening:
    cdef Connection _connection
    cdef object _coroutine
    cdef object _on_end
    cdef readonly _Visit visit

    cpdef run(self, on_end)
    cdef _end(self, error)


cdef class _Visit:
    cdef str _host
    cdef dict _visits

    cpdef end(self)


cdef class Acceptor:
    cdef Engine _engine
    cdef object _others_have_room
    cdef list _own
    cdef dict _others
    cdef Py_ssize_t _capacity
    cdef dict _terms
    cdef object _room
    cdef object _refusals
    cdef object _notices
    cdef long long _patience
    cdef long long _patience_ends
    cdef str _root_path
    cdef Py_ssize_t _most_visits
    cdef dict _visits
    cdef bint _open
    cdef bint _accepting
    cdef object _arrived
    cdef public long long due
    cdef public long long spoke

    cdef Py_ssize_t _number(self) except -1
    cdef _resume(self)
    cdef _watch(self, listener)
    cdef _pause(self)
    cdef bint _make_room(self, Py_ssize_t waiting) except -1
    cdef _end_of_full(self)
    cdef Py_ssize_t _refuse_some(self) except -1
    @cython.locals(engine=Engine, client=Client, connection=Connection, opening=_Opening)
    cdef _receive(self, Accepted accepted, door)
