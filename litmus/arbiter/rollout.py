"""Changes of the crew as transactions: a reload, or more workers. Either all of it happens, or nothing.

    prepare  ──>  boot  ──>  commit
       │            │
       └────────────┴─────>  abort: everything is as it was before

The seam for what may come between *boot* and *commit* one day (a canary, a probe, a way back): :class:`Launch` reports
once, when all of the new workers are ready, and until then nobody who served before has been told to go.
"""

import enum
import logging
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from litmus.arbiter import logfiles
from litmus.arbiter.crew import Crew
from litmus.arbiter.errors import SpawnError, StartupError
from litmus.arbiter.listeners import Plan
from litmus.arbiter.slots import Death, Slot, Worker, WorkerState
from litmus.control.messages import Done, Refused, Reply
from litmus.log import LogError
from litmus.settings import Settings

_logger = logging.getLogger("litmus")

OnReady = Callable[[Mapping[Slot, Worker]], None]
OnFailed = Callable[[str, str], None]
Finish = Callable[[Reply], None]


class LaunchState(enum.Enum):
    """How a launch stands."""

    BOOTING = enum.auto()
    READY = enum.auto()
    FAILED = enum.auto()


class Launch:
    """Boots one worker in each of some slots, beside whoever serves there.

    Args:
        width: how many boot side by side.
        on_ready: called once with the workers when all are ready; they are the callee's from then on.
        on_failed: called once with a reason and a detail (a traceback) if any of them fails. All have been dismissed.
    """

    def __init__(
        self,
        crew: Crew,
        slots: Sequence[Slot],
        settings: Settings,
        generation: int,
        plan: Plan,
        width: int,
        on_ready: OnReady,
        on_failed: OnFailed,
    ) -> None:
        self.state = LaunchState.BOOTING
        self._crew = crew
        self._waiting = deque(slots)
        self._settings = settings
        self._generation = generation
        self._plan = plan
        self._width = width
        self._on_ready = on_ready
        self._on_failed = on_failed
        self._workers: dict[Slot, Worker] = {}

    def begin(self) -> None:
        """Fork the first ones. Both callbacks may be called before this returns."""
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and self._booting < self._width:
            slot = self._waiting.popleft()
            try:
                self._workers[slot] = self._crew.fleet.spawn(slot, self._settings, self._generation, self._plan, self)
            except SpawnError as error:
                self.fail(str(error))
                return
        if not self._waiting and all(worker.state is WorkerState.READY for worker in self._workers.values()):
            self.state = LaunchState.READY
            self._on_ready(self._workers)

    @property
    def _booting(self) -> int:
        return sum(worker.state is WorkerState.BOOTING for worker in self._workers.values())

    def worker_ready(self, worker: Worker) -> None:
        """One of them has started."""
        _logger.info("%s [gen %d] is ready after %.1f s", worker, worker.generation, worker.uptime)
        try:
            self._go_on()
        except Exception as error:
            if self.state is not LaunchState.BOOTING:
                raise  # it is over, and whoever was told so is to blame
            self.fail(f"unexpected {type(error).__name__}: {error}", traceback.format_exc().rstrip())

    def worker_gone(self, worker: Worker, death: Death) -> None:
        """One of them died, or told that it cannot start, before all were ready."""
        del self._workers[worker.slot]
        self.fail(f"worker {worker.slot.index}: {death.reason}", death.traceback)

    def fail(self, reason: str, detail: str = "") -> None:
        """Give up."""
        self.state = LaunchState.FAILED
        self._waiting.clear()
        # Addresses that only they listen on go with them, so they sweep them. Of the others they leave the queues to
        # those who stay.
        sweep = self._plan is not self._crew.listeners.current
        for worker in self._workers.values():
            self._crew.dismiss(worker, sweep=sweep)
        self._on_failed(reason, detail)


class Growth:
    """More workers of the same generation."""

    def __init__(self, crew: Crew, width: int, finish: Finish) -> None:
        """``width`` workers boot side by side; ``finish`` is called once, with what came of it."""
        self._crew = crew
        self._width = width
        self._finish = finish
        self._before = crew.width
        self._launch: Launch | None = None

    def begin(self, workers: int) -> None:
        """Grow to ``workers``."""
        crew = self._crew
        missing = workers - self._before
        if crew.fleet.free_seats < missing:
            self._finish(_no_seats(missing, crew.fleet.free_seats))
            return
        try:
            joining = crew.grow(workers)
        except StartupError as error:
            self._finish(Refused(str(error)))
            return
        slots = [slot for slot in joining if slot.worker is None]
        self._launch = Launch(
            crew, slots, crew.settings, crew.generation, crew.listeners.current, self._width, self._commit, self._revert
        )
        self._launch.begin()

    def _commit(self, workers: Mapping[Slot, Worker]) -> None:
        self._crew.take_charge(workers)
        self._finish(Done({"workers": self._crew.width}))

    def _revert(self, reason: str, detail: str) -> None:
        self._crew.retire(self._before)
        self._finish(Refused(f"the new workers did not start: {reason}", detail))

    def abort(self, reason: str, detail: str = "") -> None:
        """Stop in the middle."""
        if self._launch is None:
            self._revert(reason, detail)
        elif self._launch.state is LaunchState.BOOTING:
            self._launch.fail(reason, detail)


class Reload:
    """A new generation with a new configuration.

    Its workers boot beside the old ones and share their accept queues; only when all of them are ready are the old ones
    dismissed. So the number of workers is twice the usual one for a while, and bounded by the seats.
    """

    def __init__(self, crew: Crew, width: int, finish: Finish) -> None:
        """``width`` workers boot side by side; ``finish`` is called once, with what came of it."""
        self._crew = crew
        self._width = width
        self._finish = finish
        self._before = crew.width
        self._plan: Plan | None = None
        self._launch: Launch | None = None

    def begin(self, settings: Settings, workers: int, generation: int) -> None:
        """Open what ``settings`` adds to the listeners, and boot ``workers`` workers."""
        crew = self._crew
        if crew.fleet.free_seats < workers:
            self._finish(_no_seats(workers, crew.fleet.free_seats))
            return
        try:
            logfiles.configure(settings)  # before the fork: workers may lack the right to open its files
            plan = crew.listeners.plan(settings.listen, settings.origins, len(crew.slots))
        except (LogError, StartupError) as error:
            self._restore_log()
            self._finish(Refused(str(error)))
            return
        self._settings, self._generation, self._plan = settings, generation, plan
        try:
            crew.grow(workers)
        except StartupError as error:
            crew.listeners.discard(plan)
            self._restore_log()
            self._finish(Refused(str(error)))
            return
        slots = crew.slots[:workers]
        self._launch = Launch(crew, slots, settings, generation, plan, self._width, self._commit, self._revert)
        self._launch.begin()

    def _commit(self, workers: Mapping[Slot, Worker]) -> None:
        assert self._plan is not None
        self._crew.promote(workers, self._settings, self._generation, self._plan)
        self._finish(Done({"generation": self._generation, "workers": self._crew.width}))

    def _revert(self, reason: str, detail: str) -> None:
        if self._plan is not None:
            self._crew.listeners.discard(self._plan)
        self._crew.retire(self._before)
        self._restore_log()
        self._finish(Refused(f"the new generation did not start: {reason}", detail))

    def _restore_log(self) -> None:
        try:
            logfiles.configure(self._crew.settings)
        except LogError as error:
            _logger.error("the log goes to where the refused configuration wanted it: %s", error)

    def abort(self, reason: str, detail: str = "") -> None:
        """Stop in the middle; the old generation stays in charge."""
        if self._launch is None:
            self._revert(reason, detail)
        elif self._launch.state is LaunchState.BOOTING:
            self._launch.fail(reason, detail)


def _no_seats(wanted: int, free: int) -> Refused:
    return Refused(
        f"{wanted} new workers need as many seats, and only {free} are free: "
        "wait until workers of earlier reloads have drained"
    )
