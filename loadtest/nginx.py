"""nginx as a yardstick: one worker that returns a constant answer."""

from __future__ import annotations

from pathlib import Path

from loadtest.answers import HOST
from loadtest.apps import BODY

_MODULES = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def configuration(port: int, folder: Path, *, logged: bool, http2: bool) -> str:
    """A configuration that answers as ``apps.hello`` does, with all of nginx's own files in the folder."""
    folders = "\n".join(f"    {module}_temp_path {folder}/{module};" for module in _MODULES)
    return f"""\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{
    worker_connections 16384;
}}
http {{
{folders}
    access_log {"/dev/stdout" if logged else "off"};
    default_type text/plain;
    keepalive_requests 1000000000;  # it would close each connection after 1,000
    keepalive_timeout 600s;
    server {{
        listen {HOST}:{port}{" http2" if http2 else ""};
        location / {{
            return 200 "{BODY.decode("ascii")}";
        }}
    }}
}}
"""
