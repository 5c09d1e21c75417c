"""Signals as something to read, from the start of the process on."""

import os
import select
import signal

import pytest
from support.processes import in_child

from litmus.arbiter import signals
from litmus.arbiter.signals import SignalInbox
from litmus.worker.signals import ORDERS, OTHERS

LATER = [number for number in (*ORDERS, *OTHERS) if number not in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)]


def read(inbox: SignalInbox) -> list[signal.Signals]:
    assert select.select([inbox.fileno()], [], [], 10)[0], "no signal came"
    return inbox.read()


@pytest.mark.parametrize("number", [*ORDERS, *OTHERS], ids=lambda number: number.name)
def test_a_signal_that_would_have_ended_the_process_is_read_instead(number: signal.Signals) -> None:
    def work() -> None:
        inbox = SignalInbox()
        os.kill(os.getpid(), number)
        assert read(inbox) == [number]
        assert inbox.read() == []

    in_child(work)


def test_what_came_too_early_is_put_off() -> None:
    def work() -> None:
        signals.hold()
        for number in LATER:
            os.kill(os.getpid(), number)
        assert sorted(read(SignalInbox())) == sorted(LATER)

    in_child(work)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=lambda number: number.name)
def test_what_is_meant_to_end_it_ends_it_early_as_well(number: signal.Signals) -> None:
    def work() -> None:
        signal.signal(number, signal.SIG_DFL)  # pytest has handlers of its own
        if (pid := os.fork()) == 0:
            signals.hold()
            os.kill(os.getpid(), number)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -number

    in_child(work)


@pytest.mark.parametrize("held", [True, False])
def test_all_is_as_before_when_it_is_closed(held: bool) -> None:
    def work() -> None:
        if held:
            signals.hold()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        handlers = [signal.getsignal(number) for number in signals.HANDLED]
        inbox = SignalInbox()
        assert not {*signals.HANDLED} & signal.pthread_sigmask(signal.SIG_BLOCK, [])
        inbox.close()
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
        assert [signal.getsignal(number) for number in signals.HANDLED] == handlers
        if held:
            os.kill(os.getpid(), signal.SIGUSR1)  # too late to be read, and no harm either

    in_child(work)
