"""What the arbiter hands to a worker across the fork."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from typing import NamedTuple

from litmus.memory.segment import Segment
from litmus.settings import ListenSettings, Settings


class Listener(NamedTuple):
    """A listening socket and the configuration it comes from."""

    settings: ListenSettings
    socket: socket.socket


@dataclass
class Boot:
    """One worker's place and means.

    Attributes:
        slot: which slot it serves.
        seat: index of its seat in the segment.
        generation: which generation of workers it belongs to.
        listeners: the sockets to accept from. They belong to the arbiter; the worker closes only its copies.
        pipe: the worker's end of its control pipe.
        segment: the shared segment.
        arena: the memory of its slab.
        arbiter: the arbiter's pid: this is made there, before the fork.
    """

    slot: int
    seat: int
    generation: int
    settings: Settings
    listeners: list[Listener]
    pipe: socket.socket
    segment: Segment
    arena: memoryview
    arbiter: int = field(default_factory=os.getpid)
