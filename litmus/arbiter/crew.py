"""The slots and who is in charge of them: kept served, opened, and closed without losing a connection."""

import functools
import logging
from collections.abc import Callable, Mapping

from litmus.arbiter import obituary
from litmus.arbiter.errors import SpawnError
from litmus.arbiter.fleet import Fleet
from litmus.arbiter.listeners import Listeners, Plan
from litmus.arbiter.slots import Death, Phase, Slot, Worker, WorkerState
from litmus.arbiter.stalls import Stalls
from litmus.arbiter.timings import Backoff
from litmus.settings import Settings
from litmus.units import count

BOOT_TRIES = 3
"""How often a worker may crash at the first start before the server gives up."""

SWEEP_TRIES = 3
"""How many workers are forked to serve what is queued on a slot that is being closed, if they keep dying."""

_logger = logging.getLogger("litmus")


class Crew:
    """The workers in charge, one for each slot, and their configuration.

    It replaces those that die, with a pause that grows. Until the first worker of all has become ready, a boot that
    fails is the end: a server that cannot start should say so rather than try for ever.

    Attributes:
        slots: by index. Those that take part come first, then those that are joining or leaving.
        settings, generation: what replacements are started with.

    Args:
        on_proven: called once, when the first worker of all is ready.
        on_complete: called once, when every slot has been served.
        on_fatal: called, before any worker was ever ready, with the reason why there won't be one.
        on_trimmed: called when slots have been closed.
    """

    def __init__(
        self,
        fleet: Fleet,
        listeners: Listeners,
        settings: Settings,
        on_proven: Callable[[], None],
        on_complete: Callable[[], None],
        on_fatal: Callable[[str], None],
        on_trimmed: Callable[[], None],
    ) -> None:
        self.fleet = fleet
        self.listeners = listeners
        self.settings = settings
        self.generation = 1
        self.slots: list[Slot] = []
        self._timings = fleet.timings
        self._departures = Departures(self)
        self._stalls = Stalls(fleet.segment, self._timings.stalled)
        self._full: set[Worker] = set()
        self._on_proven = on_proven
        self._on_complete = on_complete
        self._on_fatal = on_fatal
        self._on_trimmed = on_trimmed
        self._proven = False
        self._unserved: set[Slot] = set()
        self._stopping = False

    @property
    def width(self) -> int:
        """How many slots take part: what ``scale`` set, or the configuration."""
        return sum(slot.phase is Phase.OPEN for slot in self.slots)

    def start(self, count: int) -> None:
        """Fork the first generation. The listeners are open already."""
        self.slots = [Slot(index, Backoff(self._timings)) for index in range(count)]
        self._unserved = set(self.slots)
        for slot in self.slots:
            self._fork(slot)
        self._look()

    # Those in charge

    def worker_ready(self, worker: Worker) -> None:
        """One of those in charge has started."""
        _logger.info("%s [gen %d] is ready after %.1f s", worker, worker.generation, worker.uptime)
        if not self._proven:
            self._proven = True
            self._on_proven()
        if worker.slot.phase is Phase.LEAVING:
            self._close_when_done(worker.slot)
        self._arrange()
        self._served(worker.slot)

    def _served(self, *slots: Slot) -> None:
        """These need not be waited for any more to call the start complete."""
        if self._unserved and not self._unserved.difference(slots):
            self._on_complete()
        self._unserved.difference_update(slots)

    def worker_gone(self, worker: Worker, death: Death) -> None:
        """One of those in charge died: replace him, if his slot has a future."""
        slot = worker.slot
        slot.worker = None
        if self._stopping:
            return  # the reason for that has been told
        self._arrange()
        if slot.phase is Phase.LEAVING:
            obituary.publish(worker, death)
            self._close_when_done(slot)
            return
        pause = slot.backoff.after(death.served)
        if not self._proven and death.boot_failed:
            self._on_fatal(f"the application cannot be started: {death.reason}\n{death.traceback}".rstrip())
        elif not self._proven and slot.backoff.failures >= BOOT_TRIES:
            self._on_fatal(f"no worker can be started: {count(slot.backoff.failures, 'time')}, one {death.reason}")
        else:
            obituary.publish(worker, death, f"the next one starts in {pause:g} s" if pause else "the next one starts")
            self._fork_later(slot, pause)

    def _fork_later(self, slot: Slot, pause: float) -> None:
        slot.set_timer(self.fleet.reactor.call_later(pause, functools.partial(self._fork, slot)))

    def _fork(self, slot: Slot) -> None:
        """Put a worker in charge of a slot; if the kernel won't give one, try again later."""
        slot.set_timer(None)
        if self._stopping:
            return
        try:
            plan = self.listeners.current
            slot.worker = self.fleet.spawn(slot, self.settings, self.generation, plan, self)
        except SpawnError as error:
            pause = slot.backoff.after(0.0)
            if not self._proven and slot.backoff.failures >= BOOT_TRIES:
                self._on_fatal(str(error))
                return
            _logger.error("slot %d has no worker: %s; the next try is in %g s", slot.index, error, pause)
            self._fork_later(slot, pause)

    def _look(self) -> None:
        """See who is stuck or full, again and again."""
        if self._stopping:
            return
        self.fleet.reactor.call_later(self._timings.look, self._look)
        serving = [slot.worker for slot in self.slots if slot.worker is not None and slot.served]
        before, self._full = self._full, set(filter(self._is_full, serving))
        if self._stalls.look(serving) or self._full != before:
            self._arrange()

    def is_stuck(self, worker: Worker) -> bool:
        """Whether its loop did not turn when it was last looked at."""
        return worker in self._stalls

    def _is_full(self, worker: Worker) -> bool:
        """Whether it has no room for more connections, by its own account."""
        return bool(self.fleet.segment.seat(worker.seat).scoreboard.full)

    def _accepts(self, slot: Slot) -> bool:
        """Whether a slot has a worker that was neither stuck nor full when it was last looked at."""
        return slot.served and slot.worker not in self._stalls and slot.worker not in self._full

    # Changes of generation

    def promote(self, successors: Mapping[Slot, Worker], settings: Settings, generation: int, plan: Plan) -> None:
        """Put workers that are ready in charge of their slots and dismiss those before them: the end of a reload.

        ``successors`` are those of the first slots; the slots after them are closed.
        """
        # Whoever served an address that is gone is the last to accept what is queued there.
        sweep = self.listeners.removed_by(plan)
        self.listeners.adopt(plan)
        self.settings, self.generation = settings, generation
        for predecessor in self.take_charge(successors):
            self.dismiss(predecessor, sweep=sweep)
        self.retire(len(successors))
        self._served(*successors)

    def dismiss(self, worker: Worker, *, sweep: bool) -> None:
        """Let a worker go that is in charge no more, or never came to be."""
        worker.owner = self._departures
        worker.slot.leavers.add(worker)
        worker.drain(self.settings.timeouts.drain, sweep=sweep)

    # Changes of width

    def grow(self, count: int) -> list[Slot]:
        """Add slots until there are ``count``, and return those that join, not to take part before :meth:`take_charge`.

        New connections are steered around them. Slots that are leaving are taken back first, with the worker that has
        not been dismissed yet if there is one. Raises StartupError if an address can't be bound once more; then all is
        as before.
        """
        before = self.width
        for slot in self.slots[before:count]:
            slot.set_timer(None)
            slot.phase = Phase.JOINING
        self.slots += [Slot(i, Backoff(self._timings), Phase.JOINING) for i in range(len(self.slots), count)]
        self._arrange()  # first: a socket belongs to its group, and is given connections, as soon as it listens
        try:
            self.listeners.grow(len(self.slots))
        except Exception:
            self.retire(before)
            raise
        return [slot for slot in self.slots[:count] if slot.phase is Phase.JOINING]

    def take_charge(self, successors: Mapping[Slot, Worker]) -> list[Worker]:
        """Put workers that are ready in charge of their slots, and return those who were so far.

        All slots that were joining take part from now on.
        """
        predecessors = []
        for slot, successor in successors.items():
            if slot.worker is not None:
                predecessors.append(slot.worker)
            slot.worker, successor.owner = successor, self
            slot.backoff = Backoff(self._timings)
            slot.set_timer(None)
        for slot in self.slots:
            if slot.phase is Phase.JOINING:
                slot.phase = Phase.OPEN
        self._arrange()
        return predecessors

    def retire(self, count: int) -> None:
        """Close all slots but the first ``count``.

        New connections are steered away; when handshakes under way have had the time to be completed, their workers
        sweep the queues and drain; and when those have left, the sockets are closed.
        """
        for slot in self.slots[count:]:
            if slot.phase is Phase.LEAVING:
                continue
            delay = self._timings.settle if slot.phase is Phase.OPEN else 0.0
            slot.phase = Phase.LEAVING
            slot.sweeps = 0
            slot.set_timer(self.fleet.reactor.call_later(delay, functools.partial(self._settled, slot)))
        self._arrange()
        self._served(*self.slots[count:])

    def _settled(self, slot: Slot) -> None:
        slot.set_timer(None)
        self._close_when_done(slot)

    def _close_when_done(self, slot: Slot) -> None:
        """Something happened on a leaving slot: dismiss its worker if it has one, and close what is empty."""
        if slot.timer is not None:
            return  # not settled yet
        worker = slot.worker
        if worker is not None and (worker.state is WorkerState.READY or not self.listeners.queued(slot.index)):
            slot.worker = None
            self.dismiss(worker, sweep=True)
        self.trim()

    def trim(self) -> None:
        """Close the leaving slots at the end on which nobody is left, and nothing is queued."""
        if self._stopping:
            return
        before = len(self.slots)
        while self.slots and self.slots[-1].phase is Phase.LEAVING and not self.slots[-1].busy:
            last = self.slots[-1]
            if self.listeners.queued(last.index) and self._sweep(last):
                break
            self.slots.pop()
        if len(self.slots) < before:
            self.listeners.shrink(len(self.slots))
            self._arrange()
            self._on_trimmed()

    def _sweep(self, slot: Slot) -> bool:
        """Fork a worker for the connections that the last one left behind when it died. False: give them up."""
        if slot.sweeps >= SWEEP_TRIES:
            queued = count(self.listeners.queued(slot.index), "connection")
            _logger.error("slot %d is closed with %s queued", slot.index, queued)
            return False
        slot.sweeps += 1
        try:
            slot.worker = self.fleet.spawn(slot, self.settings, self.generation, self.listeners.current, self)
        except SpawnError as error:
            _logger.error("slot %d is closed with connections queued: %s", slot.index, error)
            return False
        return True

    def _arrange(self) -> None:
        """Who is served has changed: let nobody wait for a slot without a worker, or with one that is stuck or full, if
        others serve.

        New connections go to the slots that take part and are served; what was queued on the others before, or is by
        a kernel that can't be steered, the workers of those accept as well.
        """
        if self._stopping:
            return
        taking_part = [slot for slot in self.slots if slot.phase is Phase.OPEN]
        served = [slot for slot in taking_part if self._accepts(slot)]
        choice = served or taking_part
        if 0 < len(choice) < len(self.slots):
            self.listeners.steer([slot.index for slot in choice])
        else:
            self.listeners.release()
        vacant = set(taking_part).difference(served)
        for slot in served:
            assert slot.worker is not None
            for other in slot.worker.standing_in - vacant:
                slot.worker.stand_down(other)
            for other in vacant - slot.worker.standing_in:
                slot.worker.stand_in(other, self.listeners.reserved(other.index))

    # The end

    def shut_down(self, *, drain: bool) -> None:
        """Replace nobody from now on, close the listeners, and let everybody drain (or leave them as they are).

        The workers have the listening sockets too, and sweep them: nobody new is let in, and here they are closed so
        that new connections are refused when the workers have closed theirs, not queued for nobody.
        """
        self._stopping = True
        self.listeners.turn_away()
        for slot in self.slots:
            slot.set_timer(None)
            if drain and slot.worker is not None:
                self.dismiss(slot.worker, sweep=True)
                slot.worker = None
        self.listeners.close()


class Departures:
    """Answers for the workers that were dismissed."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def worker_ready(self, worker: Worker) -> None:
        """Nobody waits for it any more."""

    def worker_gone(self, worker: Worker, death: Death) -> None:
        """Its slot may be closed now, if it is leaving."""
        worker.slot.leavers.discard(worker)
        if death.boot_failed:  # the first one of them was told of in full by whoever gave it up
            _logger.info("%s [gen %d] failed to boot, too: %s", worker, worker.generation, death.reason)
        else:
            obituary.publish(worker, death)
        self._crew.trim()
