"""Steering new connections within a SO_REUSEPORT group: away from listeners that are about to close, or not served yet.

The kernel picks the listener for a new connection by a hash, unless a program on the group answers with an index.
Ours is three instructions of classic BPF (no privilege needed): a random number, modulo the number of listeners to
keep. The index counts the group's members in the order in which they began to listen; when one closes, the last member
takes its index (``reuseport_detach_sock`` in the kernel's net/core/sock_reuseport.c), so the order of the first ones
holds as long as only the last ones come and go.
"""

import ctypes
import errno
import logging
import socket
import struct

# From linux/socket.h and linux/filter.h; the socket module doesn't name them.
_SO_ATTACH_REUSEPORT_CBPF = 51
_SO_DETACH_REUSEPORT_BPF = 68
_LD_W_ABS = 0x20  # BPF_LD | BPF_W | BPF_ABS: load a word into the accumulator
_ALU_MOD_K = 0x94  # BPF_ALU | BPF_MOD | BPF_K: accumulator modulo a constant
_RET_A = 0x16  # BPF_RET | BPF_A: answer with the accumulator
_SKF_AD_RANDOM = 0xFFFFF000 + 56  # SKF_AD_OFF (-0x1000) + SKF_AD_RANDOM: "load" a random number

_logger = logging.getLogger("litmus")


class Steering:
    """Steers the groups of one server. If the kernel refuses the program, that is logged once and nothing is steered.

    Attributes:
        works: whether the kernel has taken every program so far.
    """

    def __init__(self) -> None:
        self.works = True

    def keep(self, listener: socket.socket, first: int) -> None:
        """Send new connections of ``listener``'s group to its ``first`` members (at least 1), in even shares."""
        if not self.works:
            return
        code = b"".join(
            struct.pack("=HBBI", *instruction)
            for instruction in ((_LD_W_ABS, 0, 0, _SKF_AD_RANDOM), (_ALU_MOD_K, 0, 0, first), (_RET_A, 0, 0, 0))
        )
        buffer = ctypes.create_string_buffer(code, len(code))
        program = struct.pack("@HP", 3, ctypes.addressof(buffer))  # struct sock_fprog: count, pointer
        try:
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, program)
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
