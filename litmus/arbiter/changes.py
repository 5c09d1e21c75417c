"""What the operator may change while the server runs: the configuration, and the number of workers. One at a time."""

import functools
import logging
import time
import traceback
from collections.abc import Callable
from typing import Any

from litmus.arbiter import cpus
from litmus.arbiter.checks import check_privileges, shortcomings, unchangeable
from litmus.arbiter.crew import Crew
from litmus.arbiter.errors import StartupError
from litmus.arbiter.rollout import Finish, Growth, Reload
from litmus.control.messages import Done, Refused, Reply
from litmus.loading import ConfigError
from litmus.settings import MAX_WORKERS, Settings
from litmus.units import count

ReplyCallback = Callable[[Reply], None]

_logger = logging.getLogger("litmus")


class Changes:
    """Takes requests for changes, refuses those that come at the wrong time, and remembers what signals asked for.

    A client of the control socket is told "no"; whoever sent a signal can't be told, so that is done later.

    Args:
        reload_settings: reads the configuration again; raises ConfigError.
        on_reload: called when a reload begins.
        on_end: called when a change is over, whatever came of it.

    Attributes:
        last_reload: what came of the last one, for the status; None before the first.
    """

    def __init__(
        self,
        crew: Crew,
        reload_settings: Callable[[], Settings],
        on_reload: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self.last_reload: dict[str, Any] | None = None
        self._crew = crew
        self._reload_settings = reload_settings
        self._on_reload = on_reload
        self._on_end = on_end
        self._forbidden = "the server is starting"
        self._operation: Reload | Growth | None = None
        self._generations = 1  # so far, those that never came to be included
        self._reload_wanted = False
        self._steps_wanted = 0
        self._shrinking: list[tuple[int, ReplyCallback]] = []

    @property
    def under_way(self) -> str:
        """ "reloading" or "scaling"; nothing if there is no change under way that others have to wait for."""
        match self._operation:
            case Reload():
                return "reloading"
            case Growth():
                return "scaling"
            case None:
                return ""

    def allow(self) -> None:
        """The server can serve: from now on it may be changed."""
        self._forbidden = ""
        self._follow_up()

    def forbid(self, reason: str) -> None:
        """No more changes; one that is under way is given up."""
        self._forbidden = reason
        if self._operation is not None:
            self._operation.abort(reason)
        waiting, self._shrinking = self._shrinking, []
        for _, reply in waiting:
            reply(Refused(reason))

    def reload_when_possible(self) -> None:
        """Reload now or, if something else is under way, once after that."""
        self._reload_wanted = True
        self._follow_up()

    def scale_when_possible(self, step: int) -> None:
        """One worker more or less, now or after what is under way."""
        self._steps_wanted += step
        self._follow_up()

    def _follow_up(self) -> None:
        if self._forbidden or self._operation is not None:
            return
        if self._reload_wanted:
            self._reload_wanted = False
            self.reload(_take_no_answer)
        elif self._steps_wanted:
            wanted = self._crew.width + self._steps_wanted
            workers = max(1, min(MAX_WORKERS, wanted))
            self._steps_wanted = 0
            if workers != wanted:
                _logger.warning("%s", _impossible(wanted))
            self.scale(workers, _take_no_answer)

    # Scaling

    def scale(self, n: int, reply: ReplyCallback) -> None:
        """Run ``n`` workers, until the next reload; answered when the new ones are ready, or the surplus ones gone."""
        before = self._crew.width
        if refusal := self._refusal("scaling"):
            reply(refusal)
        elif not 1 <= n <= MAX_WORKERS:
            reply(Refused(_impossible(n)))
        elif n > before:
            _logger.info("scaling from %d to %s", before, count(n, "worker"))
            finish = functools.partial(self._grown, reply)
            growth = Growth(self._crew, boot_width(), finish)
            self._begin(growth, functools.partial(growth.begin, n), finish)
        elif n < before:
            _logger.info("scaling from %d to %s", before, count(n, "worker"))
            self._crew.retire(n)
            self._on_end()
            self._shrinking.append((n, reply))
            self._follow_up()
        else:
            reply(Done({"workers": n}))
            self._follow_up()

    def _grown(self, reply: ReplyCallback, outcome: Reply) -> None:
        if isinstance(outcome, Refused):
            self._explain(f"scaling refused, serving goes on with {count(self._crew.width, 'worker')}", outcome)
        self._end(reply, outcome)

    def slots_closed(self) -> None:
        """Answer those who have waited for that."""
        waiting, self._shrinking = self._shrinking, []
        for n, reply in waiting:
            if self._crew.width > n:
                reply(Refused(f"{count(self._crew.width, 'worker')} asked for before the surplus over {n} had left"))
            elif len(self._crew.slots) > n:
                self._shrinking.append((n, reply))
            else:
                reply(Done({"workers": self._crew.width}))

    # Reload

    def reload(self, reply: ReplyCallback) -> None:
        """Read the configuration again and replace all workers; answered when they serve, or have been given up."""
        if refusal := self._refusal("a reload"):
            reply(refusal)
            return
        self._generations += 1
        try:
            settings = self._read()
        except StartupError as error:
            refusal = Refused("the configuration is refused", str(error))
            first, *others = str(error).split("\n")
            more = f" (and {count(len(others), 'more problem')})" if others else ""
            self._reloaded(reply, refusal, f"{refusal.error}: {first}{more}")
            return
        crew, workers = self._crew, workers_wanted(settings)
        _logger.info(
            "reloading: generation %d with %s (so far %d)", self._generations, count(workers, "worker"), crew.width
        )
        for shortcoming in shortcomings(settings):
            _logger.warning("%s", shortcoming)
        self._on_reload()
        finish = functools.partial(self._reloaded, reply)
        operation = Reload(crew, boot_width(), finish)
        self._begin(operation, functools.partial(operation.begin, settings, workers, self._generations), finish)

    def _read(self) -> Settings:
        """The configuration as it is now. Raises StartupError if this server can't have it."""
        try:
            settings = self._reload_settings()
        except ConfigError as error:
            raise StartupError(str(error)) from error
        check_privileges(settings)
        if problems := unchangeable(self._crew.settings, settings):
            raise StartupError("\n".join(problems))
        return settings

    def _reloaded(self, reply: ReplyCallback, outcome: Reply, summary: str = "") -> None:
        """``summary`` says in one line why it is refused, if ``outcome`` does not."""
        self.last_reload = {
            "generation": self._generations,
            "ok": isinstance(outcome, Done),
            "at": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        if isinstance(outcome, Refused):
            self.last_reload["error"] = summary or outcome.error
            self._explain(f"reload refused, generation {self._crew.generation} keeps serving", outcome)
        self._end(reply, outcome)

    # Both

    def _begin(self, operation: Reload | Growth, begin: Callable[[], None], finish: Finish) -> None:
        """Call ``begin``. If it raises, the operation is given up: one that never ended would forbid all others."""
        self._operation = operation
        try:
            begin()
        except Exception as error:
            if self._operation is not operation:
                raise  # it is over, and whoever was told so is to blame
            reason, detail = f"unexpected {type(error).__name__}: {error}", traceback.format_exc().rstrip()
            try:
                operation.abort(reason, detail)
            except Exception:
                _logger.exception("a change that failed could not be undone")
            if self._operation is operation:
                finish(Refused(reason, detail))

    def _end(self, reply: ReplyCallback, outcome: Reply) -> None:
        self._operation = None
        self._on_end()
        self.slots_closed()  # some may have been taken back instead
        reply(outcome)
        self._follow_up()

    def _explain(self, what: str, refusal: Refused) -> None:
        if self._forbidden:
            _logger.info("given up: %s", refusal.error)
        else:
            _logger.error("%s", f"{what}: {refusal.error}\n{refusal.detail}".rstrip())

    def _refusal(self, what: str) -> Refused | None:
        """Why no change can begin now; None if it can."""
        if self._forbidden:
            return Refused(f"{self._forbidden}: {what} is not possible now")
        if self._operation is not None:
            return Refused(f"the server is {self.under_way}: {what} is not possible before that is over")
        return None


def workers_wanted(settings: Settings) -> int:
    """The number of workers that a configuration asks for, "auto" resolved."""
    return settings.arbiter.workers or min(cpus.available(), MAX_WORKERS)


def _impossible(workers: int) -> str:
    return f"{count(workers, 'worker')} cannot be: 1 is the least, and {MAX_WORKERS} are the most"


def boot_width() -> int:
    """How many workers boot side by side while others serve: to import an application takes a processor each."""
    return max(2, cpus.available())


def _take_no_answer(reply: Reply) -> None:
    """The answer to a signal: the log has it already, and nobody else asked."""
