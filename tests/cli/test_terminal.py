import io
import os
import pty

import pytest

from litmus.cli.terminal import Terminal, number, safe, size


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_screen(**environ: str) -> tuple[Screen, Terminal]:
    screen = Screen()
    return screen, Terminal(screen, environ)


def test_colour_is_for_terminals() -> None:
    assert on_screen(TERM="xterm")[1].paint("ok", "bold", "green") == "\x1b[1;32mok\x1b[0m"
    assert Terminal(io.StringIO(), {"TERM": "xterm"}).paint("ok", "green") == "ok"


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_and_not_for_those_who_object(environ: dict[str, str]) -> None:
    assert on_screen(**environ)[1].paint("ok", "green") == "ok"


def test_an_empty_no_color_does_not_count() -> None:
    assert on_screen(NO_COLOR="")[1].paint("ok", "green") != "ok"


def test_a_true_terminal_is_one() -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream:
        assert Terminal(stream, {}).interactive
    os.close(master)


def test_fields_are_aligned_and_may_have_several_lines() -> None:
    out = io.StringIO()
    Terminal(out).print_fields([("address", "a\nb"), ("app", "shop"), ("nothing", "")])
    assert out.getvalue().split("\n") == ["  address  a", "           b", "  app      shop", "  nothing", ""]


def test_no_fields_are_no_trouble() -> None:
    out = io.StringIO()
    Terminal(out).print_fields([])
    assert out.getvalue() == ""


def test_a_table_is_aligned_by_what_one_sees_of_it() -> None:
    screen, terminal = on_screen()
    terminal.print_table(
        (">PID", "STATE", ">N"), [("7", terminal.paint("ready", "green"), "1"), ("4711", "gone", "10")]
    )
    plain = screen.getvalue().replace("\x1b[0m", "").replace("\x1b[2m", "").replace("\x1b[32m", "")
    assert plain.split("\n") == [" PID  STATE   N", "   7  ready   1", "4711  gone   10", ""]


def test_an_error_names_its_program_and_shows_the_detail_below() -> None:
    out = io.StringIO()
    Terminal(out).fail("litmusctl", "reload refused", "Traceback\n  File\n\n\x1b[31mred\n")
    assert out.getvalue() == ("litmusctl: reload refused\n    Traceback\n      File\n\n    \\x1b[31mred\n")


def test_text_from_outside_cannot_drive_the_terminal() -> None:
    assert safe("a\x1b]0;title\x07\r\x9b\tb\nc é") == "a\\x1b]0;title\\x07\\x0d\\x9b\tb\nc é"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (16 * 2**20, "16.0 MiB"),
        (1.5 * 2**30, "1.5 GiB"),
        (5000 * 2**40, "5000.0 TiB"),
    ],
)
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text


def test_numbers() -> None:
    assert number(1234567) == "1,234,567"


def test_the_screen_is_cleared_from_its_top() -> None:
    screen, terminal = on_screen()
    terminal.clear()
    assert screen.getvalue() == "\x1b[H\x1b[2J"


def test_a_warning_is_no_error() -> None:
    out = io.StringIO()
    Terminal(out).warn("litmusd", "only \x1b[31m896")
    assert out.getvalue() == "litmusd: warning: only \\x1b[31m896\n"
