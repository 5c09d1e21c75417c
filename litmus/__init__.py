"""Litmus: a multi-process HTTP server for Python applications.

The map of the house, from the outside in. Dependencies run one way, downwards::

    cli         litmusd and litmusctl: the only code that prints or exits
    control     the control socket and the control pipes: framing, messages, server, client
    arbiter     the master process: sockets, preforked workers, reloads, signals, systemd
    worker      a worker process: boot, accepting, lifespan, draining
    interfaces  how an application is loaded
    server      connections, exchanges (``receive`` and ``send``), scopes, deadlines, access log, noise
    protocols   sans-I/O protocol machines
    memory      the shared segment: scoreboards, flight recorder, slab arenas

On the ground floor, for all of them: settings (and what it is made of), log, asgi, build, native, unixsockets.
"""

from __future__ import annotations

from typing import Any

from litmus import build

build.choose()

__version__ = "0.1.0"
__all__ = ["__version__", "stats"]


def stats() -> dict[str, Any]:
    """What ``litmusctl stats`` reports, from within an application: ``{arbiter, workers, totals}``.

    Raises RuntimeError when this process is not a Litmus worker.
    """
    from litmus.memory import report, segment

    if segment.current is None:
        raise RuntimeError("litmus.stats() is for applications that Litmus serves, and this process is not a worker")
    return report.report(segment.current)
