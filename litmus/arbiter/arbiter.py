"""The arbiter: binds, forks, watches, and does what signals and the control socket tell it. No application code."""

import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, MutableMapping
from typing import Any

from setproctitle import setproctitle

import litmus
from litmus import build, log
from litmus.arbiter import logfiles
from litmus.arbiter.changes import Changes, ReplyCallback, workers_wanted
from litmus.arbiter.checks import check_privileges, shortcomings
from litmus.arbiter.crew import Crew
from litmus.arbiter.errors import StartupError
from litmus.arbiter.fleet import Fleet
from litmus.arbiter.fork import WorkerMain
from litmus.arbiter.listeners import Listeners
from litmus.arbiter.pidfile import PidFile
from litmus.arbiter.reactor import Reactor
from litmus.arbiter.signals import SignalInbox
from litmus.arbiter.systemd import Notifier, inherited_sockets
from litmus.arbiter.timings import Timings
from litmus.control.messages import Done, ReopenLogs
from litmus.control.place import PlaceError, default_path
from litmus.control.server import ControlServer
from litmus.log import LogError
from litmus.memory.report import report
from litmus.memory.segment import Segment
from litmus.settings import Settings
from litmus.units import count
from litmus.worker import worker as worker_module
from litmus.worker.signals import ORDERS

__all__ = ["Arbiter", "StartupError"]

_logger = logging.getLogger("litmus")


class Arbiter:
    """One server: made from a configuration, and run once.

    Args:
        settings: the configuration to start with.
        reload_settings: reads it again; raises ConfigError.
        worker_main: what a forked child becomes.
        environ: where systemd has left its variables; LISTEN_FDS and its like are removed.
        timings: how long the arbiter waits for this and that.
    """

    def __init__(
        self,
        settings: Settings,
        reload_settings: Callable[[], Settings],
        *,
        worker_main: WorkerMain = worker_module.main,
        environ: MutableMapping[str, str] | None = None,
        timings: Timings | None = None,
    ) -> None:
        self._settings = settings
        self._reload_settings = reload_settings
        self._worker_main = worker_main
        self._environ = os.environ if environ is None else environ
        self._timings = timings or Timings()
        self._held = contextlib.ExitStack()
        self._prepared = False
        self._state = "starting"
        self._failure: str | None = None

    # Start and end

    def prepare(self) -> None:
        """Take what the server needs: log, sockets, memory. Raises StartupError; nothing is left behind then."""
        settings = self._settings
        check_privileges(settings)
        try:
            logfiles.configure(settings)
            inherited = inherited_sockets(self._environ)
        except (LogError, ValueError) as error:
            raise StartupError(str(error)) from error
        self._pidfile = _pidfile(settings)
        if self._pidfile is not None:
            self._pidfile.check()
        self._workers = workers_wanted(settings)
        with contextlib.ExitStack() as held:
            try:
                self._take(settings, inherited, held)
            except PlaceError as error:
                raise StartupError(str(error)) from error
            except OSError as error:  # what may happen anywhere: no descriptors, no memory
                raise StartupError(f"the system does not give what the server needs: {error.strerror}") from error
            self._held = held.pop_all()
        self._prepared = True

    def _take(self, settings: Settings, inherited: list[socket.socket], held: contextlib.ExitStack) -> None:
        self._listeners = Listeners(inherited)
        held.callback(self._listeners.close)
        self._reactor = Reactor()
        held.callback(self._reactor.close)
        self._listeners.adopt(self._listeners.plan(settings.listen, settings.origins, self._workers))
        path = settings.arbiter.control or default_path(settings.source, self._environ)
        self._control = ControlServer(path, self, self._reactor)
        held.callback(self._control.close)
        self._segment = Segment()
        self._segment.header.arbiter_pid = os.getpid()
        self._segment.header.generation = 1
        self._segment.header.compiled = build.compiled()
        log.count_losses(self._segment.header.count_lost_lines)
        self._notifier = Notifier(self._environ)
        held.callback(self._notifier.close)

    @property
    def addresses(self) -> list[str]:
        """Where the server listens, once it is prepared; ports are resolved."""
        return self._listeners.current.addresses

    @property
    def workers(self) -> int:
        """How many workers it starts with, once it is prepared; "auto" is resolved."""
        return self._workers

    def run(self) -> int:
        """Serve until told to stop. Returns the exit code; raises StartupError if no worker could ever be started."""
        if not self._prepared:
            self.prepare()
        self._inbox = SignalInbox()
        self._reactor.watch(self._inbox.fileno(), self._take_signals)
        self._fleet = Fleet(
            self._reactor,
            self._segment,
            self._listeners,
            self._worker_main,
            self._timings,
            let_go=self._let_go,
            on_change=self._stop_when_empty,
        )
        self._crew = Crew(
            self._fleet,
            self._listeners,
            self._settings,
            on_proven=lambda: self._changes.allow(),
            on_complete=self._complete,
            on_fatal=self._give_up,
            on_trimmed=lambda: self._changes.slots_closed(),
        )
        self._changes = Changes(
            self._crew, self._reload_settings, on_reload=self._notifier.reloading, on_end=self._changed
        )
        try:
            self._watch_dog()
            self._show()
            addresses = ", ".join(self.addresses)
            _logger.info(
                "litmus %s starts %s, listening at %s", litmus.__version__, count(self._workers, "worker"), addresses
            )
            for shortcoming in shortcomings(self._settings):
                _logger.warning("%s", shortcoming)
            self._crew.start(self._workers)
            self._reactor.run()
        finally:
            self.close()
            self._inbox.close()  # last: until then a signal does no harm
        if self._failure is not None:
            raise StartupError(self._failure)
        _logger.info("stopped")
        return 0

    def _let_go(self) -> None:
        """In a child: close what is the arbiter's own and not known to the reactor."""
        self._inbox.abandon()
        self._control.detach()
        self._notifier.close()
        if self._pidfile is not None:
            self._pidfile.let_go()

    def _complete(self) -> None:
        """Every slot has been served for the first time."""
        if self._pidfile is not None:
            try:
                self._pidfile.write()
                self._held.callback(self._pidfile.remove)
            except OSError as error:
                _logger.error("arbiter.pidfile = %s: cannot be written: %s", self._pidfile.path, error.strerror)
        self._state = "running"
        self._changed()

    def _changed(self) -> None:
        """The server is up, or has become another one: tell the log, the process list and systemd."""
        self._segment.header.generation = self._crew.generation
        self._show()
        if self._state == "running":
            _logger.info("%s", self._summary())
            self._notifier.ready(self._summary())

    def _give_up(self, reason: str) -> None:
        """No worker was ever ready, and none will be."""
        if self._failure is None:
            self._failure = reason
            self._state = "stopping"
            self._crew.shut_down(drain=False)
            self._fleet.stop_all(self._timings.quit_grace)
            self._stop_when_empty()

    def _shut_down(self) -> None:
        """Drain, and stop when the last worker has left."""
        self._state = "stopping"
        _logger.info("stopping: %s to drain", count(len(self._fleet.workers), "worker"))
        self._notifier.stopping()
        self._changes.forbid("the server is stopping")
        self._crew.shut_down(drain=True)
        self._show()
        self._stop_when_empty()

    def _shut_down_now(self) -> None:
        """Stop, whatever is under way."""
        if self._state != "stopping":
            self._shut_down()
        _logger.info("stopping at once")
        self._fleet.stop_all(self._timings.quit_grace)

    def _stop_when_empty(self) -> None:
        if self._state == "stopping" and not self._fleet.workers:
            self._reactor.stop()

    def close(self) -> None:
        """Let go of everything: at the end of :meth:`run`, or instead of it."""
        self._held.close()

    def _watch_dog(self) -> None:
        interval = self._notifier.watchdog_interval
        if interval is not None:
            self._notifier.watchdog()
            self._reactor.call_later(interval, self._watch_dog)

    # Signals

    def _take_signals(self) -> None:
        for number in self._inbox.read():
            if number in ORDERS:
                _logger.info("received %s", number.name)
            match number:
                case signal.SIGCHLD:
                    self._fleet.reap_strangers()
                case signal.SIGTERM | signal.SIGINT:
                    if self._state == "stopping":
                        self._shut_down_now()
                    else:
                        self._shut_down()
                case signal.SIGQUIT:
                    self._shut_down_now()
                case signal.SIGHUP:
                    self._changes.reload_when_possible()
                case signal.SIGTTIN:
                    self._changes.scale_when_possible(+1)
                case signal.SIGTTOU:
                    self._changes.scale_when_possible(-1)
                case signal.SIGUSR1:
                    log.reopen()  # first: it makes new files, and gives them to those who are told then
                    self._fleet.tell_all(ReopenLogs())
                case _:
                    _logger.warning(
                        "received %s, which has no meaning here: HUP reloads configuration and application", number.name
                    )

    # What the control socket may ask for (litmus.control.server.Operations)

    def status(self) -> dict[str, Any]:
        """A summary."""
        settings = self._crew.settings
        workers = sorted(self._fleet.workers.values(), key=lambda worker: (worker.slot.index, worker.generation))
        return {
            "state": self._changes.under_way or self._state,
            "version": litmus.__version__,
            "pid": os.getpid(),
            "uptime_s": round((time.monotonic_ns() - self._segment.header.started_ns) / 1e9, 1),
            "generation": self._crew.generation,
            "config": str(settings.source or ""),
            "app": settings.app.target,
            "addresses": self.addresses,
            "workers_wanted": self._crew.width,
            "websockets_open": sum(seat.scoreboard.websockets for seat in self._segment.occupied()),
            "workers": [
                {
                    "slot": worker.slot.index,
                    "pid": worker.pid,
                    "generation": worker.generation,
                    "state": worker.state.value,
                    "full": bool(self._segment.seat(worker.seat).scoreboard.full),
                    "stuck": self._crew.is_stuck(worker),
                    "uptime_s": round(worker.uptime, 1),
                }
                for worker in workers
            ],
            "last_reload": self._changes.last_reload,
        }

    def stats(self) -> dict[str, Any]:
        """Everything the shared segment holds."""
        return report(self._segment)

    def stop(self, reply: ReplyCallback) -> None:
        """Drain and stop; answered at once."""
        if self._state != "stopping":
            self._shut_down()
        reply(Done({"workers": len(self._fleet.workers)}))

    def scale(self, n: int, reply: ReplyCallback) -> None:
        """Run ``n`` workers; answered when the new ones are ready, or the surplus ones have left."""
        self._changes.scale(n, reply)

    def reload(self, reply: ReplyCallback) -> None:
        """Read the configuration again and replace all workers; answered when they serve, or have been given up."""
        self._changes.reload(reply)

    # Helpers

    def _summary(self) -> str:
        workers = self._crew.width
        return (
            f"generation {self._crew.generation} serves with {count(workers, 'worker')} at {', '.join(self.addresses)}"
        )

    def _show(self) -> None:
        """Say in the process list what runs."""
        config = f" [{self._settings.source.name}]" if self._settings.source else ""
        workers = self._crew.width or self._workers
        stopping = ", stopping" if self._state == "stopping" else ""
        setproctitle(f"litmus: arbiter{config} gen {self._crew.generation}, {count(workers, 'worker')}{stopping}")


def _pidfile(settings: Settings) -> PidFile | None:
    if settings.arbiter.pidfile is None:
        return None
    return PidFile(settings.arbiter.pidfile, settings.origins.get("arbiter.pidfile", "default"))
