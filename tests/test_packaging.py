"""What surrounds the package: units, image, Makefile, setup.py."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from litmus.arbiter.crew import BOOT_TRIES
from litmus.arbiter.timings import Timings
from litmus.configuration import load
from litmus.control import place

ROOT = Path(__file__).parents[1]
SERVICE = ROOT / "systemd" / "litmus.service"
ENTRYPOINT = ROOT / "docker" / "entrypoint.sh"


def options(unit: Path) -> dict[str, list[str]]:
    """The settings of a unit, by name; each may be given more than once."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if re.match(r"[A-Z]\w*=", line):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def seconds(span: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(s|min)", span).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "min": 60}[unit]


# systemd


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_units_are_clean(tmp_path: Path) -> None:
    """The programs must exist for this; the true ones stand in for those in /opt/litmus."""
    text = SERVICE.read_text()
    assert text.count("/opt/litmus/bin/litmusd ") == text.count("/opt/litmus/bin/litmusctl ") == 1
    (tmp_path / SERVICE.name).write_text(text.replace("/opt/litmus/bin/", f"{tmp_path}/"))
    (tmp_path / "litmus.socket").write_text((ROOT / "systemd" / "litmus.socket").read_text())
    for program in ("litmusd", "litmusctl"):
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / SERVICE.name, tmp_path / "litmus.socket"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_the_service_waits_longer_than_the_server() -> None:
    service = options(SERVICE)
    drain = load(None, environ={}).timeouts.drain
    assert seconds(service["TimeoutStopSec"][0]) > drain + 5
    # Every try may take its time, and systemd must not kill the arbiter before it has said why it gives up.
    assert seconds(service["TimeoutStartSec"][0]) > Timings().boot * BOOT_TRIES + 30
    assert service["KillMode"] == ["mixed"]


def test_the_service_and_litmusctl_agree_on_the_control_socket() -> None:
    service = options(SERVICE)
    runtime = Path("/run", service["RuntimeDirectory"][0])
    for command in (*service["ExecStart"], *service["ExecReload"]):
        assert f" -c {place.SYSTEM_CONFIG}" in command
    assert place.default_path(place.SYSTEM_CONFIG, {"RUNTIME_DIRECTORY": str(runtime)}) == place.SYSTEM_SOCKET
    assert place.default_path(place.SYSTEM_CONFIG, {}) == place.SYSTEM_SOCKET


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "User=litmus",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "SystemCallFilter=@system-service",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
        "WatchdogSec=30s",
        "OOMPolicy=continue",
        "Restart=on-failure",
    ],
)
def test_the_service_is_hardened_and_watched(line: str) -> None:
    assert line in SERVICE.read_text().splitlines()


# The image


def run_entrypoint(tmp_path: Path, *arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
    """Run the script with a litmusd that tells how it was called, and by which process."""
    fake = tmp_path / "litmusd"
    fake.write_text(f"#!/bin/sh\necho $$\nprintf '[%s]' \"$@\"\nexit {code}\n")
    fake.chmod(0o755)
    process = subprocess.Popen(
        [ENTRYPOINT, *arguments],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    output, errors = process.communicate(timeout=30)
    pid, _, called = output.partition("\n")
    assert int(pid) == process.pid, "litmusd is not the process that was started: signals would not reach it"
    return subprocess.CompletedProcess(called, process.returncode, called, errors)


def test_the_entrypoint_becomes_litmusd(tmp_path: Path) -> None:
    result = run_entrypoint(tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "[-c][/etc/litmus/litmus.toml]", "")


def test_the_entrypoint_hands_arguments_on_as_they_are(tmp_path: Path) -> None:
    result = run_entrypoint(tmp_path, "shop.asgi:app", "--set", "app.root_path=/a b", "")
    assert result.stdout == "[-c][/etc/litmus/litmus.toml][shop.asgi:app][--set][app.root_path=/a b][]"


def test_the_exit_code_is_that_of_litmusd(tmp_path: Path) -> None:
    assert run_entrypoint(tmp_path, code=1).returncode == 1


def test_the_entrypoint_is_plain_posix_shell() -> None:
    assert ENTRYPOINT.read_text().startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", ENTRYPOINT], check=True)


def test_the_images_configuration_is_valid_and_reachable_from_outside() -> None:
    text = (ROOT / "docker" / "litmus.toml").read_text()
    assert tomllib.loads(text)["app"]["chdir"] == "/app"
    [listen] = tomllib.loads(text)["listen"]
    assert listen == {"bind": ":8000"}


def test_the_dockerfile_copies_what_there_is_and_runs_as_nobody_special() -> None:
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    for line in lines:
        if line.startswith("COPY ") and "--from=" not in line:
            sources = [word for word in line.split()[1:-1] if not word.startswith("--")]
            assert [source for source in sources if not (ROOT / source).exists()] == []
    for line in ("USER litmus", "EXPOSE 8000", "STOPSIGNAL SIGTERM", 'ENTRYPOINT ["litmus-entrypoint"]'):
        assert line in lines
    assert lines.index("USER litmus") < lines.index('ENTRYPOINT ["litmus-entrypoint"]')


def test_who_builds_on_the_image_installs_as_root_and_serves_as_nobody_special() -> None:
    """The recipe in the first lines: it starts as the user that the image ends with."""
    recipe = re.findall(r"^#     ([A-Z]+) (.*)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert recipe[0] == ("FROM", "litmus")
    users = {}
    user = "litmus"
    for instruction, words in recipe:
        user = words if instruction == "USER" else user
        users[instruction] = user
    assert users["RUN"] == "root"
    assert user == "litmus"


def test_what_the_dockerfile_copies_is_let_through() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for source in " ".join(copied).split():
        assert source.split("/")[0] in allowed


# make


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of the project as make looks at, with an environment that is set up already."""
    for name in ("Makefile", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, tmp_path)
        os.utime(tmp_path / name, (1, 1))
    for types in (ROOT / "litmus").rglob("*.pxd"):
        for source in (types, types.with_suffix(".py")):
            copy = tmp_path / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.touch()
            os.utime(copy, (1, 1))
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    for stamp in (".installed", ".installed-dev"):
        (tmp_path / ".venv" / stamp).touch()
        os.utime(tmp_path / ".venv" / stamp, (2, 2))
    return tmp_path


OF_AN_OUTER_MAKE = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL", "ARGS", "PYTHON")
"""What a make hands down to what it starts: its own state, and the variables that this Makefile is told."""


def make(checkout: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run make as from a shell, even if it was a make that has started the tests."""
    environ = {name: value for name, value in os.environ.items() if name not in OF_AN_OUTER_MAKE}
    return subprocess.run(["make", *arguments], cwd=checkout, env=environ, capture_output=True, text=True, check=False)


def would_do(checkout: Path, *arguments: str) -> str:
    result = make(checkout, "--dry-run", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@needs_make
def test_the_second_time_nothing_is_set_up(checkout: Path) -> None:
    assert would_do(checkout, "run") == ".venv/bin/litmusd \n"
    assert would_do(checkout, "test", "ARGS=-k reload") == ".venv/bin/python -m pytest -k reload\n"
    assert would_do(checkout, "check").splitlines() == [
        ".venv/bin/ruff check .",
        ".venv/bin/ruff format --check .",
        ".venv/bin/mypy",
    ]


@needs_make
@pytest.mark.parametrize(("target", "what"), [("run", "--editable ."), ("test", "--editable '.[dev]'")])
@pytest.mark.parametrize("changed", ["pyproject.toml", "setup.py", "litmus/memory/lease.pxd", "litmus/memory/lease.py"])
def test_it_is_installed_anew_when_what_makes_it_has_changed(
    checkout: Path, changed: str, target: str, what: str
) -> None:
    os.utime(checkout / changed)
    commands = would_do(checkout, target)
    assert what in commands
    assert "-m venv" not in commands


@needs_make
def test_a_module_that_is_not_compiled_takes_no_setting_up(checkout: Path) -> None:
    (checkout / "litmus" / "cold.py").touch()
    assert would_do(checkout, "run") == ".venv/bin/litmusd \n"


@needs_make
@pytest.mark.parametrize("target", ["run", "test"])
def test_what_was_compiled_before_a_change_is_not_loaded_after_it(checkout: Path, target: str) -> None:
    """Even if it can't be compiled again: the programs in this environment do nothing, and so does their compiler."""
    for program in ("python", "litmusd"):
        (checkout / ".venv" / "bin" / program).write_text("#!/bin/sh\n")
        (checkout / ".venv" / "bin" / program).chmod(0o755)
    compiled = checkout / "litmus" / "memory" / "lease.cpython-311-x86_64-linux-gnu.so"
    compiled.touch()
    assert make(checkout, target).returncode == 0
    assert compiled.exists()
    os.utime(checkout / "litmus" / "memory" / "lease.pxd")
    assert make(checkout, target).returncode == 0
    assert not compiled.exists()
    assert "pip" not in would_do(checkout, target)


@needs_make
def test_the_first_time_everything_is_set_up(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    commands = would_do(checkout, "run", "PYTHON=python3.13")
    assert "python3.13 -m venv .venv" in commands
    assert commands.index("-m venv") < commands.index("--editable .") < commands.index(".venv/bin/litmusd")


@needs_make
def test_an_old_python_is_refused_in_words(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    old = checkout / "python3.9"
    old.write_text(
        "#!/bin/sh\nshift\nexec python3 -c \"import sys; sys.version_info = (3, 9); sys.version = '3.9.2'; $1\"\n"
    )
    old.chmod(0o755)
    result = make(checkout, "run", f"PYTHON={old}")
    assert result.returncode != 0
    assert "Python 3.11 or newer is needed, this is 3.9.2: make PYTHON=..." in result.stderr
    assert not (checkout / ".venv").exists()


# setup.py


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("Cython", "setuptools"))), reason="needs Cython and setuptools"
)
def test_a_compiler_that_fails_does_not_stop_the_build(tmp_path: Path) -> None:
    shutil.copy(ROOT / "setup.py", tmp_path)
    (tmp_path / "litmus").mkdir()
    (tmp_path / "litmus" / "__init__.py").touch()
    (tmp_path / "litmus" / "hot.py").write_text("def one():\n    return 1\n")
    (tmp_path / "litmus" / "hot.pxd").write_text("cpdef int one()\n")
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    for compiler, made in (("/bin/false", 0), ("/no/such/compiler", 0), (None, 1)):
        if compiler is None and shutil.which("cc") is None:
            continue
        environ = {**os.environ, "CC": compiler or "cc"}
        result = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert len(list(tmp_path.glob("litmus/*.so"))) == made


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_ci_script_is_sound() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
