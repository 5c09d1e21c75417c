"""Making listening sockets, and saying what is wrong when that fails."""

import errno
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

import psutil

from litmus import unixsockets
from litmus.addresses import Address
from litmus.arbiter.errors import StartupError
from litmus.kinds import spell
from litmus.loading import describe

SocketAddress = tuple[str, int] | tuple[str, int, int, int]


@dataclass(frozen=True)
class Place:
    """A ``[[listen]]`` as messages speak of it: its index, the address, and where it was written (None: a default)."""

    index: int
    bind: str
    origin: str | None

    def error(self, sentence: str) -> StartupError:
        """The sentence with file, key and value in front."""
        return StartupError(describe(self.origin or "default", f"listen.{self.index}.bind", spell(self.bind), sentence))


@dataclass(frozen=True)
class Endpoint:
    """A TCP address as the kernel wants it. ``port`` 0 in ``address`` lets the kernel choose."""

    family: socket.AddressFamily
    address: SocketAddress

    @property
    def port(self) -> int:
        """The port number."""
        return self.address[1]

    def with_port(self, port: int) -> "Endpoint":
        """The same address with another port."""
        if len(self.address) == 4:
            return Endpoint(self.family, (self.address[0], port, *self.address[2:]))
        return Endpoint(self.family, (self.address[0], port))


def resolve(address: Address, place: Place) -> list[Endpoint]:
    """Look up a TCP address: every IP address that a name stands for; all interfaces, IPv4 and IPv6, for no host.

    Names are looked up when a listener is first bound (at start, or when a reload adds it). They should be in
    /etc/hosts: this is the one place where the arbiter may have to wait for a name server.
    """
    try:
        found = socket.getaddrinfo(
            address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
    except socket.gaierror as error:
        raise place.error(
            f"the name {spell(address.host)} has no address ({error.strerror}); write an IP address of this machine"
        ) from error
    endpoints = [Endpoint(family, sockaddr) for family, _, _, _, sockaddr in found]  # type: ignore[arg-type]
    return list(dict.fromkeys(endpoints))


def bind_tcp(endpoint: Endpoint) -> socket.socket:
    """One member of an address's SO_REUSEPORT group, bound but not listening yet. Raises OSError."""
    listener = _tcp_socket(endpoint)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(endpoint.address)
    except OSError:
        listener.close()
        raise
    return listener


def probe(endpoint: Endpoint) -> None:
    """Raise OSError (EADDRINUSE) if somebody listens there.

    With SO_REUSEPORT, another process of this user that has set it as well would not be in the way: both would be
    given a share of the connections. So the first one to bind an address asks without.
    """
    with _tcp_socket(endpoint) as listener:
        listener.bind(endpoint.address)


def _tcp_socket(endpoint: Endpoint) -> socket.socket:
    listener = socket.socket(endpoint.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else connections in TIME_WAIT forbid a restart
    if endpoint.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return listener


def tcp_error(error: OSError, endpoint: Endpoint, place: Place) -> StartupError:
    """Say what keeps ``endpoint`` from being bound, and what would help."""
    host, port = endpoint.address[0], endpoint.port
    match error.errno:
        case errno.EADDRINUSE:
            return place.error(
                f"port {port} is in use{_holder(port)}; stop the one who uses it, or choose another port"
            )
        case errno.EACCES:
            return place.error(
                f"user {os.geteuid()} may not use port {port}; start as root with arbiter.user set, give litmusd "
                "CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities), or choose a port from 1024"
            )
        case errno.EADDRNOTAVAIL:
            return place.error(f"this machine has no address {host}; write one that it has, or leave the host out")
        case _:
            return place.error(f"cannot listen there: {error.strerror}")


def is_missing_address(error: StartupError) -> bool:
    """Whether :func:`tcp_error` was about an address, or a whole address family, that this machine doesn't have."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def _holder(port: int) -> str:
    """Who listens on a port, as far as this user may know. For a worker of another litmusd it is its arbiter.

    Unless that is dead: then the worker's parent is process 1, and the worker itself is the one to stop.
    """
    try:
        for connection in psutil.net_connections("tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == port
                and connection.pid
            ):
                holder = psutil.Process(connection.pid)
                parent = holder.parent()
                if parent is not None and parent.name().startswith("litmus: arbiter"):
                    holder = parent
                return f" by process {holder.pid} ({holder.name()})"
    except (psutil.Error, OSError):
        return ""
    return ""


def bind_unix(path: Path, place: Place) -> socket.socket:
    """A Unix socket, bound but not listening yet. The file a dead process left behind is replaced.

    Raises StartupError, also if somebody answers at ``path``.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        unixsockets.remove_stale(path)
        listener.bind(os.fspath(path))
    except unixsockets.OccupiedError as error:
        listener.close()
        remedy = "stop it" if isinstance(error, unixsockets.AnsweredError) else "move it away"
        raise place.error(f"{error}; {remedy}, or choose another path") from error
    except OSError as error:
        listener.close()
        if isinstance(error, FileNotFoundError):
            raise place.error(f"there is no folder {path.parent}; make it, or choose another path") from error
        if isinstance(error, PermissionError):
            raise place.error(f"user {os.geteuid()} may not make a socket in {path.parent}") from error
        raise place.error(f"cannot listen there: {error.strerror}") from error
    return listener


def take_descriptor(fd: int, place: Place) -> socket.socket:
    """The inherited stream socket with this number. Raises StartupError if it isn't one."""
    try:
        is_socket = stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError as error:
        raise place.error("no such descriptor was inherited; let the parent process pass it on") from error
    if not is_socket:
        raise place.error("that descriptor is not a socket")
    os.set_inheritable(fd, False)
    listener = socket.socket(fileno=fd)
    if listener.type != socket.SOCK_STREAM or not (listener.family == socket.AF_UNIX or listener.getsockname()[1]):
        listener.detach()
        raise place.error("that descriptor is not a stream socket bound to an address")
    return listener


def spelling(listener: socket.socket) -> str:
    """The address a socket is bound to, as ``listen.bind`` would have it."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{name}"
    return str(Address("tcp", host=name[0], port=name[1]))
