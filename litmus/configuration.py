"""A configuration, read into `Settings` and seen to as a whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from litmus.addresses import Address
from litmus.kinds import Inherited, spell
from litmus.loading import ConfigError, Override, Reader, Table, describe
from litmus.options import Section
from litmus.settings import SECTIONS, HostSettings, Http2Settings, ListenSettings, Settings

WINDOWS: Final = 2**31 - 1 - (5 << 18)
"""Bytes in the windows of all streams of an HTTP/2 connection: in the largest that its own can be (RFC 9113, section
6.9.1), less what that is larger by. Beyond that an application that does not read would hold up its neighbours."""


class InvalidSettings(ConfigError):
    """A configuration that could be read, but cannot be used; `rest` is what it says apart from its mistakes."""

    def __init__(self, problems: Sequence[str], rest: Settings) -> None:
        super().__init__(problems)
        self.rest = rest


def load(path: Path | None, *, environ: Mapping[str, str], overrides: Sequence[Override] = ()) -> Settings:
    """The settings given by the file at `path` (None: no file), `environ` and `overrides`, each over the one before.

    Raises ConfigError with every problem there is, an InvalidSettings if it could be read at all. Relative
    paths start at the file's folder when they come from it, else at the current directory.
    """
    try:
        here = Path.cwd()
    except OSError as error:
        raise ConfigError([f"the current directory cannot be used: {error.strerror}"]) from error
    reader = Reader(SECTIONS, here)
    if path is not None:
        reader.read_file(path)
    reader.read_environment(environ)
    reader.read_overrides(overrides)
    base = here if path is None else path.absolute().parent
    origins: dict[str, str] = {}
    values: dict[str, object] = {}
    for name, table in reader.single.items():
        values[name] = _make(SECTIONS[name], name, table, base, origins)
    for name, items in reader.lists.items():
        keys = [f"{name}.{index}" for index in range(len(items))]
        values[name] = tuple(
            _make(SECTIONS[name], key, table, base, origins) for key, table in zip(keys, items, strict=True)
        )
    source = None if path is None else path.absolute()
    settings = Settings(**values, source=source, origins=MappingProxyType(origins))  # type: ignore[arg-type]
    problems = [*reader.problems, *_check_listen(settings.listen, reader.lists["listen"], str(path or "default"))]
    problems += _check_socket_files(settings.listen, reader.lists["listen"])
    problems += _check_hosts(settings.host, reader.lists["host"], str(path or "default"))
    problems += _check_windows(settings.http2, reader.single["http2"])
    if problems:
        raise InvalidSettings(problems, settings)
    return settings


def _make(part: Section, key: str, table: Table, base: Path, origins: dict[str, str]) -> object:
    """The section's dataclass, from what was given and the defaults; notes the origin of what is not a default."""
    values = {}
    for name, declared in part.options.items():
        values[name] = default = declared.read_default(base)
        if (given := table.get(name)) is not None:
            values[name] = given.setting
            if given.setting != default:
                origins[f"{key}.{name}"] = given.origin
    return part.type(**values)


def _check_listen(listen: Sequence[ListenSettings], given: Sequence[Table], source: str) -> list[str]:
    """What is wrong with the addresses as a whole: none at all, or the same one twice.

    SO_REUSEPORT would let the second bind of an address succeed, and share its connections, in silence.
    """
    if not listen:
        return [describe(source, "listen", "[]", "must have at least one address; add a [[listen]] table")]
    problems = []
    seen: dict[Address, str] = {}
    for index, (item, table) in enumerate(zip(listen, given, strict=True)):
        if table.is_open("bind"):
            continue
        key = f"listen.{index}.bind"
        taken = [seen.setdefault(address, key) for address in _covered(item.address)]
        if other := next((other for other in taken if other != key), None):
            origin = table["bind"].origin if "bind" in table else source
            problems.append(describe(origin, key, spell(item.bind), f"is the same address as {other}; remove one"))
    return problems


def _check_socket_files(listen: Sequence[ListenSettings], given: Sequence[Table]) -> list[str]:
    """What is given for the file of a Unix socket, to an address without one."""
    problems = []
    for index, (item, table) in enumerate(zip(listen, given, strict=True)):
        if item.address.kind == "unix" or table.is_open("bind"):
            continue
        for name in ("mode", "group"):
            value = getattr(item, name)
            if value != getattr(ListenSettings(), name):
                spelled = SECTIONS["listen"].options[name].kind.spell(value)
                why = f"is for the file of a Unix socket, and {item.bind} has none; leave it out"
                problems.append(describe(table[name].origin, f"listen.{index}.{name}", spelled, why))
    return problems


def _check_hosts(hosts: Sequence[HostSettings], given: Sequence[Table], source: str) -> list[str]:
    """What is wrong with the hosts as a whole: one without a name or a bound, or the same one twice."""
    problems = []
    seen: dict[str, str] = {}
    for index, (host, table) in enumerate(zip(hosts, given, strict=True)):
        key = f"host.{index}.name"
        origin = next((given.origin for given in (table.get("name"), *table.values()) if given is not None), source)
        if host.body is None and not table.is_open("body"):
            why = "leaves the host without a bound of its own; give a size, or remove the table"
            problems.append(describe(origin, f"host.{index}.body", spell(Inherited.WORD), why))
        if not host.name:
            if not table.is_open("name"):
                problems.append(describe(origin, key, spell(host.name), "must name the host"))
        elif (other := seen.setdefault(host.name, key)) != key:
            problems.append(describe(origin, key, spell(host.name), f"is the same host as {other}; remove one"))
    return problems


def _check_windows(http2: Http2Settings, given: Table) -> list[str]:
    """What is wrong with the windows of HTTP/2 together: too many streams were given for the window that each has."""
    most = WINDOWS // http2.window
    if http2.streams <= most:
        return []
    window = SECTIONS["http2"].options["window"].kind.spell(http2.window)
    why = f"is too many with http2.window = {window}: a connection has room for {most}; lower one of them"
    return [describe(given["streams"].origin, "http2.streams", spell(http2.streams), why)]


def _covered(address: Address) -> list[Address]:
    """The addresses that one stands for: two for every interface, none where the kernel gives each its own port."""
    if address.kind != "tcp":
        return [address]
    if address.port == 0:
        return []
    hosts = [address.host] if address.host else ["0.0.0.0", "::"]
    return [Address("tcp", host, address.port) for host in hosts]


def origin_rows(settings: Settings) -> list[tuple[str, str, str]]:
    """Each option that is not at its default: its key, its value as it is written in TOML, and where it was set."""
    rows = []
    for key, origin in settings.origins.items():
        name, *index, option_name = key.split(".")
        part = getattr(settings, name)
        value = getattr(part[int(index[0])] if index else part, option_name)
        rows.append((key, SECTIONS[name].options[option_name].kind.spell(value), origin))
    return rows
