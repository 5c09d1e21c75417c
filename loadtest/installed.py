"""The servers that are installed: where, and in which version."""

from __future__ import annotations

import json
import re
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from loadtest import processes
from loadtest.errors import MeasurementError

_PEERS_ENVIRONMENT = Path(__file__).with_name(".venv")
_PEERS_PYTHON = _PEERS_ENVIRONMENT / "bin" / "python"
_STAMP = _PEERS_ENVIRONMENT / ".installed"
_REQUIREMENTS = Path(__file__).with_name("requirements.txt")

# gunicorn's quick parser has to be compiled where there is no wheel of it; gunicorn has a slow one as well.
_OPTIONAL = "gunicorn_h1c"

_INSTALL_SECONDS = 600.0

_PURE = {"LITMUS_PURE": "1"}


@dataclass(frozen=True)
class Installed:
    """A server that is installed.

    Attributes:
        name: what it is called.
        version: its version, and what else tells builds apart.
        program: the interpreter that has it, or the server itself where it is none of Python's.
        variables: what its environment needs.
    """

    name: str
    version: str
    program: str
    variables: Mapping[str, str] = field(default_factory=dict)


def litmus() -> dict[str, Installed]:
    """Litmus, of the environment that runs this: as it is, and interpreted if that is something else.

    Raises MeasurementError when the environment has none.
    """
    loop = uvloop()
    normal = Installed("litmus", _litmus_version({}, loop), sys.executable)
    pure = Installed("litmus-pure", _litmus_version(_PURE, loop), sys.executable, _PURE)
    return {each.name: each for each in (normal, pure) if each is normal or each.version != normal.version}


def uvloop() -> str:
    """The uvloop of the environment that runs this, in words. Raises MeasurementError when there is none."""
    try:
        return f"uvloop {metadata.version('uvloop')}"
    except metadata.PackageNotFoundError as error:
        raise MeasurementError(
            f"{sys.executable} has no uvloop; use the Python that `make test` or `make run` sets up, .venv/bin/python"
        ) from error


def _litmus_version(variables: Mapping[str, str], loop: str) -> str:
    command = [sys.executable, "-m", "litmus.cli.litmusd", "--version"]
    return build(processes.run(command, variables=variables).stdout, loop)


def build(printed: str, loop: str) -> str:
    """What tells builds of Litmus apart: "litmusd 0.1.0 (pure, CPython 3.11.7)" → "0.1.0 (pure, uvloop 0.23.0)"."""
    found = re.fullmatch(r"litmusd (\S+) \((\w+), .*\)", printed.strip())
    if found is None:
        raise MeasurementError(f"litmusd --version printed something that is not understood: {printed}")
    return f"{found[1]} ({found[2]}, {loop})"


def peers() -> dict[str, Installed]:
    """The peers, of an environment of their own, which is made when it is not there as it should be.

    Raises MeasurementError when that fails.
    """
    if not peers_are_there():
        _install_peers()
    python = str(_PEERS_PYTHON)
    query = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    versions = {
        name.lower().replace("-", "_"): version
        for name, version in json.loads(processes.run([python, "-c", query]).stdout).items()
    }
    parts = {
        "uvicorn": ("uvloop", "httptools", "zttp", "websockets"),
        "uvicorn-wsproto": ("uvloop", "httptools", "wsproto"),
        "granian": ("uvloop",),
        "gunicorn": ("uvloop", _OPTIONAL, "h2"),
        "hypercorn": ("uvloop", "h11", "h2", "wsproto"),
    }
    return {name: Installed(name, _version(name, of, versions), python) for name, of in parts.items()}


def _version(name: str, parts: tuple[str, ...], versions: Mapping[str, str]) -> str:
    present = ", ".join(f"{part} {versions[part]}" for part in parts if part in versions)
    return f"{versions[name.partition('-')[0]]} ({present})"


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
    processes.run([*pip, _OPTIONAL], timeout=_INSTALL_SECONDS, check=False)
    _STAMP.write_text(_wanted())


def nginx() -> Installed | None:
    """nginx, where it is installed."""
    try:
        printed = processes.run(["nginx", "-v"]).stderr
    except (FileNotFoundError, MeasurementError):
        return None
    return Installed("nginx", printed.strip().rpartition("/")[2], "nginx")


def commit() -> str | None:
    """Which commit of Litmus this is, and whether something was changed since, where that is known."""
    try:
        described = processes.run(["git", "describe", "--always", "--dirty"], check=False)
    except FileNotFoundError:
        return None
    return described.stdout.strip() or None if described.returncode == 0 else None
