"""The table of transitions, walked: each entry is driven, and nothing ever happens that has no entry."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wire import Call, Wire, ignore

from litmus.protocols.http1 import DEADLINES, DISCARD_LIMIT, TRANSITIONS, Event, State
from litmus.protocols.machine import Deadline

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSE = [(b"connection", b"close")]

IN_STATE: dict[State, Callable[[], Wire]] = {
    State.IDLE: lambda: Wire(),
    State.HEAD: lambda: Wire().feed(b"GET / HT"),
    State.BODY: lambda: Wire().feed(POST),
    State.RESPONSE: lambda: Wire().feed(GET),
    State.DISCARD: lambda: answered(Wire().feed(POST)),
    State.LINGER: lambda: Wire().feed(b"garbage\r\n\r\n"),
    State.CLOSED: lambda: Wire().eof(),
}


def answered(wire: Wire) -> Wire:
    wire.calls[-1].respond(b"ok")
    return wire


def state_at_request(wire: Wire, data: bytes) -> State:
    """The state in which the application is called, before it has done anything."""
    seen: list[State] = []
    wire.handler = lambda call: seen.append(wire.state)
    wire.feed(data)
    (state,) = seen
    return state


def after(wire: Wire, act: Callable[[Wire], object]) -> State:
    act(wire)
    return wire.state


def bad_chunk() -> Wire:
    return Wire().feed(CHUNKED + b"xyz\r\n")


def too_much(wire: Wire) -> None:
    for _ in range(DISCARD_LIMIT // 4096 + 1):
        wire.feed(b"1000\r\n" + b"x" * 4096 + b"\r\n")


S, E = State, Event
DRIVEN: dict[tuple[State, Event], Callable[[], State]] = {
    (S.IDLE, E.PARTIAL): lambda: after(IN_STATE[S.IDLE](), lambda wire: wire.feed(b"GET")),
    (S.HEAD, E.PARTIAL): lambda: after(IN_STATE[S.HEAD](), lambda wire: wire.feed(b"TP/1.")),
    (S.IDLE, E.REQUEST): lambda: state_at_request(IN_STATE[S.IDLE](), GET),
    (S.HEAD, E.REQUEST): lambda: state_at_request(IN_STATE[S.HEAD](), b"TP/1.1\r\nHost: a\r\n\r\n"),
    (S.IDLE, E.REQUEST_WITH_BODY): lambda: state_at_request(IN_STATE[S.IDLE](), POST),
    (S.HEAD, E.REQUEST_WITH_BODY): lambda: state_at_request(
        IN_STATE[S.HEAD](), b"TP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    ),
    (S.BODY, E.BODY_END): lambda: after(IN_STATE[S.BODY]().feed(b"body"), lambda wire: wire.calls[0].read()),
    (S.DISCARD, E.BODY_END): lambda: after(IN_STATE[S.DISCARD](), lambda wire: wire.feed(b"body")),
    (S.RESPONSE, E.RESPONSE_END): lambda: after(IN_STATE[S.RESPONSE](), answered),
    (S.BODY, E.RESPONSE_END): lambda: after(IN_STATE[S.BODY](), answered),
    (S.RESPONSE, E.RESPONSE_CLOSE): lambda: after(
        IN_STATE[S.RESPONSE](), lambda wire: wire.calls[0].respond(b"ok", headers=CLOSE)
    ),
    (S.RESPONSE, E.RESPONSE_LINGER): lambda: after(
        IN_STATE[S.RESPONSE]().feed(GET), lambda wire: wire.calls[0].respond(b"ok", headers=CLOSE)
    ),
    (S.BODY, E.RESPONSE_LINGER): lambda: after(
        IN_STATE[S.BODY](), lambda wire: wire.calls[0].respond(b"ok", headers=CLOSE)
    ),
    (S.DISCARD, E.RESPONSE_LINGER): lambda: after(answered(Wire().feed(CHUNKED)), too_much),
    (S.IDLE, E.BREACH): lambda: after(IN_STATE[S.IDLE](), lambda wire: wire.feed(b"garbage\r\n\r\n")),
    (S.HEAD, E.BREACH): lambda: after(IN_STATE[S.HEAD](), lambda wire: wire.feed(b"TP/9.9\r\n\r\n")),
    (S.BODY, E.BREACH): lambda: after(bad_chunk(), lambda wire: wire.calls[0].read()),
    (S.DISCARD, E.BREACH): lambda: after(answered(Wire().feed(CHUNKED)), lambda wire: wire.feed(b"xyz\r\n")),
    **{(state, E.CUT): lambda state=state: after(IN_STATE[state](), Wire.lose) for state in State},  # type: ignore[misc]
}


@pytest.mark.parametrize("state", State)
def test_every_state_can_be_reached(state: State) -> None:
    assert IN_STATE[state]().state == state


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_deadline_and_is_under_it(state: State) -> None:
    assert set(DEADLINES) == set(State)
    first = Deadline.FIRST_BYTE if state == State.IDLE else DEADLINES[state]
    assert IN_STATE[state]().machine.deadline == first


def test_only_states_in_which_nothing_is_waited_for_have_none() -> None:
    without = {state for state in State if DEADLINES[state] == Deadline.NONE}
    assert without == {State.RESPONSE, State.CLOSED}


@pytest.mark.parametrize(("state", "event"), list(TRANSITIONS), ids=lambda each: each.name)
def test_every_entry_of_the_table_is_driven(state: State, event: Event) -> None:
    """An entry without a scenario here is either missing a test or impossible, and then has no place in the table."""
    assert DRIVEN[state, event]() == TRANSITIONS[state, event]


def test_every_scenario_has_an_entry() -> None:
    assert set(DRIVEN) == set(TRANSITIONS)


def test_every_state_leads_to_the_end() -> None:
    for state in State:
        assert TRANSITIONS[state, Event.CUT] == State.CLOSED
    assert {event for state, event in TRANSITIONS if state == State.CLOSED} == {Event.CUT}


# What happens on a connection, in any order. The machine asserts that the table has an entry for all that comes of it.

ACTIONS = (
    "get",
    "part of a head",
    "end of a head",
    "post",
    "chunks",
    "expect",
    "last",
    "body",
    "a chunk",
    "the last chunk",
    "garbage",
    "read",
    "respond",
    "respond and close",
    "begin",
    "begin with a length",
    "send",
    "finish",
    "abort",
    "drain",
    "eof",
    "block",
    "unblock",
    "settle",
    "expire",
    "lose",
)
BYTES = {
    "get": GET,
    "part of a head": b"GET / HT",
    "end of a head": b"TP/1.1\r\nHost: a\r\n\r\n",
    "post": POST,
    "chunks": CHUNKED,
    "expect": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
    "last": b"GET / HTTP/1.0\r\n\r\n",
    "body": b"body",
    "a chunk": b"4\r\nbody\r\n",
    "the last chunk": b"0\r\n\r\n",
    "garbage": b"garbage\r\n\r\n",
}


class Driver:
    """A connection and an application of which anything may be expected, within the rules of ASGI."""

    def __init__(self, eager: bool) -> None:
        self.wire = Wire(self._eager if eager else ignore)
        self.begun: set[int] = set()
        self.finished: set[int] = set()
        self.eof = False

    def _eager(self, call: Call) -> None:
        call.read()

    def act_all(self, actions: Iterable[str]) -> "Driver":
        for action in actions:
            self.act(action)
        return self

    def act(self, action: str) -> None:
        wire = self.wire
        if wire.closed:
            return
        if action in BYTES:
            if not self.eof:
                wire.feed(BYTES[action], settle=False)
        elif action == "settle":
            wire.settle()
        elif action == "drain":
            wire.machine.drain()
        elif action == "eof":
            if not self.eof:
                self.eof = True
                wire.eof(settle=False)
        elif action == "block":
            wire.machine.output_blocked()
        elif action == "unblock":
            wire.machine.output_unblocked()
        elif action == "expire":
            if wire.machine.deadline != Deadline.NONE:
                wire.expire()
        elif action == "lose":
            wire.lose()
        elif wire.calls:
            self._application(action, len(wire.calls) - 1)
        self._check()

    def _application(self, action: str, number: int) -> None:
        call = self.wire.calls[number]
        if call.gone or number in self.finished:
            return
        begun = number in self.begun
        if action == "read":
            call.read()
        elif action == "abort":
            call.stream.abort()
        elif action.startswith("respond"):
            if not begun:
                self.finished.add(number)
                call.respond(b"ok", headers=CLOSE if "close" in action else ())
        elif action.startswith("begin"):
            if not begun:
                self.begun.add(number)
                call.respond(b"o", headers=[(b"content-length", b"4")] if "length" in action else (), end=False)
                if "length" in action:
                    call.send(b"ok!", end=True)
                    self.finished.add(number)
        elif begun:
            call.send(b"more", end=action == "finish")
            if action == "finish":
                self.finished.add(number)

    def _check(self) -> None:
        wire = self.wire
        state = wire.state
        assert len(wire.refusals) <= 1
        assert wire.out.count(b"HTTP/1.1 2") <= len(wire.calls)
        for number, call in enumerate(wire.calls[:-1]):
            assert call.gone or number in self.finished, "a request began before the one before it was over"
        if wire.calls:
            last = len(wire.calls) - 1
            in_progress = state in (State.BODY, State.RESPONSE)
            assert in_progress == (last not in self.finished and not wire.calls[last].gone)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(ACTIONS), max_size=30), st.booleans())
def test_nothing_happens_that_the_table_does_not_know(actions: list[str], eager: bool) -> None:
    """What has no entry raises in the machine, and the driver checks what it can see from outside."""
    Driver(eager).act_all([*actions, "settle"])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(ACTIONS), max_size=20), st.booleans())
def test_after_the_eof_an_application_that_reads_and_answers_comes_to_an_end(actions: list[str], eager: bool) -> None:
    driver = Driver(eager).act_all([*actions, "eof"])
    rounds = 10 * len(actions) + 10
    driver.act_all(["unblock", "read", "read", "read", "respond", "finish", "settle"] * rounds)
    assert driver.wire.closed
