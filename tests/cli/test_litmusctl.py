import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.control import FakeArbiter, scripted, serving
from support.litmusd import command, without
from typer.testing import CliRunner, Result

import litmus
from litmus.cli import litmusctl
from litmus.cli.litmusctl import DENIED, FAILED, NOBODY, UNSERVED, USAGE, find_socket
from litmus.control import messages, place
from litmus.control.messages import Done, Refused
from litmus.loading import ConfigError


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server of this machine may be found by accident."""
    for name in [name for name in os.environ if name.startswith("LITMUS_")] + ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(place, "SYSTEM_SOCKET", tmp_path / "no-system-socket")


@pytest.fixture
def arbiter() -> FakeArbiter:
    return FakeArbiter()


@pytest.fixture
def path(tmp_path: Path, arbiter: FakeArbiter) -> Iterator[Path]:
    path = tmp_path / "ctl.sock"
    with serving(path, arbiter):
        yield path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(litmusctl.app, [str(argument) for argument in arguments], prog_name="litmusctl")


# What the commands do


def test_status(path: Path) -> None:
    result = run("-s", path, "status")
    assert (result.exit_code, result.stdout) == (0, "  state  running\n")


def test_status_for_machines(path: Path) -> None:
    assert json.loads(run("-s", path, "status", "--json").stdout) == {"state": "running"}


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["ready"], 0),
        (["booting", "ready", "draining"], 0),
        (["booting", "booting"], UNSERVED),
        (["draining", "stopping", "killed"], UNSERVED),
        ([], UNSERVED),
    ],
)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_status_tells_scripts_whether_anything_is_served(
    path: Path, arbiter: FakeArbiter, states: list[str], code: int, options: tuple[str, ...]
) -> None:
    arbiter.summary = {"state": "running", "workers": [{"slot": 0, "state": state} for state in states]}
    result = run("-s", path, "status", *options)
    assert result.exit_code == code
    assert "running" in result.stdout
    assert ("no worker is ready" in result.stderr) == bool(code)


def test_status_of_a_server_that_stops(path: Path, arbiter: FakeArbiter) -> None:
    arbiter.summary = {"state": "stopping", "workers": [{"slot": 0, "state": "draining"}]}
    result = run("-s", path, "status")
    assert (result.exit_code, result.stderr) == (
        UNSERVED,
        "litmusctl: the server is stopping: no new connections are accepted\n",
    )


def test_stats(path: Path) -> None:
    result = run("-s", path, "stats")
    assert result.exit_code == 0
    assert result.stdout.startswith("litmusd ? (pure)")


def test_stats_for_machines(path: Path) -> None:
    assert json.loads(run("-s", path, "stats", "--json").stdout) == {"workers": []}


def test_reload(path: Path, arbiter: FakeArbiter) -> None:
    arbiter.outcome = Done({"generation": 2, "workers": 4})
    result = run("-s", path, "reload")
    assert (result.exit_code, result.stdout) == (0, "reloaded: generation 2, workers 4\n")


def test_a_reload_that_is_refused_says_why(path: Path, arbiter: FakeArbiter) -> None:
    arbiter.outcome = Refused("the configuration is refused", "litmus.toml: [appp]: unknown section\nand more")
    result = run("-s", path, "reload")
    assert result.exit_code == FAILED
    assert result.stdout == ""
    assert result.stderr == (
        "litmusctl: reload refused: the configuration is refused\n"
        "    litmus.toml: [appp]: unknown section\n"
        "    and more\n"
    )


def test_a_reload_that_takes_too_long_is_no_success(path: Path) -> None:
    result = run("-s", path, "reload", "--timeout", "0.1")
    assert result.exit_code == FAILED
    assert result.stderr == f"litmusctl: the server at {path} took the request and did not answer within 0.1 s\n"


def test_scale(path: Path, arbiter: FakeArbiter) -> None:
    result = run("-s", path, "scale", "4")
    assert (result.exit_code, result.stdout) == (0, "scaled: workers 4\n")
    assert arbiter.calls == [("scale", 4)]


def test_scale_to_too_many(path: Path) -> None:
    result = run("-s", path, "scale", "400")
    assert (result.exit_code, result.stderr) == (
        FAILED,
        "litmusctl: scale refused: cannot run 400 workers: at most 128 fit\n",
    )


@pytest.mark.parametrize("workers", ["0", "-1", "two", ""])
def test_scale_to_nonsense(path: Path, arbiter: FakeArbiter, workers: str) -> None:
    assert run("-s", path, "scale", "--", workers).exit_code == USAGE
    assert arbiter.calls == []


SERVER = """
import signal, sys
from pathlib import Path
from support.control import FakeArbiter, FakeReactor
from litmus.control.messages import Done, Refused
from litmus.control.server import ControlServer

reactor, arbiter = FakeReactor(), FakeArbiter()
arbiter.stopping = {stopping}
server = ControlServer(Path({path!r}), arbiter, reactor)
print("listening", flush=True)
reactor.run_until(lambda: "stop" in arbiter.calls)
if {ends}:
    server.close()
else:
    reactor.run_until(lambda: False)
"""


@pytest.fixture
def server_process(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def start_server(path: Path, started: list[subprocess.Popen[str]], *, ends: bool = True, refuses: bool = False) -> None:
    stopping = 'Refused("not now")' if refuses else "Done({})"
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER.format(path=str(path), ends=ends, stopping=stopping)],
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'tests'}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    started.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"


def test_stop_waits_for_the_end(tmp_path: Path, server_process: list[subprocess.Popen[str]]) -> None:
    path = tmp_path / "ctl.sock"
    start_server(path, server_process)
    result = run("-s", path, "stop")
    assert result.exit_code == 0
    assert re.fullmatch(r"stopped after \d+m?s\n", result.stdout)
    assert server_process[0].wait(0) == 0


def test_stop_does_not_wait_for_ever(tmp_path: Path, server_process: list[subprocess.Popen[str]]) -> None:
    path = tmp_path / "ctl.sock"
    start_server(path, server_process, ends=False)
    result = run("-s", path, "stop", "--timeout", "0.2")
    assert result.exit_code == FAILED
    assert result.stderr == "litmusctl: the server is stopping, and has not ended within 200ms\n"


def test_stop_that_is_refused(tmp_path: Path, server_process: list[subprocess.Popen[str]]) -> None:
    path = tmp_path / "ctl.sock"
    start_server(path, server_process, refuses=True)
    result = run("-s", path, "stop")
    assert (result.exit_code, result.stderr) == (FAILED, "litmusctl: stop refused: not now\n")


def test_stop_of_a_server_whose_process_cannot_be_seen(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unseen(pid: int) -> int:
        raise ProcessLookupError(3, "No such process")

    monkeypatch.setattr(os, "pidfd_open", unseen)
    result = run("-s", path, "stop")
    assert (result.exit_code, result.stdout) == (0, "stopping\n")


# Watching


def watch(path: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "litmus.cli.litmusctl", "-s", str(path), "stats", "--watch", *options],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_watch_goes_on_until_ctrl_c(path: Path) -> None:
    process = watch(path, "--json")
    assert process.stdout is not None
    ticks = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=30)
    assert ticks == [{"workers": []}] * 2
    assert all(json.loads(line) == {"workers": []} for line in rest.splitlines())
    assert (process.returncode, errors) == (0, "")


def test_watch_for_people_shows_a_rate_from_the_second_tick_on(path: Path, arbiter: FakeArbiter) -> None:
    arbiter.statistics = {"totals": {"requests": 7}}
    process = watch(path)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(9)]
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert [line.split() for line in lines if "requests" in line] == [["requests", "7"], ["requests", "7", "0/s"]]
    assert "\x1b" not in "".join(lines)
    assert (process.returncode, errors) == (0, "")


def test_watch_ends_when_the_server_does(tmp_path: Path) -> None:
    path = tmp_path / "ctl.sock"
    with scripted(path, messages.encode(Done({"n": 1})), messages.encode(Refused("stopping"))):
        process = watch(path, "--json")
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (FAILED, '{"n": 1}\n', "litmusctl: stats refused: stopping\n")


def test_ctrl_c_never_shows_a_traceback(path: Path, arbiter: FakeArbiter) -> None:
    asked = threading.Event()
    arbiter.reload = lambda reply: asked.set()  # type: ignore[method-assign]
    process = subprocess.Popen(
        [sys.executable, "-m", "litmus.cli.litmusctl", "-s", str(path), "reload"],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert asked.wait(30)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == -signal.SIGINT


# How it fails


def test_nobody_listens(tmp_path: Path) -> None:
    result = run("-s", tmp_path / "ctl.sock", "status")
    assert result.exit_code == NOBODY
    assert result.stderr == (
        f"litmusctl: nothing answers at {tmp_path}/ctl.sock: is litmusd running? (there is no such socket)\n"
    )


def test_nobody_listens_any_more(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(tmp_path / "ctl.sock"))
    result = run("-s", tmp_path / "ctl.sock", "status")
    assert result.exit_code == NOBODY
    assert "(the socket was left behind by a server that is gone)" in result.stderr


def test_nobody_listens_here_but_there_may_be_a_server_with_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "litmus.toml").touch()
    result = run("status")
    assert result.exit_code == NOBODY
    assert result.stderr.endswith(
        "    there is a litmus.toml here: a server started with it is found by litmusctl -c litmus.toml\n"
    )


def test_nobody_listens_here_but_there_may_be_a_server_of_the_system() -> None:
    place.SYSTEM_SOCKET.touch()
    result = run("status")
    assert result.exit_code == NOBODY
    assert result.stderr.endswith("    the system's own litmusd is found by litmusctl -c /etc/litmus/litmus.toml\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_not_for_this_user() -> None:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    with serving(folder / "ctl.sock", FakeArbiter()):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            result = run("-s", folder / "ctl.sock", "stop")
            os.write(write, f"{result.exit_code} {result.stderr}".encode())
            os._exit(0)
        os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as told:
        assert told.read() == (
            f"{DENIED} litmusctl: {folder}/ctl.sock may not be used by user 65534: "
            "be root, or the user who runs litmusd\n"
        )
    folder.rmdir()


def test_something_else_listens(tmp_path: Path) -> None:
    path = tmp_path / "ctl.sock"
    with scripted(path, b"220 mail.example.org ESMTP\r\n"):
        result = run("-s", path, "status")
    assert result.exit_code == FAILED
    assert f"what answers at {path} is not litmusd" in result.stderr


@pytest.mark.parametrize("arguments", [["fly"], ["status", "--loud"], ["scale"], ["reload", "--timeout", "0"], []])
def test_the_command_line_is_wrong(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == USAGE
    assert "Usage: litmusctl" in result.output


def test_help_tells_the_exit_codes() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for line in (
        "0  done",
        "1  the server refused",
        "2  the command line",
        "3  nothing listens",
        "4  this user may not",
        "5  (status) the server runs, and no worker is ready",
    ):
        assert line in result.stdout


def test_version() -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"litmusctl {litmus.__version__}\n")


def test_a_closed_standard_output_is_no_failure(path: Path) -> None:
    """The connection to the server must not become the standard output."""
    result = subprocess.run(
        without([1], command("litmusctl", "-s", path, "status")),
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")


# Where the server is


def test_the_options_may_come_after_the_command(path: Path) -> None:
    assert run("status", "-s", path).exit_code == 0
    assert run("-s", "/nowhere", "status", "-s", path).exit_code == 0


def test_the_environment_names_the_socket(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITMUS_CONTROL", str(path))
    assert run("status").exit_code == 0


def test_the_configuration_names_the_socket(path: Path, tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text('[arbiter]\ncontrol = "ctl.sock"\n')
    assert run("-c", "shop.toml", "status").exit_code == 0
    assert run("status", "--config", "shop.toml").exit_code == 0


def test_the_socket_is_found_in_this_order(tmp_path: Path) -> None:
    config = tmp_path / "shop.toml"
    config.write_text('[arbiter]\ncontrol = "file.sock"\n')
    environ = {"LITMUS_ARBITER__CONTROL": "/run/option.sock", "LITMUS_CONTROL": "/run/variable.sock"}
    option, variable = Path("/run/option.sock"), Path("/run/variable.sock")
    assert find_socket(Path("given.sock"), config, environ) == Path("given.sock")
    assert find_socket(None, config, environ) == option
    assert find_socket(None, config, {"LITMUS_CONTROL": str(variable)}) == tmp_path / "file.sock"
    assert find_socket(None, None, environ) == variable
    assert find_socket(None, None, {"LITMUS_ARBITER__CONTROL": str(option)}) == option
    assert find_socket(None, None, {}) == place.default_path(None, {})
    config.write_text("")
    assert find_socket(None, config, {}) == place.default_path(config, {})


def test_a_configuration_that_is_being_mended_still_names_the_socket(tmp_path: Path) -> None:
    config = tmp_path / "shop.toml"
    config.write_text('[arbiter]\nworkers = "many"\ncontrol = "ctl.sock"\nnonsense = 1\n[what]\n')
    assert find_socket(None, config, {}) == tmp_path / "ctl.sock"


def test_a_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text("[arbiter\n")
    with pytest.raises(ConfigError):
        find_socket(None, tmp_path / "shop.toml", {})
    result = run("-c", "shop.toml", "status")
    assert result.exit_code == USAGE
    assert re.match(r"litmusctl: .*shop\.toml: line 1", result.stderr)
    assert result.stderr.endswith("    -s SOCKET finds the server without its configuration\n")
