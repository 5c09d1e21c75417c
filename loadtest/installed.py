"""The servers that are installed: where, and in which version."""

from __future__ import annotations

import json
import re
import sys
import venv
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from loadtest import processes
from loadtest.errors import MeasurementError

_PEERS_ENVIRONMENT = Path(__file__).with_name(".venv")
_PEERS_PYTHON = _PEERS_ENVIRONMENT / "bin" / "python"
_STAMP = _PEERS_ENVIRONMENT / ".installed"
_REQUIREMENTS = Path(__file__).with_name("requirements.txt")

_INSTALL_SECONDS = 600.0


@dataclass(frozen=True)
class Installed:
    """A server that is installed.

    Attributes:
        name: what it is called.
        version: its version, and what else tells builds apart.
        python: the interpreter that has it.
    """

    name: str
    version: str
    python: str


def litmus() -> Installed:
    """Litmus, of the environment that runs this. Raises MeasurementError when that has none."""
    loop = uvloop()
    printed = processes.run([sys.executable, "-m", "litmus.cli.litmusd", "--version"]).stdout
    return Installed("litmus", build(printed, loop), sys.executable)


def uvloop() -> str:
    """The uvloop of the environment that runs this, in words. Raises MeasurementError when there is none."""
    try:
        return f"uvloop {metadata.version('uvloop')}"
    except metadata.PackageNotFoundError as error:
        raise MeasurementError(
            f"{sys.executable} has no uvloop; use the Python that `make test` or `make run` sets up, .venv/bin/python"
        ) from error


def build(printed: str, loop: str) -> str:
    """What tells builds of Litmus apart: "litmusd 0.1.0 (pure, CPython 3.11.7)" → "0.1.0 (pure, uvloop 0.23.0)"."""
    found = re.fullmatch(r"litmusd (\S+) \((\w+), .*\)", printed.strip())
    if found is None:
        raise MeasurementError(f"litmusd --version printed something that is not understood: {printed}")
    return f"{found[1]} ({found[2]}, {loop})"


def peers() -> tuple[Installed, Installed]:
    """uvicorn and granian, of an environment of their own, which is made when it is not there as it should be.

    Raises MeasurementError when that fails.
    """
    if not peers_are_there():
        _install_peers()
    python = str(_PEERS_PYTHON)
    query = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    versions: dict[str, str] = json.loads(processes.run([python, "-c", query]).stdout)
    loop = f"uvloop {versions['uvloop']}"
    return (
        Installed("uvicorn", f"{versions['uvicorn']} ({loop}, httptools {versions['httptools']})", python),
        Installed("granian", f"{versions['granian']} ({loop})", python),
    )


def peers_are_there() -> bool:
    """Whether the peers' environment has this very Python and the requirements installed."""
    return _PEERS_PYTHON.exists() and _STAMP.exists() and _STAMP.read_text() == _wanted()


def _wanted() -> str:
    return f"{sys.version}\n{_REQUIREMENTS.read_text()}"


def _install_peers() -> None:
    print(f"Setting up {_PEERS_ENVIRONMENT} ...", file=sys.stderr)
    venv.create(_PEERS_ENVIRONMENT, clear=True, with_pip=True)
    pip = [str(_PEERS_PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        processes.run([*pip, "--requirement", str(_REQUIREMENTS)], timeout=_INSTALL_SECONDS)
    except MeasurementError as error:
        raise MeasurementError(f"the peers, which are installed once from the network, cannot be: {error}") from error
    _STAMP.write_text(_wanted())
