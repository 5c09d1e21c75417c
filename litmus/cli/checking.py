"""``litmusd --check``: is the configuration good, and can the application be loaded?"""

import os
import select
import signal
import sys
import time
import traceback
from typing import NoReturn

from litmus.arbiter.checks import check_privileges, shortcomings
from litmus.arbiter.errors import StartupError
from litmus.cli.terminal import Terminal
from litmus.configuration import origin_rows
from litmus.control import messages
from litmus.control.framing import Deframer
from litmus.control.messages import BootFailed, Ready, WorkerMessage
from litmus.interfaces import asgi
from litmus.interfaces.asgi import LoadError
from litmus.settings import Settings
from litmus.units import rough_duration
from litmus.worker import privileges

_PROGRAM = "litmusd"

LOAD_DEADLINE = 120.0
"""Seconds the application may take to load: as long as the arbiter waits for a worker."""

SCOPE = (
    "Checked: every option, and that the application loads."
    " Not tried: its lifespan, the addresses, the control socket, the log files, the pidfile."
)
"""What a good end of a check means, and what it does not."""


def check(settings: Settings, out: Terminal, err: Terminal, deadline: float = LOAD_DEADLINE) -> bool:
    """Print to ``out`` what is set where, and load the application in a child; say to ``err`` what is wrong with it.

    ``settings`` are valid already, or they would not exist. Returns whether nothing is wrong as far as ``SCOPE`` goes.
    """
    out.print(f"configuration  {out.paint('ok', 'green')}  {settings.source or 'none, the defaults hold'}")
    if rows := origin_rows(settings):
        out.print_table(("  OPTION", "VALUE", "SET BY"), [(f"  {key}", value, origin) for key, value, origin in rows])
    try:
        check_privileges(settings)
    except StartupError as error:
        err.fail(_PROGRAM, str(error))
        return False
    for shortcoming in shortcomings(settings):
        err.warn(_PROGRAM, shortcoming)
    started = time.monotonic()
    failure = load_in_child(settings, deadline)
    if failure is None:
        took = rough_duration(time.monotonic() - started)
        out.print(f"application    {out.paint('ok', 'green')}  {settings.app.target}, loaded in {took}")
        out.print(SCOPE)
        return True
    err.print(f"application    {err.paint('bad', 'red')}  {settings.app.target}")  # beside the reason
    err.fail(_PROGRAM, failure.reason, failure.traceback)
    return False


def load_in_child(settings: Settings, deadline: float) -> BootFailed | None:
    """Load the application in a forked child, within ``deadline`` seconds; None if that went well.

    Whatever it does there (start threads, crash, never come back) does not happen to this process.
    """
    receiver, sender = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(receiver)
        _load(settings, sender)
    os.close(sender)
    process = os.pidfd_open(child)
    try:
        verdict, in_time = _hear(receiver, process, time.monotonic() + deadline)
        signal.pidfd_send_signal(process, signal.SIGKILL)  # it has said all there is to say; threads may hold it up
        ending = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        os.close(process)
        os.close(receiver)
    if isinstance(verdict, Ready):
        return None
    if isinstance(verdict, BootFailed):
        return verdict
    if in_time:
        how = f"was killed by {signal.Signals(-ending).name}" if ending < 0 else f"exited with code {ending}"
        reason = f"the process {how} while it was loaded"
    else:
        reason = f"it was not loaded within {rough_duration(deadline)}: what does it wait for when it is imported?"
    return BootFailed("load", f"app.target = '{settings.app.target}': {reason}", "")


def _load(settings: Settings, sender: int) -> NoReturn:
    """In the child: load, and send how it went."""
    verdict: WorkerMessage = Ready()
    try:
        privileges.drop(settings.arbiter.user, settings.arbiter.group)  # as a worker does: what may it read?
        asgi.load(settings.app)
    except privileges.PrivilegeError as error:
        verdict = BootFailed("privileges", str(error), "")
    except LoadError as error:
        verdict = BootFailed("load", error.reason, messages.shorten(error.traceback))
    except BaseException:
        verdict = BootFailed("load", "loading the application failed", messages.shorten(traceback.format_exc()))
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        with open(sender, "wb") as pipe:
            pipe.write(messages.encode(verdict))
    finally:
        os._exit(0)


def _hear(receiver: int, process: int, deadline: float) -> tuple[WorkerMessage | None, bool]:
    """The child's verdict, if it came, and whether that, or the child's end, came before ``deadline``.

    The end of the pipe is not waited for: a process that the application started may have inherited it.
    """
    deframer = Deframer(messages.PIPE_LIMIT)
    while True:
        ready, _, _ = select.select([receiver, process], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None, False
        data = os.read(receiver, 65536) if receiver in ready else b""
        for payload in deframer.feed(data):
            return messages.decode_worker_message(payload), True
        if not data:
            return None, True
