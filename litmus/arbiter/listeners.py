"""The listening sockets of all slots: bound, kept, handed on and closed by the arbiter alone.

A TCP address has one SO_REUSEPORT socket for each slot, which stays open as long as the slot exists: when a worker
dies, what is queued on its socket waits for the successor. Unix sockets and inherited descriptors are one socket that
all slots share.
"""

import grp
import logging
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from litmus import unixsockets
from litmus.arbiter import binding
from litmus.arbiter.binding import Endpoint, Place
from litmus.arbiter.errors import StartupError
from litmus.arbiter.steering import Steering
from litmus.settings import ListenSettings
from litmus.worker import backlog
from litmus.worker.boot import Listener

_logger = logging.getLogger("litmus")


class PortGroup:
    """One TCP address: its SO_REUSEPORT sockets, slot i's at index i."""

    def __init__(self, endpoint: Endpoint, backlog: int, place: Place, *, exclusive: bool) -> None:
        """``exclusive``: make sure first that nobody else listens there."""
        self.endpoint = endpoint
        self.backlog = backlog
        self.place = place
        self.sockets: list[socket.socket] = []
        if exclusive:
            try:
                binding.probe(endpoint)
            except OSError as error:
                raise binding.tcp_error(error, endpoint, place) from error

    @property
    def reachable(self) -> bool:
        """A port can't be taken away."""
        return True

    def of_slot(self, slot: int) -> socket.socket:
        """The socket of a slot."""
        return self.sockets[slot]

    def grow(self, width: int) -> None:
        """Bind and listen until there are ``width`` sockets. Raises StartupError; those bound so far stay."""
        while len(self.sockets) < width:
            try:
                listener = binding.bind_tcp(self.endpoint)
                self.sockets.append(listener)
                listener.listen(self.backlog)
            except OSError as error:
                raise binding.tcp_error(error, self.endpoint, self.place) from error
            # Where the kernel chose the port for the first one, the others follow.
            self.endpoint = self.endpoint.with_port(listener.getsockname()[1])

    def shrink(self, width: int) -> None:
        """Close the last sockets until there are ``width``: the first ones keep their index in the kernel's group."""
        while len(self.sockets) > width:
            self.sockets.pop().close()

    def listen(self, backlog: int) -> None:
        """Change the length of the accept queues."""
        self.backlog = backlog
        for listener in self.sockets:
            listener.listen(backlog)

    def queued(self, slot: int) -> int:
        """How many connections wait to be accepted on a slot's socket."""
        return backlog.queued(self.sockets[slot])

    def close(self) -> None:
        """Close all of them."""
        self.shrink(0)


class SharedSocket:
    """One socket for all slots: a Unix socket, or a descriptor inherited from the parent process.

    ``file``: the path to remove at the end, if it is still the same file then; None for a socket that somebody else
    made.
    """

    def __init__(self, listener: socket.socket, file: Path | None = None) -> None:
        listener.setblocking(False)
        self.socket = listener
        self._file = file
        self._made = _status(file) if file else None
        self._permitted: tuple[int, str] | None = None

    @property
    def reachable(self) -> bool:
        """Whether nobody has taken away the file that we made."""
        if self._file is None:
            return True
        there = _status(self._file)
        return there is not None and self._made is not None and os.path.samestat(there, self._made)

    def of_slot(self, slot: int) -> socket.socket:
        """The socket, whatever the slot."""
        return self.socket

    def grow(self, width: int) -> None:
        """Nothing to do: newcomers share it."""

    def shrink(self, width: int) -> None:
        """Nothing to do."""

    def listen(self, backlog: int) -> None:
        """Listen, or change the length of the accept queue."""
        self.socket.listen(backlog)

    def permit(self, mode: int, group: str) -> None:
        """Give its file the mode and the group, "" for the one it was made with. Raises OSError.

        Only when they have changed: in between, the administrator may have had ideas of his own.
        """
        if self._file is None or self._made is None or self._permitted == (mode, group):
            return
        unixsockets.permit(self._file, mode, grp.getgrnam(group).gr_gid if group else self._made.st_gid)
        self._permitted = mode, group

    def queued(self, slot: int) -> int:
        """Nothing waits for this slot in particular: the others accept it."""
        return 0

    def close(self) -> None:
        """Close it, and remove its file."""
        self.socket.close()
        if self._file and self.reachable:
            self._file.unlink(missing_ok=True)


Member = PortGroup | SharedSocket


@dataclass(frozen=True)
class Opened:
    """A ``[[listen]]`` and its sockets: several, where a name stands for several IP addresses."""

    settings: ListenSettings
    members: tuple[Member, ...]
    asked_for: bool = True
    """False for an inherited socket that the configuration doesn't mention."""


@dataclass(frozen=True)
class Plan:
    """The listeners of one configuration; two plans share the sockets of the addresses they have in common."""

    opened: tuple[Opened, ...] = ()

    @property
    def members(self) -> list[Member]:
        """All members, in the order of the configuration."""
        return [member for opened in self.opened for member in opened.members]

    @property
    def addresses(self) -> list[str]:
        """Where the server can be reached, as ``listen.bind`` would have it, ports resolved."""
        return [binding.spelling(member.of_slot(0)) for member in self.members]

    def of_slot(self, slot: int) -> list[Listener]:
        """What the worker of a slot inherits."""
        return [Listener(each.settings, member.of_slot(slot)) for each in self.opened for member in each.members]


class Listeners:
    """Every listening socket there is.

    A change of configuration is :meth:`plan`, and then :meth:`adopt` or :meth:`discard`. The number of slots changes
    with :meth:`grow` and :meth:`shrink`, for the current plan and one that is not adopted yet alike.
    """

    def __init__(self, inherited: Sequence[socket.socket] = ()) -> None:
        self.current = Plan()
        self.steering = Steering()
        self._inherited = [SharedSocket(listener) for listener in inherited]
        self._open: list[Member] = [*self._inherited]

    def plan(self, listen: Sequence[ListenSettings], origins: Mapping[str, str], width: int) -> Plan:
        """Open what ``listen`` adds to the current plan, for ``width`` slots. Opens nothing if it raises StartupError.

        An inherited socket takes the place of the ``[[listen]]`` with its address; those left over are served as well.
        """
        known: dict[str, list[tuple[Member, ...]]] = {}  # a list, because port 0 may be asked for more than once
        for each in self.current.opened:
            known.setdefault(each.settings.bind, []).append(each.members)
        before = list(self._open)
        opened: list[Opened] = []
        try:
            for index, settings in enumerate(listen):
                place = Place(index, settings.bind, origins.get(f"listen.{index}.bind"))
                same = [members for members in known.get(settings.bind, ()) if all(each.reachable for each in members)]
                members = same[0] if same else self._open_new(settings, place, width)
                if same:
                    known[settings.bind].remove(members)
                if any(member in other.members for member in members for other in opened):
                    raise place.error("another [[listen]] has this address, in other words; remove one of them")
                opened.append(Opened(settings, members))
        except StartupError:
            self._close(member for member in self._open[:] if member not in before)
            raise
        except OSError as error:  # what may happen anywhere: no descriptors, no memory
            self._close(member for member in self._open[:] if member not in before)
            raise place.error(f"cannot listen there: {error.strerror}") from error
        used = {id(member) for each in opened for member in each.members}
        left_over = [member for member in self._inherited if id(member) not in used]
        return Plan((*opened, *(self._unasked(member) for member in left_over)))

    def _open_new(self, settings: ListenSettings, place: Place, width: int) -> tuple[Member, ...]:
        address = settings.address
        if address.kind == "fd":
            return (self._listening(self._by_descriptor(address.fd, place), settings, place),)
        if address.kind == "unix":
            return (self._listening(self._by_path(Path(address.path), place), settings, place),)
        return tuple(self._open_tcp(binding.resolve(address, place), settings, place, width))

    def _open_tcp(self, endpoints: list[Endpoint], settings: ListenSettings, place: Place, width: int) -> list[Member]:
        handed_over: list[Member] = [member for member in self._inherited if _stands_for(member, endpoints)]
        if handed_over:
            return handed_over
        groups: list[Member] = []
        missing: StartupError | None = None
        port = endpoints[0].port
        for endpoint in endpoints:
            try:
                endpoint = endpoint.with_port(port)
                group = self._known_group(endpoint) or self._open_group(endpoint, settings, place, width)
            except StartupError as error:
                # A name, or no host at all, often stands for IPv4 and IPv6 where this machine has only one of them.
                if not binding.is_missing_address(error):
                    raise
                missing = error
            else:
                groups.append(group)
                port = group.endpoint.port  # if the kernel chose it, the other addresses of the name follow
        if not groups and missing is not None:
            raise missing
        return groups

    def _known_group(self, endpoint: Endpoint) -> PortGroup | None:
        """The group that has this address already, perhaps in other words: in the kernel there is only one."""
        groups = (member for member in self._open if isinstance(member, PortGroup))
        return next((group for group in groups if group.endpoint == endpoint), None)

    def _open_group(self, endpoint: Endpoint, settings: ListenSettings, place: Place, width: int) -> PortGroup:
        group = PortGroup(endpoint, settings.backlog, place, exclusive=not self._is_ours(endpoint))
        self._open.append(group)
        try:
            group.grow(width)
        except StartupError:
            self._close([group])
            raise
        return group

    def _is_ours(self, endpoint: Endpoint) -> bool:
        """Whether we listen on that port already, be it on another address: then asking for it alone would fail."""
        return any(isinstance(member, PortGroup) and member.endpoint.port == endpoint.port for member in self._open)

    def _by_descriptor(self, fd: int, place: Place) -> SharedSocket:
        for member in self._inherited:
            if member.socket.fileno() == fd:
                return member
        return SharedSocket(binding.take_descriptor(fd, place))

    def _by_path(self, path: Path, place: Place) -> SharedSocket:
        for member in self._inherited:
            if member.socket.family == socket.AF_UNIX and member.socket.getsockname() == str(path):
                return member
        return SharedSocket(binding.bind_unix(path, place), path)

    def _listening(self, member: SharedSocket, settings: ListenSettings, place: Place) -> SharedSocket:
        if member not in self._open:
            self._open.append(member)
        try:
            member.permit(settings.mode, settings.group)  # first: nobody can connect before it listens
            member.listen(settings.backlog)
        except OSError as error:
            raise place.error(f"cannot listen there: {error.strerror}") from error
        return member

    def _unasked(self, member: SharedSocket) -> Opened:
        return Opened(ListenSettings(bind=binding.spelling(member.socket)), (member,), asked_for=False)

    def adopt(self, plan: Plan) -> None:
        """Make ``plan`` the current one: close what it doesn't have any more, and give each its options."""
        kept = {id(member) for member in plan.members}
        served = {id(member) for member in self.current.members}
        for opened in plan.opened:
            for member in opened.members:
                member.listen(opened.settings.backlog)
                self._permit(member, opened.settings)
                if not opened.asked_for and id(member) not in served:
                    _logger.info("serving the inherited socket %s, which no [[listen]] names", opened.settings.bind)
        self.current = plan
        removed = [member for member in self._open if id(member) not in kept]
        self._turn_away(removed)
        self._close(removed)

    def _permit(self, member: Member, settings: ListenSettings) -> None:
        if isinstance(member, SharedSocket):
            try:
                member.permit(settings.mode, settings.group)
            except OSError as error:
                _logger.error("the permissions of %s cannot be changed: %s", settings.bind, error.strerror)

    def discard(self, plan: Plan) -> None:
        """Close what ``plan`` opened and the current one doesn't have."""
        kept = {id(member) for member in self.current.members}
        self._close(member for member in plan.members if id(member) not in kept)

    def removed_by(self, plan: Plan) -> bool:
        """Whether ``plan`` lacks an address of the current one."""
        kept = {id(member) for member in plan.members}
        return any(id(member) not in kept for member in self.current.members)

    def grow(self, width: int) -> None:
        """Bind sockets for more slots. Raises StartupError; what was bound by then goes with :meth:`shrink`."""
        for member in self._open:
            member.grow(width)

    def shrink(self, width: int) -> None:
        """Close the sockets of all slots from ``width`` on."""
        for member in self._open:
            member.shrink(width)

    def steer(self, slots: Sequence[int]) -> None:
        """Send new connections to these slots (at least one, ascending) alone; shared sockets can't be steered."""
        for member in self._open:
            if isinstance(member, PortGroup) and member.sockets:
                self.steering.keep(member.sockets[0], slots)

    def release(self) -> None:
        """Send new connections to all slots again."""
        for member in self._open:
            if isinstance(member, PortGroup) and member.sockets:
                self.steering.release(member.sockets[0])

    def reserved(self, slot: int) -> list[socket.socket]:
        """The sockets on which connections wait for the worker of this slot alone."""
        return [member.of_slot(slot) for member in self.current.members if isinstance(member, PortGroup)]

    def queued(self, slot: int) -> int:
        """How many connections wait for the worker of a slot."""
        return sum(member.queued(slot) for member in self._open)

    def keep_only(self, listeners: Iterable[Listener]) -> None:
        """In a forked child: close every socket but these. Another slot's would never be closed otherwise."""
        kept = {id(listener.socket) for listener in listeners}
        for member in self._open:
            for each in member.sockets if isinstance(member, PortGroup) else [member.socket]:
                if id(each) not in kept:
                    each.close()

    def turn_away(self) -> None:
        """Let nobody new into any queue, because the server ends. Unix sockets take newcomers until they are closed."""
        self._turn_away(self._open)

    def _turn_away(self, members: Iterable[Member]) -> None:
        for member in members:
            if isinstance(member, PortGroup):
                for listener in member.sockets:
                    self.steering.turn_away(listener)

    def close(self) -> None:
        """Close everything, and remove the files of Unix sockets."""
        self._close(self._open[:])
        self.current = Plan()

    def _close(self, members: Iterable[Member]) -> None:
        for member in members:
            member.close()
            self._open.remove(member)


def _stands_for(member: SharedSocket, endpoints: list[Endpoint]) -> bool:
    """Whether an inherited socket is bound to one of these addresses."""
    if member.socket.family == socket.AF_UNIX:
        return False
    name = member.socket.getsockname()
    return any(member.socket.family == each.family and name[:2] == each.address[:2] for each in endpoints)


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None
