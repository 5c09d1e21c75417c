import io
import os
import re
import resource
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.litmusd import APP, Litmusd, clean_environ, command, run
from support.waiting import wait_until

import litmus
from litmus import build, log
from litmus.arbiter.arbiter import Arbiter
from litmus.cli import banner, litmusd
from litmus.cli.terminal import Terminal
from litmus.configuration import load
from litmus.loading import Override
from litmus.settings import LogSettings

KIND = "compiled" if build.compiled() else "pure"
ADDRESS = ("--bind", "127.0.0.1:0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APP)
    return tmp_path


Start = Callable[..., Litmusd]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start a server and wait until it is ready."""
    servers = []

    def started(*arguments: object) -> Litmusd:
        server = Litmusd(folder, *arguments)
        servers.append(server)
        server.wait_for("READY=1")
        return server

    yield started
    for server in servers:
        server.close()


def refused(folder: Path, *arguments: object) -> str:
    """Run a litmusd that is expected to refuse, and return what it says."""
    result = run("litmusd", *arguments, cwd=folder)
    assert result.returncode == 1, result.stderr
    return result.stderr


# Serving


def test_an_application_from_the_current_directory(start: Start) -> None:
    server = start("shop:app", *ADDRESS, "--workers", 2)
    assert server.get() == "VERSION 1"
    lines = server.errors.splitlines()
    assert lines[0].startswith(f"litmus {litmus.__version__} ({KIND}, CPython 3.")
    assert lines[1] == "  application  shop:app"
    assert re.fullmatch(r"  address      http://127\.0\.0\.1:\d+", lines[2])
    assert lines[3:5] == ["  workers      2", "  config       none, the defaults hold"]
    control = lines[5].removeprefix("  control      ")
    assert Path(control).parent == server.folder / f"litmus-{os.geteuid()}"
    assert lines[6] == f"               litmusctl -s {control} status"
    assert "\x1b" not in server.errors
    assert server.ctl("status").returncode == 0
    assert server.stop(signal.SIGINT) == 0
    assert "Traceback" not in server.errors
    assert not Path(control).exists()


def test_the_welcome_application_without_any_argument_or_file(start: Start) -> None:
    server = start(*ADDRESS)
    assert "<html" in server.get()


def test_a_configuration_and_the_life_of_a_server(start: Start, folder: Path) -> None:
    config = folder / "litmus.toml"
    good = '[app]\ntarget = "shop:app"\n[arbiter]\nworkers = 1\n[[listen]]\nbind = "127.0.0.1:0"\n'
    config.write_text(good)
    server = start("-c", "litmus.toml")
    assert f"  config       {config}\n" in server.errors
    assert f"  control      {folder}/litmus-" in server.errors
    assert f"               litmusctl -s {folder}/litmus-" in server.errors
    ctl = ("-c", "litmus.toml")

    config.write_text(good + 'blacklog = 1\n[app.x]\n[timeouts]\ndrain = "soon"\n')
    result = server.ctl(*ctl, "reload")
    assert result.returncode == 1
    assert "blacklog" in result.stderr
    assert "timeouts.drain" in result.stderr
    assert server.get() == "VERSION 1"

    config.write_text(good)
    (folder / "shop.py").write_text("import no_such_thing\n")
    result = server.ctl(*ctl, "reload")
    assert result.returncode == 1
    assert "No module named 'no_such_thing'" in result.stderr
    assert server.get() == "VERSION 1"

    (folder / "shop.py").write_text(APP.replace("VERSION 1", "VERSION 2"))
    result = server.ctl(*ctl, "reload")
    assert re.fullmatch(r"reloaded: generation \d+, workers 1\n", result.stdout)
    assert server.get() == "VERSION 2"

    assert server.ctl(*ctl, "scale", 2).stdout == "scaled: workers 2\n"
    assert re.search(r"^   1 +\d+ +\d+  ready ", server.ctl(*ctl, "stats").stdout, re.MULTILINE)
    result = server.ctl(*ctl, "stop")
    assert (result.returncode, result.stderr) == (0, "")
    assert server.process.wait(0) == 0
    assert server.ctl(*ctl, "status").returncode == 3


def test_a_target_beside_a_configuration_is_looked_up_from_the_current_directory(start: Start, folder: Path) -> None:
    (folder / "etc").mkdir()
    (folder / "etc" / "litmus.toml").write_text('[app]\ntarget = "other:app"\n[arbiter]\nworkers = 1\n')
    server = start("shop:app", "-c", "etc/litmus.toml", *ADDRESS)
    assert server.get() == "VERSION 1"


def test_several_addresses(start: Start, folder: Path) -> None:
    server = start("shop:app", *ADDRESS, "--bind", "unix:shop.sock", "--set", "arbiter.workers=1")
    assert f"               unix:{folder}/shop.sock\n" in server.errors
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(folder / "shop.sock"))
        client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
        with client.makefile("rb") as answer:
            assert answer.read().endswith(b"VERSION 1")


# Refusing to serve: one clear message, exit code 1


def test_every_problem_of_the_configuration_has_its_line(folder: Path) -> None:
    (folder / "litmus.toml").write_text("[arbiter]\nwrokers = 4\n[nonsense]\n")
    said = refused(folder, "-c", "litmus.toml", "--workers", "many").splitlines()
    assert len(said) == 3
    assert all(line.startswith("litmusd: ") for line in said)
    assert "arbiter.wrokers = 4: unknown key; did you mean arbiter.workers?" in said[0]
    assert '--workers: arbiter.workers = "many"' in said[2]


def test_a_configuration_that_is_not_there(folder: Path) -> None:
    assert refused(folder, "-c", "nowhere.toml").startswith("litmusd: nowhere.toml: there is no such file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_configuration_that_may_not_be_read(folder: Path) -> None:
    (folder / "litmus.toml").touch(mode=0o000)
    assert "litmus.toml: cannot be read: Permission denied" in refused(folder, "-c", "litmus.toml")


def test_a_port_in_use(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        said = refused(folder, "shop:app", "--bind", address)
    assert said.startswith("litmusd: ")
    assert address in said
    assert "ddress already in use" in said or "in use" in said
    assert "Traceback" not in said


def test_a_second_server_in_the_same_place(start: Start, folder: Path) -> None:
    server = start("shop:app", *ADDRESS, "--workers", 1)
    said = refused(folder, "shop:app", *ADDRESS)
    assert re.match(rf"litmusd: another litmusd answers on \S+, as process {server.process.pid}; stop it first", said)
    assert server.get() == "VERSION 1"
    # What it says is the way out.
    assert "(--set arbiter.control=PATH)" in said
    other = start("shop:app", *ADDRESS, "--workers", 1, "--set", f"arbiter.control={folder}/other.sock")
    assert other.get() == "VERSION 1"
    assert other.ctl("-s", "other.sock", "stop").returncode == 0
    assert server.ctl("status").returncode == 0


def test_a_control_socket_that_cannot_be(folder: Path) -> None:
    said = refused(folder, "shop:app", *ADDRESS, "--set", "arbiter.control=/proc/litmus/ctl.sock")
    assert said.startswith("litmusd: cannot make the folder for the control socket /proc/litmus/ctl.sock")
    assert len(said.splitlines()) == 1


def test_something_else_at_the_control_socket_is_left_alone(folder: Path) -> None:
    (folder / "ctl.sock").write_text("precious")
    said = refused(folder, "shop:app", *ADDRESS, "--set", "arbiter.control=ctl.sock")
    assert f"the control socket can't be made at {folder}/ctl.sock" in said
    assert (folder / "ctl.sock").read_text() == "precious"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import no_such_thing", "No module named 'no_such_thing'"),
        (
            APP.replace('"lifespan.startup.complete"', '"lifespan.startup.failed", "message": "no database"'),
            "no database",
        ),
    ],
)
def test_an_application_that_cannot_be_started(folder: Path, source: str, complaint: str) -> None:
    (folder / "shop.py").write_text(source)
    said = refused(folder, "shop:app", *ADDRESS, "--workers", 1)
    assert re.search(rf"^litmusd: .*{re.escape(complaint)}", said, re.MULTILINE)


# Refusing to serve when nobody reads standard error: the log's file has it, too


def logged(folder: Path) -> list[str]:
    """What is in litmus.log, without times and process ids."""
    lines = (folder / "litmus.log").read_text().splitlines()
    return [re.sub(r"^\d{4}-\S+ \S+ (\S+) +(\S+)\[\d+\] ", r"\1 \2:", line) for line in lines]


def test_a_wrong_configuration_is_told_to_its_log_as_well(folder: Path) -> None:
    (folder / "litmus.toml").write_text('[log]\nfile = "litmus.log"\nlevel = "loud"\n[arbiter]\nwrokers = 4\n')
    said = refused(folder, "-c", "litmus.toml")
    assert said.splitlines() == [
        'litmusd: litmus.toml: log.level = "loud": must be "debug" or "info" or "warning" or "error"',
        "litmusd: litmus.toml: arbiter.wrokers = 4: unknown key; did you mean arbiter.workers?",
    ]
    assert logged(folder) == [
        "critical arbiter: litmusd cannot start: "
        'litmus.toml: log.level = "loud": must be "debug" or "info" or "warning" or "error"',
        "    litmus.toml: arbiter.wrokers = 4: unknown key; did you mean arbiter.workers?",
    ]


def test_addresses_and_other_files_that_cannot_be_had_are_told_to_the_log_as_well(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        in_use = refused(folder, "shop:app", "--bind", address, "--set", "log.file=litmus.log")
    os.mkfifo(folder / "pipe")
    files = ("--set", "log.file=litmus.log", "--set", "log.access_file=pipe")
    unread = refused(folder, "shop:app", *ADDRESS, *files)
    assert f'log.access_file = "{folder}/pipe": cannot be opened for writing' in unread
    assert logged(folder) == [
        f"critical arbiter: litmusd cannot start: {said.removeprefix('litmusd: ').rstrip()}"
        for said in (in_use, unread)
    ]


def test_an_application_that_cannot_be_started_is_told_to_the_log_as_well(folder: Path) -> None:
    (folder / "shop.py").write_text("import no_such_thing\n")
    said = refused(folder, "shop:app", *ADDRESS, "-w", 1, "--set", "log.file=litmus.log")
    lines = logged(folder)
    [first] = [line for line in lines if line.startswith("critical ")]
    assert first.startswith("critical arbiter: litmusd cannot start: the application cannot be started: import: ")
    assert "    Traceback (most recent call last):" in lines
    # All that was printed below the banner.
    told = said[said.index("litmusd: the application") :].removeprefix("litmusd: ").splitlines()
    assert [first.removeprefix("critical arbiter: litmusd cannot start: "), *lines[lines.index(first) + 1 :]] == told


def test_what_nobody_foresaw_is_told_to_the_log_as_well(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(Arbiter, "prepare", lambda self: 1 // 0)
    settings = load(None, environ={}, overrides=[Override("log.file", "litmus.log")])
    try:
        with pytest.raises(ZeroDivisionError):
            litmusd._serve(settings, lambda: settings, Terminal(io.StringIO()))
    finally:
        log.configure(LogSettings(access=False), "nobody")  # lets the file go
    lines = logged(folder)
    assert lines[0] == "critical arbiter: litmusd failed"
    assert lines[-1] == "    ZeroDivisionError: integer division or modulo by zero"


def test_a_check_leaves_the_log_alone(folder: Path) -> None:
    refused(folder, "--set", "log.file=litmus.log", "--set", "timeouts.darin=5s", "--check")
    assert not (folder / "litmus.log").exists()


# The command line


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--sett", "a=b"], "No such option"),
        (["shop:app", "other:app"], "unexpected extra argument"),
        (["--set", "arbiter.workers"], "'arbiter.workers' is not SECTION.KEY=VALUE"),
        (["--set", "=4"], "'=4' is not SECTION.KEY=VALUE"),
    ],
)
def test_a_wrong_command_line(folder: Path, arguments: list[str], complaint: str) -> None:
    result = run("litmusd", *arguments, cwd=folder)
    assert result.returncode == 2
    assert complaint in result.stderr


def test_version(folder: Path) -> None:
    result = run("litmusd", "--version", cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(rf"litmusd {re.escape(litmus.__version__)} \({KIND}, CPython 3\.\d+\.\d+\S*\)\n", result.stdout)


def test_help(folder: Path) -> None:
    result = run("litmusd", "--help", cwd=folder)
    assert result.returncode == 0
    for word in ("TARGET", "--config", "--bind", "--workers", "--set", "--check", "Signals:", "Exit codes:"):
        assert word in result.stdout


# --check


def test_check_says_what_is_set_where_and_loads_the_application(folder: Path) -> None:
    (folder / "litmus.toml").write_text('[app]\ntarget = "shop:app"\n[timeouts]\ndrain = "5s"\n')
    result = run(
        "litmusd", "-c", "litmus.toml", "-w", "3", "--check", cwd=folder, environ={"LITMUS_LOG__LEVEL": "debug"}
    )
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == f"configuration  ok  {folder}/litmus.toml"
    assert {tuple(line.split(maxsplit=2)) for line in lines[2:-2]} == {
        ("app.target", '"shop:app"', "litmus.toml"),
        ("timeouts.drain", '"5s"', "litmus.toml"),
        ("log.level", '"debug"', "environment LITMUS_LOG__LEVEL"),
        ("arbiter.workers", "3", "--workers"),
    }
    assert re.fullmatch(r"application    ok  shop:app, loaded in \d+m?s", lines[-2])
    assert lines[-1] == (
        "Checked: every option, and that the application loads. "
        "Not tried: its lifespan, the addresses, the control socket, the log files, the pidfile."
    )


def test_check_tries_nothing_of_what_it_says_it_does_not(folder: Path) -> None:
    (folder / "shop.py").write_text("def app(scope, receive, send): open('called', 'w')\n")
    values = ("log.file=litmus.log", "log.access_file=access.log", "arbiter.pidfile=pid", "arbiter.control=ctl.sock")
    options = [word for value in values for word in ("--set", value)]
    before = {*folder.iterdir()}
    with socket.create_server(("127.0.0.1", 0)) as other:
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        result = run("litmusd", "shop:app", "--bind", bind, "--bind", "unix:shop.sock", *options, "--check", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert {*folder.iterdir()} == before


@pytest.fixture
def descriptors() -> Iterator[None]:
    """1024 of them, here and in the server, which inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("descriptors")
def test_more_connections_than_descriptors_allow_are_told(folder: Path, start: Start) -> None:
    """By a check, at the start, and by a reload: it is no reason not to serve."""
    many = ("shop:app", *ADDRESS, "--workers", 1, "--set", "limits.connections=1000")
    warning = "--set: limits.connections = 1000: workers will have 896, the most that a descriptor limit of 1024"
    result = run("litmusd", *many, "--check", cwd=folder)
    assert result.returncode == 0
    assert result.stderr.startswith(f"litmusd: warning: {warning}")
    assert "LimitNOFILE=" in result.stderr
    server = start(*many)
    assert server.errors.count(warning) == 1
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "generation 2 serves" in server.errors, "the reload")
    assert server.errors.count(warning) == 2


def test_check_refuses_a_bad_configuration(folder: Path) -> None:
    assert "did you mean timeouts.drain" in refused(folder, "--set", "timeouts.darin=5s", "--check")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("def app(:", "SyntaxError"),
        ("x = 1", "module 'shop' has no attribute 'app'"),
        ("import os; os.kill(os.getpid(), 11)", "the process was killed by SIGSEGV while it was loaded"),
        ("import os; os._exit(7)", "the process exited with code 7 while it was loaded"),
        ("raise RuntimeError('\\x1b[2J')", "RuntimeError: \\x1b[2J"),
        (
            "def app(environ, start_response): ...",
            "this version serves ASGI only: wrap the application with an adapter such as a2wsgi"
            ' (app = a2wsgi.WSGIMiddleware(app)), or set app.interface = "asgi" if it is one after all',
        ),
    ],
)
def test_check_says_what_is_wrong_with_the_application(folder: Path, source: str, complaint: str) -> None:
    (folder / "shop.py").write_text(source)
    result = run("litmusd", "shop:app", "--check", cwd=folder)
    assert result.returncode == 1
    assert "Checked" not in result.stdout
    assert "application" not in result.stdout
    assert result.stderr.startswith("application    bad  shop:app\nlitmusd: ")
    assert complaint in result.stderr


def test_wsgi_that_was_asked_for_is_refused_with_what_to_do_instead(folder: Path) -> None:
    said = refused(folder, "shop:app", "--set", "app.interface=wsgi", "--check")
    assert said == (
        "application    bad  shop:app\n"
        "litmusd: app.target = 'shop:app': app.interface is wsgi, and this version serves ASGI only: wrap the "
        "application with an adapter such as a2wsgi (app = a2wsgi.WSGIMiddleware(app)); leave app.interface out\n"
    )


def test_check_shows_the_part_of_the_traceback_that_matters(folder: Path) -> None:
    (folder / "shop.py").write_text("import models\n")
    (folder / "models.py").write_text("1 / 0\n")
    lines = run("litmusd", "shop:app", "--check", cwd=folder).stderr.splitlines()
    assert lines[1].endswith("ZeroDivisionError: division by zero")
    files = [line.split('"')[1] for line in lines if line.lstrip().startswith("File")]
    assert files == [f"{folder}/shop.py", f"{folder}/models.py"]


def test_check_is_not_held_up_by_what_the_application_leaves_running(folder: Path) -> None:
    (folder / "shop.py").write_text(
        "import os, signal, threading\n"
        "threading.Thread(target=signal.pause).start()\n"
        "if os.fork() == 0:\n"
        "    os.close(1); os.close(2)\n"
        "    os.read(0, 1)\n"  # until the test has closed its end
        "    os._exit(0)\n"
        "def app(scope, receive, send): ...\n"
    )
    process = subprocess.Popen(
        command("litmusd", "shop:app", "--check"),
        cwd=folder,
        env=clean_environ(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    assert process.wait(30) == 0, output
    assert process.stdin is not None
    process.stdin.close()
    process.stdout.close()


def test_ctrl_c_never_shows_a_traceback(folder: Path) -> None:
    (folder / "shop.py").write_text("import sys\nprint('importing', flush=True)\nsys.stdin.read()\n")
    process = subprocess.Popen(
        command("litmusd", "shop:app", "--check"),
        cwd=folder,
        env=clean_environ(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stdout is not None
    while "importing" not in process.stdout.readline():
        pass
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (-signal.SIGINT, "", "")


# The first lines


def test_the_banner_has_colour_on_a_terminal() -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    settings = load(None, environ={}, overrides=[Override("arbiter.control", "/run/shop.sock", "--set")])
    banner.show(settings, Terminal(screen, {}), [":80", "127.0.0.1:81", "fd:3"], 4, {})
    text = screen.getvalue()
    assert "\x1b[36mhttp://0.0.0.0:80 (every interface)\x1b[0m" in text
    plain = re.sub(r"\x1b\[\d+m", "", text)
    assert plain.splitlines()[1:] == [
        "  application  litmus.welcome:app",
        "  address      http://0.0.0.0:80 (every interface)",
        "               http://127.0.0.1:81",
        "               fd:3",
        "  workers      4 (auto)",
        "  config       none, the defaults hold",
        "  control      /run/shop.sock",
        "               litmusctl -s /run/shop.sock status",
    ]
