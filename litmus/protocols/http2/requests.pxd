cimport cython

from litmus.protocols.http2.decoder cimport Decoder
from litmus.protocols.http2.frames cimport rst_stream
from litmus.protocols.http2.request cimport RequestReader
from litmus.protocols.http2.stream cimport Http2Stream, open_stream
from litmus.protocols.http2.streams cimport Streams
from litmus.protocols.request cimport Request

cdef int _OPEN, _HALF_CLOSED_LOCAL


cdef class Requests(Streams):
    cdef Decoder _decoder
    cdef dict _priorities
    cdef RequestReader _reader
    cdef readonly bint acknowledged
    cdef public int burst
    cdef public bint closing
    cdef readonly bint extended
    cdef readonly unsigned long last
    cdef readonly long long requests

    @cython.locals(request=Request)
    cpdef field_block(self, unsigned long stream_id, bint ended, bytes block)
    @cython.locals(stream=Http2Stream)
    cpdef serve(self, unsigned long stream_id, Request request, bint ended, bytes content)
    cdef _begin(self, unsigned long stream_id)
    @cython.locals(request=Request)
    cdef Request _request(self, unsigned long stream_id, bint ended, bytes block)
    cdef long long _limit(self, Request request) except -1
