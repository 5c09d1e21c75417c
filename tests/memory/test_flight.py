"""The flight recorder: what it holds, and that it outlives its writer."""

import os
import signal

import pytest
from support import processes

from litmus.memory import flight
from litmus.memory.flight import PHASE_TEXT, Flight, FlightTable, Phase, WireProtocol
from litmus.memory.segment import Segment


def make_table() -> FlightTable:
    table = FlightTable(bytearray(flight.TABLE))
    table.open()
    return table


def test_an_entry_says_what_was_asked_by_whom() -> None:
    table = make_table()
    table.begin(123, WireProtocol.HTTP1, b"GET", b"192.0.2.1:4711", b"/path?query")
    assert table.entries() == [Flight(123, Phase.HANDLING, WireProtocol.HTTP1, "GET", "192.0.2.1:4711", "/path?query")]


def test_the_table_is_entries_of_the_documented_size() -> None:
    assert flight.TABLE == flight.ENTRY * flight.ENTRIES
    assert flight.__doc__ is not None
    assert f"16  method, peer's name and path, one behind the other, {flight.TEXT_SIZE} bytes" in flight.__doc__
    assert 16 + flight.TEXT_SIZE == flight.ENTRY


def test_phases() -> None:
    table = make_table()
    entry = table.begin(1, WireProtocol.HTTP1, b"GET", b"unix", b"/")
    for phase in (Phase.RESPONDING, Phase.FINISHING):
        table.phase(entry, phase)
        assert table.entries()[0].phase is phase
    table.end(entry)
    assert table.entries() == []
    assert set(PHASE_TEXT) == set(Phase) - {Phase.FREE}


def test_long_texts_are_cut() -> None:
    memory = bytearray(flight.TABLE)
    table = FlightTable(memory)
    table.open()
    table.begin(1, WireProtocol.HTTP1, b"M" * 64, b"p" * 64, b"/" + b"x" * 1000)
    table.begin(2, WireProtocol.HTTP1, b"GET", b"unix", b"/next")
    first, second = table.entries()
    assert first.method == "M" * 64
    assert first.peer == "p" * 64
    assert first.path == "/" + "x" * (flight.TEXT_SIZE - 129)
    assert second.path == "/next"
    table.end(table.begin(3, WireProtocol.HTTP1, b"GET", b"unix", b"/" * 1000))
    assert memory[3 * flight.ENTRY :] == bytes(flight.TABLE - 3 * flight.ENTRY)


def test_a_table_lies_anywhere_in_its_memory() -> None:
    memory = bytearray(b"\xee" * 64 + bytes(flight.TABLE) + b"\xee" * 64)
    table = FlightTable(memory, 64)
    table.open()
    for started in range(flight.ENTRIES):
        table.begin(started, WireProtocol.HTTP1, b"GET", b"unix", b"/" * 1000)
    assert [entry.path for entry in table.entries()] == ["/" * (flight.TEXT_SIZE - 7)] * flight.ENTRIES
    assert memory[:64] == memory[-64:] == b"\xee" * 64


def test_texts_are_kept_byte_for_byte() -> None:
    table = make_table()
    table.begin(1, WireProtocol.HTTP1, b"GET", b"unix", b"/\xff\x1b[31m")
    assert table.entries()[0].path == "/\xff\x1b[31m"


def test_oldest_first() -> None:
    table = make_table()
    for started in (5, 3, 4):
        table.begin(started, WireProtocol.HTTP1, b"GET", b"unix", b"/%d" % started)
    assert [entry.path for entry in table.entries()] == ["/3", "/4", "/5"]


def test_a_full_table_turns_away_and_takes_again() -> None:
    table = make_table()
    entries = [table.begin(i, WireProtocol.HTTP1, b"GET", b"unix", b"/") for i in range(flight.ENTRIES)]
    assert len(set(entries)) == flight.ENTRIES
    assert min(entries) >= 0
    overflow = table.begin(9, WireProtocol.HTTP1, b"GET", b"unix", b"/over")
    assert overflow == -1
    table.phase(overflow, Phase.RESPONDING)
    table.end(overflow)
    assert len(table.entries()) == flight.ENTRIES
    table.end(entries[100])
    assert table.begin(9, WireProtocol.HTTP1, b"GET", b"unix", b"/again") >= 0


def test_a_table_that_nobody_opened_takes_nothing() -> None:
    table = FlightTable(bytearray(flight.TABLE))
    assert table.begin(1, WireProtocol.HTTP1, b"GET", b"unix", b"/") == -1


def test_open_blanks_what_a_predecessor_left() -> None:
    memory = bytearray(flight.TABLE)
    old = FlightTable(memory)
    old.open()
    old.begin(1, WireProtocol.HTTP1, b"GET", b"unix", b"/old")
    new = FlightTable(memory)
    new.open()
    assert new.entries() == []
    entries = {new.begin(2, WireProtocol.HTTP1, b"GET", b"unix", b"/") for _ in range(flight.ENTRIES)}
    assert len(entries) == flight.ENTRIES


@pytest.mark.parametrize("phase", [Phase.HANDLING, Phase.RESPONDING, Phase.FINISHING])
def test_entries_survive_the_death_of_their_writer(phase: Phase) -> None:
    segment = Segment(seats=1)
    reader, writer = os.pipe()

    def work() -> None:
        table = segment.seat(0).flight
        table.open()
        done = table.begin(1, WireProtocol.HTTP1, b"GET", b"192.0.2.1:1", b"/done")
        entry = table.begin(2, WireProtocol.HTTP1, b"POST", b"192.0.2.1:2", b"/on-board")
        table.phase(entry, phase)
        table.end(done)
        os.write(writer, b"x")
        signal.pause()

    pid = processes.start(work)
    assert os.read(reader, 1) == b"x"
    os.kill(pid, signal.SIGKILL)
    assert processes.wait(pid) == -signal.SIGKILL
    assert segment.seat(0).flight.entries() == [
        Flight(2, phase, WireProtocol.HTTP1, "POST", "192.0.2.1:2", "/on-board")
    ]
    segment.seat(0).clear()
    assert segment.seat(0).flight.entries() == []
    os.close(reader)
    os.close(writer)
