"""What litmusd says first: what runs, and where."""

import platform
from collections.abc import Mapping, Sequence

import litmus
from litmus import build
from litmus.cli.terminal import Terminal
from litmus.control import place
from litmus.settings import Settings


def implementation() -> str:
    """Whether the hot modules are compiled or interpreted, and by which Python: "pure, CPython 3.11.7"."""
    return (
        f"{'compiled' if build.compiled() else 'pure'}, {platform.python_implementation()} {platform.python_version()}"
    )


def show(
    settings: Settings, terminal: Terminal, addresses: Sequence[str], workers: int, environ: Mapping[str, str]
) -> None:
    """Print the name of the program and what runs: ``addresses`` and ``workers`` as they have come to be."""
    control = settings.arbiter.control or place.default_path(settings.source, environ)
    terminal.print(f"{terminal.paint(f'litmus {litmus.__version__}', 'bold')} ({implementation()})")
    terminal.print_fields(
        [
            ("application", settings.app.target),
            ("address", "\n".join(terminal.paint(_url(address), "cyan") for address in addresses)),
            ("workers", str(workers) if settings.arbiter.workers else f"{workers} (auto)"),
            ("config", str(settings.source or "none, the defaults hold")),
            ("control", f"{control}\n{terminal.paint(f'litmusctl -s {control} status', 'dim')}"),
        ]
    )


def _url(address: str) -> str:
    """The address as one would open it in a browser, where that is possible."""
    if address.startswith(("unix:", "fd:")):
        return address
    return f"http://0.0.0.0{address} (every interface)" if address.startswith(":") else f"http://{address}"
