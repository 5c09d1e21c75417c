"""Steering new connections within a SO_REUSEPORT group: away from listeners that close, or that nobody serves.

The kernel picks the listener for a new connection by a hash, unless a program on the group answers with an index.
Ours is a few instructions of classic BPF (no privilege needed): a random number, modulo the number of listeners to
keep, raised by one for each listener to leave out that is not above it. The index counts the group's members in the
order in which they began to listen; when one closes, the last member takes its index (``reuseport_detach_sock`` in the
kernel's net/core/sock_reuseport.c), so the order of the first ones holds as long as only the last ones come and go.

A listener that is closed resets who is queued on it. So before the last ones of an address are closed, another program
drops the SYN of whoever comes, while handshakes under way are still completed: the queue can be emptied for good. Who
was dropped repeats the SYN after a second, and is refused then, or finds the next server.
"""

import ctypes
import errno
import logging
import socket
import struct
from collections.abc import Sequence

# From linux/socket.h and linux/filter.h; the socket module doesn't name them.
_SO_ATTACH_FILTER = 26
_SO_ATTACH_REUSEPORT_CBPF = 51
_SO_DETACH_REUSEPORT_BPF = 68
_LD_B_ABS = 0x30  # BPF_LD | BPF_B | BPF_ABS: load a byte into the accumulator
_LD_W_ABS = 0x20  # BPF_LD | BPF_W | BPF_ABS: load a word into the accumulator
_ALU_MOD_K = 0x94  # BPF_ALU | BPF_MOD | BPF_K: accumulator modulo a constant
_JMP_JGE_K = 0x35  # BPF_JMP | BPF_JGE | BPF_K: skip so many instructions if it is at least a constant, else so many
_JMP_JSET_K = 0x45  # BPF_JMP | BPF_JSET | BPF_K: the same for one that has any of the constant's bits
_ALU_ADD_K = 0x04  # BPF_ALU | BPF_ADD | BPF_K: accumulator plus a constant
_RET_A = 0x16  # BPF_RET | BPF_A: answer with the accumulator
_RET_K = 0x06  # BPF_RET | BPF_K: answer with a constant
_SKF_AD_RANDOM = 0xFFFFF000 + 56  # SKF_AD_OFF (-0x1000) + SKF_AD_RANDOM: "load" a random number

_TCP_FLAGS, _SYN = 13, 0x02  # the byte of the TCP header, which is where a packet begins for a socket's filter
_DROP, _TAKE = 0, 0xFFFFFFFF  # how much of the packet to keep

_INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter: code, jumps if true and if false, constant

_logger = logging.getLogger("litmus")


class Steering:
    """Steers the groups of one server. If the kernel refuses the program, that is logged once and nothing is steered.

    Attributes:
        works: whether the kernel has taken every program so far.
    """

    def __init__(self) -> None:
        self.works = True

    def keep(self, listener: socket.socket, members: Sequence[int]) -> None:
        """Send new connections of ``listener``'s group to these ``members`` alone, in even shares.

        ``members`` are indices (at least one), ascending.
        """
        if not self.works:
            return
        try:
            _attach(listener, _SO_ATTACH_REUSEPORT_CBPF, _choice(members))
        except OSError as error:
            self.works = False
            _logger.warning(
                "the kernel refuses to steer connections (SO_ATTACH_REUSEPORT_CBPF: %s): while the number of workers "
                "changes, some may wait for a worker that starts, or be reset by one that leaves",
                error.strerror,
            )

    def release(self, listener: socket.socket) -> None:
        """Let the kernel choose among all members again. Harmless when nothing was steered."""
        if not self.works:
            return
        try:
            listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_REUSEPORT_BPF, 0)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOPROTOOPT):  # no program there; a kernel older than 5.3
                _logger.warning("the kernel refuses SO_DETACH_REUSEPORT_BPF: %s", error.strerror)

    def turn_away(self, listener: socket.socket) -> None:
        """Let nobody new into the queue of ``listener``, for good."""
        try:
            _attach(listener, _SO_ATTACH_FILTER, _NO_NEWCOMERS)
        except OSError as error:
            _logger.info("the kernel refuses SO_ATTACH_FILTER: %s; who comes last may be reset", error.strerror)


_Instructions = Sequence[tuple[int, int, int, int]]

_NO_NEWCOMERS: _Instructions = (
    (_LD_B_ABS, 0, 0, _TCP_FLAGS),
    (_JMP_JSET_K, 0, 1, _SYN),
    (_RET_K, 0, 0, _DROP),
    (_RET_K, 0, 0, _TAKE),
)


def _attach(listener: socket.socket, option: int, instructions: _Instructions) -> None:
    """Attach a program to a socket. Raises OSError."""
    code = b"".join(_INSTRUCTION.pack(*each) for each in instructions)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(instructions), ctypes.addressof(buffer))  # struct sock_fprog
    listener.setsockopt(socket.SOL_SOCKET, option, program)


def _choice(members: Sequence[int]) -> _Instructions:
    left_out = sorted(set(range(members[-1])).difference(members))
    instructions = [(_LD_W_ABS, 0, 0, _SKF_AD_RANDOM), (_ALU_MOD_K, 0, 0, len(members))]
    for index in left_out:
        instructions += [(_JMP_JGE_K, 0, 1, index), (_ALU_ADD_K, 0, 0, 1)]
    return [*instructions, (_RET_A, 0, 0, 0)]
