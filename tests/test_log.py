"""The log: its lines, its files, and that nothing that goes wrong with it reaches the code that logs."""

import contextlib
import datetime
import errno
import fcntl
import logging
import logging.config
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.descriptors import open_descriptors

from litmus import log
from litmus.log import LineFormatter, LogError, LogFile, escape
from litmus.settings import LogSettings

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} ([a-z]+) +(\S.*)\[(\d+)\]  (.*)", re.DOTALL)

logger = logging.getLogger("litmus")
child = logging.getLogger("litmus.child")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """A path for the log; afterwards the "litmus" logger is as it was."""
    level, propagate = logger.level, logger.propagate
    yield tmp_path / "litmus.log"
    log.configure(LogSettings(access=False), "nobody")  # lets the files go
    log.count_losses(lambda lines: None)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.setLevel(level)
    logger.propagate = propagate


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The reading and the writing end of a pipe that holds one page."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(reader, False)
    yield reader, writer
    os.close(writer)
    os.close(reader)


@contextlib.contextmanager
def full_disk(size: int) -> Iterator[None]:
    """In this process no file can grow beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


# -- escape ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ("/plain?a=b c", "/plain?a=b c"),
        ('say "hi"', "say \\x22hi\\x22"),
        ("back\\slash", "back\\x5cslash"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\r\nb\tc\0", "a\\x0d\\x0ab\\x09c\\x00"),
        ("\x7f\x85\xa0", "\\x7f\\x85\\xa0"),
        ("\u2028\u202e", "\\u2028\\u202e"),
        ("\U000e0001", "\\U000e0001"),
        ("\udcff", "\\udcff"),
        ("café 日本", "café 日本"),
        (b"caf\xc3\xa9", "caf\\xc3\\xa9"),
        (b'a\nb"\\', "a\\x0ab\\x22\\x5c"),
        ("", ""),
        (b"", ""),
    ],
)
def test_escape(value: str | bytes, escaped: str) -> None:
    assert escape(value) == escaped


@given(st.one_of(st.text(), st.binary()))
def test_what_is_escaped_is_printable_and_unambiguous(value: str | bytes) -> None:
    escaped = escape(value)
    assert escaped.isprintable()
    assert '"' not in escaped
    back = re.sub(r"\\(?:x(..)|u(....)|U(.{8}))", lambda match: chr(int(match[1] or match[2] or match[3], 16)), escaped)
    assert back == (value.decode("latin-1") if isinstance(value, bytes) else value)


# -- lines -------------------------------------------------------------------------------------------------------------


def test_a_line(file: Path) -> None:
    log.configure(LogSettings(file=file, access=False), "worker 2")
    logger.info("%d requests, naïve", 3)
    child.warning("from below")
    first, second = file.read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(
        rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{{3}} info    worker 2\[{os.getpid()}\]  3 requests, naïve", first
    )
    assert second.endswith(f" warning worker 2[{os.getpid()}]  from below")


def test_the_time_is_the_local_time_of_the_record() -> None:
    formatter = LineFormatter("arbiter")
    record = logging.makeLogRecord({"msg": "x", "levelname": "INFO", "created": 1_000_000_000.25})
    local = datetime.datetime.fromtimestamp(1_000_000_000)
    assert formatter.format(record) == f"{local:%Y-%m-%d %H:%M:%S}.250 info    arbiter[{os.getpid()}]  x"
    record.created += 0.5
    assert ".750 info" in formatter.format(record)


def test_further_lines_are_indented_and_control_characters_shown(file: Path) -> None:
    log.configure(LogSettings(file=file, access=False), "arbiter")
    logger.info("one\r\ntwo\x1b[31m\rthree\n2026-11-21 01:20:33.123 info    arbiter[1]  forged \udcff\n")
    first, second, third = file.read_text(encoding="utf-8").splitlines()
    assert first.endswith("  one")
    assert second == "    two\\x1b[31m\\x0dthree"
    assert third == "    2026-11-21 01:20:33.123 info    arbiter[1]  forged \\udcff"


def test_a_traceback_is_indented(file: Path) -> None:
    log.configure(LogSettings(file=file, access=False), "arbiter")
    try:
        raise RuntimeError("first\nsecond")
    except RuntimeError:
        logger.exception("it failed", stack_info=True)
    first, *rest = file.read_text(encoding="utf-8").splitlines()
    assert first.endswith(f" error   arbiter[{os.getpid()}]  it failed")
    assert rest[0] == "    Traceback (most recent call last):"
    assert "    RuntimeError: first" in rest
    assert "    second" in rest
    assert "    Stack (most recent call last):" in rest
    assert all(line.startswith("    ") for line in rest)


def test_the_level(file: Path) -> None:
    log.configure(LogSettings(level="warning", file=file, access=False), "arbiter")
    logger.info("not this")
    logger.warning("this")
    log.configure(LogSettings(level="debug", file=file, access=False), "arbiter")
    logger.debug("and this")
    assert [line.rpartition("  ")[2] for line in file.read_text().splitlines()] == ["this", "and this"]


def test_a_message_that_cannot_be_formatted_is_reported_where_it_stands(file: Path) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    log.configure(LogSettings(file=file, access=False), "arbiter")
    logger.info("%d and %d", 1)
    logger.error(Broken())
    first, second = file.read_text().splitlines()
    assert re.search(r" info    .*  a message from test_log:\d+ cannot be formatted: TypeError$", first)
    assert re.search(r" error   .*  a message from test_log:\d+ cannot be formatted: RuntimeError$", second)


# -- configure and reopen ----------------------------------------------------------------------------------------------


def test_the_application_logs_for_itself(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    handlers = list(logging.getLogger().handlers)
    log.configure(LogSettings(file=file, access=False), "arbiter")
    assert logging.getLogger().handlers == handlers
    logging.getLogger("application").warning("mine")
    logger.warning("ours")
    assert "mine" not in file.read_text()
    assert capfd.readouterr().out == ""


def test_an_application_that_configures_logging_does_not_silence_the_server(file: Path) -> None:
    log.configure(LogSettings(file=file, access=False), "worker 0")
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
    logger.info("still here")
    child.info("here as well")
    assert [line.rpartition("  ")[2] for line in file.read_text().splitlines()] == ["still here", "here as well"]


def test_without_files_the_log_goes_to_standard_error_and_access_to_standard_output(
    file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log.configure(LogSettings(), "arbiter")
    logger.info("an event")
    access = log.access_file()
    assert access is not None
    access.write(b"a request\n")
    out, err = capfd.readouterr()
    assert out == "a request\n"
    assert err.endswith("  an event\n")


def test_no_access_file_when_access_is_off(file: Path) -> None:
    log.configure(LogSettings(access=False), "arbiter")
    assert log.access_file() is None


def test_configuring_again_keeps_the_same_files_and_lets_others_go(file: Path, tmp_path: Path) -> None:
    before = open_descriptors()
    settings = LogSettings(file=file, access_file=tmp_path / "access.log")
    log.configure(settings, "arbiter")
    access = log.access_file()
    assert access is not None
    log.configure(settings, "worker 1")
    assert log.access_file() is access
    logger.info("x")
    assert f"worker 1[{os.getpid()}]" in file.read_text()

    other = tmp_path / "other.log"
    log.configure(LogSettings(file=other, access=False), "arbiter")
    logger.info("moved")
    assert "moved" not in file.read_text()
    assert other.read_text().count("moved") == 1
    access.write(b"too late\n")
    assert access.lost == 1
    log.configure(LogSettings(access=False), "arbiter")
    assert open_descriptors() == before


def test_a_file_that_cannot_be_opened_leaves_all_as_it_was(file: Path, tmp_path: Path) -> None:
    log.configure(LogSettings(file=file, access=False), "arbiter")
    before = open_descriptors()
    settings = LogSettings(file=tmp_path / "new.log", access_file=tmp_path)
    with pytest.raises(LogError) as caught:
        log.configure(settings, "arbiter")
    assert str(caught.value) == f'log.access_file = "{tmp_path}": cannot be opened for writing: Is a directory'
    assert open_descriptors() == before
    logger.info("still here")
    assert "still here" in file.read_text()


def test_reopening_after_a_rotation(file: Path, tmp_path: Path) -> None:
    access_path = tmp_path / "access.log"
    log.configure(LogSettings(file=file, access_file=access_path), "arbiter")
    access = log.access_file()
    assert access is not None
    logger.info("old")
    access.write(b"old\n")
    file.rename(tmp_path / "litmus.log.1")
    access_path.rename(tmp_path / "access.log.1")
    logger.info("still old")
    before = open_descriptors()
    log.reopen()
    logger.info("new")
    access.write(b"new\n")
    assert open_descriptors() == before
    assert (tmp_path / "litmus.log.1").read_text().count("old") == 2
    assert "new" in file.read_text()
    assert (tmp_path / "access.log.1").read_bytes() == b"old\n"
    assert access_path.read_bytes() == b"new\n"


def test_a_file_that_cannot_be_reopened_is_kept_and_reported(file: Path, tmp_path: Path) -> None:
    access_path = tmp_path / "access.log"
    log.configure(LogSettings(file=file, access_file=access_path), "arbiter")
    access = log.access_file()
    assert access is not None
    rotated = access_path.rename(tmp_path / "access.log.1")
    access_path.mkdir()
    log.reopen()
    access.write(b"kept\n")
    assert rotated.read_bytes() == b"kept\n"
    assert f'log.access_file = "{access_path}": cannot be reopened, the old file is kept: Is a directory' in (
        file.read_text()
    )


def test_a_forked_worker_keeps_the_files_of_its_parent(file: Path) -> None:
    log.configure(LogSettings(file=file, access=False), "arbiter")
    file.rename(file.with_suffix(".1"))
    file.mkdir()  # opening it again would fail now
    pid = os.fork()
    if pid == 0:
        try:
            log.configure(LogSettings(file=file, access=False), "worker 0")
            logger.info("from the child")
        finally:
            os._exit(0)
    assert os.waitpid(pid, 0) == (pid, 0)
    line = file.with_suffix(".1").read_text()
    match = LINE.fullmatch(line.rstrip("\n"))
    assert match is not None
    assert match.groups() == ("info", "worker 0", str(pid), "from the child")


# -- who owns the files ------------------------------------------------------------------------------------------------

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

NOBODY = (65534, 65534)


def owner(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid


@needs_root
def test_new_files_are_given_away_at_the_start_and_after_a_rotation(file: Path, tmp_path: Path) -> None:
    access_path = tmp_path / "access.log"
    log.configure(LogSettings(file=file, access_file=access_path), "arbiter", NOBODY)
    assert owner(file) == owner(access_path) == NOBODY
    file.rename(tmp_path / "litmus.log.1")
    access_path.rename(tmp_path / "access.log.1")
    log.reopen()
    assert owner(file) == owner(access_path) == NOBODY
    assert file.stat().st_mode & 0o777 == 0o640


@needs_root
def test_configuring_again_changes_who_gets_the_next_file_and_not_who_has_this_one(file: Path) -> None:
    log.configure(LogSettings(file=file, access=False), "arbiter")
    log.configure(LogSettings(file=file, access=False), "arbiter", (-1, 65534))
    assert owner(file) == (0, os.getegid())
    file.unlink()
    log.reopen()
    assert owner(file) == (0, 65534)
    log.configure(LogSettings(file=file, access=False), "worker 0")
    file.unlink()
    log.reopen()
    assert owner(file) == (0, os.getegid())


@needs_root
def test_what_exists_is_not_given_away(tmp_path: Path) -> None:
    """Else who may write in the folder could put a link there, and would be given the file behind it."""
    secret, missing = tmp_path / "secret", tmp_path / "missing"
    secret.touch()
    (tmp_path / "symbolic.log").symlink_to(secret)
    (tmp_path / "dangling.log").symlink_to(missing)
    (tmp_path / "hard.log").hardlink_to(secret)
    for name in ("symbolic.log", "dangling.log", "hard.log", "secret"):
        file = LogFile(tmp_path / name, -1, NOBODY)
        file.reopen()
        file.write(b"x\n")
        assert file.lost == 0
        file.close()
    assert owner(secret) == owner(missing) == (0, os.getegid())


# -- LogFile: what can go wrong ----------------------------------------------------------------------------------------


def test_a_new_file_is_not_for_everybody(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "x.log", -1)
    file.close()
    file.close()
    assert (tmp_path / "x.log").stat().st_mode & 0o007 == 0
    file.write(b"late\n")
    file.reopen()
    assert file.lost == 1


def test_two_files_append_side_by_side(tmp_path: Path) -> None:
    one, two = LogFile(tmp_path / "x.log", -1), LogFile(tmp_path / "x.log", -1)
    for number in range(3):
        one.write(b"one %d\n" % number)
        two.write(b"two %d\n" % number)
    one.close()
    two.close()
    assert (tmp_path / "x.log").read_bytes() == b"one 0\ntwo 0\none 1\ntwo 1\none 2\ntwo 2\n"


def test_a_named_pipe_that_nobody_reads(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.fifo")
    with pytest.raises(OSError, match="No such device") as caught:
        LogFile(tmp_path / "x.fifo", -1)
    assert caught.value.errno == errno.ENXIO


def test_a_full_disk_is_counted_and_the_torn_line_ended_later(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    file = LogFile(path, -1)
    with full_disk(8):
        file.write(b"12345\n")
        file.write(b"67890\n")
        file.write(b"lost\n")
    assert file.lost == 2
    file.write(b"room again\n")
    file.close()
    assert path.read_bytes() == b"12345\n67\nroom again\n"


def test_only_the_lines_that_are_missing_are_counted(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "x.log", -1)
    with full_disk(14):
        file.write(b"12345\n67890\nabcde\nfghij\n")
        assert file.lost == 2
        file.write(b"1\n2\n3\n")  # and not the end that the torn one lacks
        assert file.lost == 5
    file.close()


def test_a_pipe_whose_reader_is_gone() -> None:
    reader, writer = os.pipe()
    file = LogFile(None, writer)
    os.close(reader)
    file.write(b"x\n")
    file.write(b"x\n")
    assert file.lost == 2
    file.close()
    os.close(writer)


def test_a_closed_descriptor() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    file = LogFile(None, writer)
    file.write(b"x\n")
    assert file.lost == 1
    file.close()


def test_a_reader_that_fell_asleep_costs_lines_and_not_the_server(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    file = LogFile(None, writer)
    line = b"x" * 1023 + b"\n"
    for _ in range(10):
        file.write(line)  # with a blocking write this would wait for good
    assert file.lost == 6
    assert os.read(reader, 8192) == line * 4
    file.write(b"awake\n")
    assert os.read(reader, 8192) == b"awake\n"
    assert file.lost == 6
    assert os.get_blocking(writer)  # others who use the descriptor find it as it was
    file.close()
    os.write(writer, b"still open\n")


def test_a_large_write_reaches_a_pipe_in_whole_lines(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "PATIENCE_SECONDS", 60.0)  # however busy the machine is
    reader, writer = pipe
    os.set_blocking(reader, True)
    file = LogFile(None, writer)
    data = b"".join(b"%06d %s\n" % (number, b"x" * (number % 300)) for number in range(500)) + b"y" * 10_000 + b"\n"
    received: list[bytes] = []

    def read() -> None:
        while sum(map(len, received)) < len(data):
            received.append(os.read(reader, 65536))

    thread = threading.Thread(target=read)
    thread.start()
    file.write(data)
    thread.join()
    assert file.lost == 0
    assert b"".join(received) == data
    file.close()


def test_a_socket_whose_reader_fell_asleep() -> None:
    reader, writer = socket.socketpair()
    with reader, writer:
        file = LogFile(None, writer.fileno())
        for _ in range(1000):
            file.write(b"x" * 1023 + b"\n")
        lost = file.lost
        assert 0 < lost < 1000
        received = drain(reader)
        assert received == (b"x" * 1023 + b"\n") * (1000 - lost)
        file.write(b"awake\n")
        assert file.lost == lost
        assert drain(reader) == b"awake\n"
        file.close()


def drain(reader: socket.socket) -> bytes:
    """All there is to read now."""
    received = b""
    while True:
        try:
            received += reader.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return received


def test_a_process_whose_standard_error_is_closed_runs_on(tmp_path: Path) -> None:
    script = (
        "import logging, os\n"
        "from litmus import log\n"
        "from litmus.settings import LogSettings\n"
        "os.close(2)\n"
        "log.configure(LogSettings(access=False), 'arbiter')\n"
        "logging.getLogger('litmus').error('nobody hears this')\n"
        "print('done')\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(log.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, check=True, timeout=30)
    assert done.stdout == b"done\n"


# -- LogFile: who is told of what is lost ------------------------------------------------------------------------------

PADDING = b"before\n" * 10_000
"""So much is in the log that what the test prints is smaller, and not affected when the log cannot grow any more."""


@pytest.fixture
def losses() -> Iterator[list[int]]:
    """How many lines were lost, at each time."""
    counted: list[int] = []
    log.count_losses(counted.append)
    yield counted
    log.count_losses(lambda lines: None)


def added(file: Path) -> list[str]:
    """The messages behind the padding, each with its level in front."""
    matches = [LINE.fullmatch(line) for line in file.read_bytes().removeprefix(PADDING).decode().splitlines()]
    return [f"{match[1]} {match[4]}" for match in matches if match is not None]


def test_a_device_that_is_full_is_told_once_on_standard_error(
    file: Path, losses: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    full = Path("/dev/full")
    log.configure(LogSettings(file=full, access=False), "arbiter")
    for number in range(3):
        logger.error("lost %d\nand its second line", number)
    match = LINE.fullmatch(capfd.readouterr().err.rstrip("\n"))
    assert match is not None
    assert match.groups() == (
        "error",
        "arbiter",
        str(os.getpid()),
        'log.file = "/dev/full": cannot be written, lines are lost: No space left on device',
    )
    assert losses == [2, 2, 2]
    log.configure(LogSettings(file=file, access=False), "arbiter")  # as a reload does that puts the log elsewhere
    (line,) = file.read_text().splitlines()
    assert re.search(r'  log\.file = "/dev/full": 6 lines lost within \d\.\d s: No space left on device$', line)
    logger.info("all is well")
    assert losses == [2, 2, 2]
    assert capfd.readouterr().err == ""


def test_a_disk_with_room_again(
    file: Path, losses: list[int], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log, "QUIET_SECONDS", 0.0)
    file.write_bytes(PADDING)
    log.configure(LogSettings(file=file, access=False, level="error"), "arbiter")
    for lost in (3, 1):
        with full_disk(file.stat().st_size):
            for _ in range(lost):
                logger.error("lost")
        told = capfd.readouterr().err.splitlines()
        assert len(told) == 1, told
        assert told[0].endswith(f'  log.file = "{file}": cannot be written, lines are lost: File too large')
        logger.error("room again")
        logger.error("and still")
    assert [re.sub(r"\d\.\d s", "… s", line) for line in added(file)] == [
        "error room again",
        f'error log.file = "{file}": 3 lines lost within … s: File too large',
        "error and still",
        "error room again",
        f'error log.file = "{file}": 1 line lost within … s: File too large',
        "error and still",
    ]
    assert losses == [1, 1, 1, 1]
    assert capfd.readouterr().err == ""


def test_one_that_fails_again_and_again_is_reported_at_intervals(
    file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    clock = [1000.0]
    times = SimpleNamespace(monotonic=lambda: clock[0], strftime=time.strftime, localtime=time.localtime)
    monkeypatch.setattr(log, "time", times)
    file.write_bytes(PADDING)
    log.configure(LogSettings(file=file, access=False), "arbiter")

    def fail() -> None:
        with full_disk(file.stat().st_size):
            logger.info("lost")
        logger.info("written")

    fail()
    for _ in range(5):
        clock[0] += 1.0
        fail()
    assert len(capfd.readouterr().err.splitlines()) == 2
    assert len([line for line in added(file) if "lost within" in line]) == 1
    clock[0] += log.QUIET_SECONDS
    logger.info("written")
    assert added(file)[-1] == f'error log.file = "{file}": 5 lines lost within 14.0 s: File too large'
    assert capfd.readouterr().err == ""


def test_of_the_access_log_the_log_tells(
    file: Path, tmp_path: Path, losses: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    access_path = tmp_path / "access.log"
    access_path.write_bytes(PADDING)
    log.configure(LogSettings(file=file, access_file=access_path), "worker 3")
    access = log.access_file()
    assert access is not None
    with full_disk(len(PADDING)):
        access.write(b"one\ntwo\n")
        access.write(b"three\n")
    access.write(b"four\n")
    assert access_path.read_bytes() == PADDING + b"four\n"  # for programs to read: nothing of ours is in it
    failing, gap = added(file)
    assert failing == f'error log.access_file = "{access_path}": cannot be written, lines are lost: File too large'
    assert re.fullmatch(rf'error log\.access_file = "{access_path}": 3 lines lost within \d\.\d s: File too large', gap)
    assert losses == [2, 1]
    assert capfd.readouterr() == ("", "")


def test_of_standard_error_nobody_can_be_told_until_it_is_read_again(
    file: Path, losses: list[int], pipe: tuple[int, int]
) -> None:
    reader, writer = pipe
    saved = os.dup(2)
    os.dup2(writer, 2)
    try:
        log.configure(LogSettings(file=file, access=False), "arbiter")
        log.configure(LogSettings(access=False), "arbiter")
        while not losses:
            logger.info("x" * 1000)
        received = os.read(reader, 65536).decode()
        assert "lost" not in received
        logger.info("awake")
    finally:
        os.dup2(saved, 2)
        os.close(saved)
    awake, gap = os.read(reader, 65536).decode().splitlines()
    assert awake.endswith("  awake")
    assert re.search(r"  log\.file \(standard error\): 1 line lost within \d\.\d s: its reader is behind$", gap)


def test_a_child_tells_of_its_own_losses_only(file: Path, losses: list[int], capfd: pytest.CaptureFixture[str]) -> None:
    file.write_bytes(PADDING)
    log.configure(LogSettings(file=file, access=False), "arbiter")
    with full_disk(len(PADDING)):
        logger.info("lost")
        logger.info("lost")
    pid = os.fork()
    if pid == 0:
        try:
            log.configure(LogSettings(file=file, access=False), "worker 0")
            logger.info("from the child")
            with full_disk(file.stat().st_size):
                logger.info("lost, and counted by nobody here")
            logger.info("from the child")
        finally:
            os._exit(0)
    assert os.waitpid(pid, 0) == (pid, 0)
    assert losses == [1, 1]
    assert [re.sub(r"within .*", "", line) for line in added(file)] == [
        "info from the child",
        "info from the child",
        f'error log.file = "{file}": 1 line lost ',
    ]
    assert len(capfd.readouterr().err.splitlines()) == 2
    logger.info("from the parent")
    assert f'log.file = "{file}": 2 lines lost within' in added(file)[-1]
