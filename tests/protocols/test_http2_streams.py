"""The states of a stream of HTTP/2, and what moves it from one to another (RFC 9113, section 5.1)."""

import pytest

from litmus.protocols.http2.stream import Event, Http2Stream, State

S, E = State, Event
LEGAL = {
    (S.IDLE, E.HEADERS): S.OPEN,
    (S.IDLE, E.HEADERS_END): S.HALF_CLOSED_REMOTE,
    (S.OPEN, E.PEER_END): S.HALF_CLOSED_REMOTE,
    (S.OPEN, E.OUR_END): S.HALF_CLOSED_LOCAL,
    (S.HALF_CLOSED_REMOTE, E.OUR_END): S.CLOSED,
    (S.HALF_CLOSED_LOCAL, E.PEER_END): S.CLOSED,
    (S.IDLE, E.RESET): S.CLOSED,
    (S.OPEN, E.RESET): S.CLOSED,
    (S.HALF_CLOSED_REMOTE, E.RESET): S.CLOSED,
    (S.HALF_CLOSED_LOCAL, E.RESET): S.CLOSED,
}


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_every_event_in_every_state(state: State, event: Event) -> None:
    stream = Http2Stream.__new__(Http2Stream)
    stream.state = int(state)
    if (state, event) in LEGAL:
        stream.move(event)
        assert stream.state == LEGAL[state, event]
    else:
        with pytest.raises(AssertionError, match=f"{event.name} in state {state.name}"):
            stream.move(event)


def test_every_state_leads_to_the_end() -> None:
    assert {state for state, event in LEGAL if event == E.RESET} == set(State) - {S.CLOSED}
    assert not [event for state, event in LEGAL if state == S.CLOSED]
