"""Where the server listens: one spelling for TCP addresses, Unix sockets and inherited descriptors."""

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# sockaddr_un.sun_path holds 108 bytes, the closing NUL among them (unix(7)).
MAX_UNIX_PATH = 107

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?", re.ASCII)
_PORT = re.compile(r"\d{1,5}", re.ASCII)
_HELP = 'must be an address: "host:port", "[v6]:port", ":port", "unix:/path" or "fd:3"'


def check_unix_path(path: Path) -> None:
    """ValueError when a Unix socket cannot be bound at `path`, because the kernel has no room for the name."""
    length = len(os.fsencode(path))
    if length > MAX_UNIX_PATH:
        raise ValueError(f"is {length} bytes long as {path}; a Unix socket's path must fit in {MAX_UNIX_PATH}")


@dataclass(frozen=True, slots=True)
class Address:
    """One address to listen on. Only the fields of its kind carry a meaning; `str()` gives the canonical spelling.

    `host` is "" for every interface, an IP address without brackets, or a name that is looked up when it is bound.
    `port` 0 lets the kernel choose. `path` is absolute once `parse` was told the base folder. `fd` was opened by the
    process that started this one.
    """

    kind: Literal["tcp", "unix", "fd"]
    host: str = ""
    port: int = 0
    path: str = ""
    fd: int = -1

    @classmethod
    def parse(cls, text: str, base: Path | None = None) -> "Address":
        """The address spelled by `text`; a relative Unix path starts at `base`. ValueError says what would be right."""
        if text.startswith("unix:"):
            return cls._parse_unix(text.removeprefix("unix:"), base)
        if text.startswith("fd:"):
            return cls._parse_fd(text.removeprefix("fd:"))
        return cls._parse_tcp(text)

    @classmethod
    def _parse_unix(cls, name: str, base: Path | None) -> "Address":
        if not name or "\0" in name:
            raise ValueError('must name a path after "unix:", such as "unix:/run/litmus/http.sock"')
        if name.startswith("@"):
            raise ValueError(
                "must be a path: abstract sockets have no owner and no permissions, so anybody could connect"
            )
        path = base / name if base is not None else Path(name)
        check_unix_path(path)
        return cls("unix", path=str(path))

    @classmethod
    def _parse_fd(cls, number: str) -> "Address":
        if not _PORT.fullmatch(number) or int(number) < 3:
            raise ValueError('must be "fd:" and the number of an inherited socket, 3 or more')
        return cls("fd", fd=int(number))

    @classmethod
    def _parse_tcp(cls, text: str) -> "Address":
        if "://" in text:
            raise ValueError(f"{_HELP}; leave out the scheme: {text.partition('://')[2].rstrip('/')!r}")
        if _PORT.fullmatch(text):
            raise ValueError(f'{_HELP}; for every interface write ":{text}", for this machine alone "127.0.0.1:{text}"')
        host, colon, port = text.rpartition(":")
        if not colon or not _PORT.fullmatch(port):
            raise ValueError(_HELP)
        if int(port) > 65535:
            raise ValueError(f"must have a port from 0 to 65535, not {port}")
        return cls("tcp", host=_parse_host(host, port), port=int(port))

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix:{self.path}"
        if self.kind == "fd":
            return f"fd:{self.fd}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _parse_host(host: str, port: str) -> str:
    """The canonical host: an IP address shortened, a name in lower case, "" for every interface."""
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError as error:
            raise ValueError(f"must have an IPv6 address between the brackets ({error})") from error
    if ":" in host:
        name, _, other = host.partition(":")
        if _PORT.fullmatch(other):
            first, second = f'"{name}:{other}"', f'"{name}:{port}"'
            raise ValueError(f"must have one port: {first}" + (f" or {second}" if first != second else ""))
        raise ValueError(f'must have brackets around an IPv6 address: "[{host}]:{port}"')
    if host == "*":
        raise ValueError(f'must be ":{port}" for every interface')
    if host and host.replace(".", "").isdigit():
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as error:
            raise ValueError(f"must have an IPv4 address before the port ({error})") from error
    if host and not _HOST.fullmatch(host):
        raise ValueError(_HELP)
    return host.lower()
