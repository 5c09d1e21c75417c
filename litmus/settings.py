"""Every option of Litmus, once: its type, its default, its help. The rest is derived from here.

The same declarations give the environment names (`LITMUS_SECTION__KEY`), the keys of `--set`, `config/litmus.toml` and
`docs/configuration.md` (see `reference.py`). `configuration.load` reads what is given for them.
"""

# ruff: noqa: RUF009  (option(), section() and tables() return dataclass fields, which are made to be defaults)

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType

from litmus.addresses import Address
from litmus.kinds import (
    Bind,
    Choice,
    Duration,
    File,
    FileMode,
    Flag,
    Folder,
    Group,
    HostName,
    Inherited,
    Origins,
    Size,
    SocketFile,
    Target,
    UrlPath,
    User,
    Whole,
)
from litmus.options import Section, option, section, sections_of, tables

__all__ = [
    "SECTIONS",
    "AppSettings",
    "ArbiterSettings",
    "HostSettings",
    "HttpSettings",
    "LimitsSettings",
    "ListenSettings",
    "LogSettings",
    "MemorySettings",
    "Settings",
    "TimeoutsSettings",
    "WebSocketSettings",
]

# Half of the shared segment's seats: during a reload each slot may hold its old and its new worker at once.
MAX_WORKERS = 64


@dataclass(frozen=True, slots=True)
class AppSettings:
    """The application and how it is called."""

    target: str = option(
        Target(),
        "litmus.welcome:app",
        'The application: "module:attribute", or "module:factory()" for a callable that makes it.',
    )
    interface: str = option(Choice("auto", "asgi", "wsgi"), "auto", "How the application is called; auto finds out.")
    chdir: Path = option(
        Folder(), ".", "The folder the workers run in, first on sys.path. Relative to the configuration file."
    )
    lifespan: str = option(
        Choice("auto", "on", "off"),
        "auto",
        "Whether the application is told of start and stop (ASGI lifespan). auto: if it does not refuse; "
        "on: refusing is an error; off: never.",
    )
    root_path: str = option(UrlPath(), "", "The prefix under which a proxy in front serves the application.")


@dataclass(frozen=True, slots=True)
class ArbiterSettings:
    """The arbiter. `workers` 0 stands for "auto"; `control` None for the default place."""

    workers: int = option(
        Whole(1, MAX_WORKERS, word="auto"),
        "auto",
        "How many workers serve. auto: one for each processor this process may use (affinity and the cgroup's quota).",
    )
    control: Path | None = option(
        SocketFile(),
        "",
        "The Unix socket litmusctl talks to. Empty: ctl.sock in $RUNTIME_DIRECTORY, else a socket of this user and "
        "this configuration in $XDG_RUNTIME_DIR/litmus, else in the temporary folder.",
    )
    user: str = option(User(), "", "The user the workers become when started as root. Empty: no change.")
    group: str = option(
        Group(), "", "The group the workers join when started as root. Empty: the user's own group, or no change."
    )
    pidfile: Path | None = option(File(), "", "A file for the arbiter's process id. Empty: none.")


# Of permessage-deflate: the least size of a message, zlib's level and memory level, and the bits of a window.
_LEAST, _LEVEL, _WINDOW_BITS = Size("0 B", "1 GiB"), Whole(1, 9), Whole(9, 15)


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """One address to listen on, in canonical spelling."""

    bind: str = option(
        Bind(),
        "127.0.0.1:8000",
        '"host:port", "[v6]:port" (of IPv6 alone), ":port" for every interface, "unix:/path", or "fd:3" for an '
        "inherited socket.",
    )
    backlog: int = option(
        Whole(1, 65535),
        2048,
        "How many connections each worker's queue holds before they are accepted (the kernel caps it at "
        "net.core.somaxconn).",
    )
    mode: int = option(
        FileMode(),
        "0666",
        'Who may connect to a Unix socket: the permissions of its file, whatever the umask. "0666" is every user of '
        'this machine, as with a TCP port; "0660" its owner and its group. Who may reach its folder matters as well.',
    )
    group: str = option(
        Group(),
        "",
        "The group of a Unix socket's file, such as that of the proxy in front. Empty: as the folder has it, by "
        "default litmusd's own.",
    )
    body: int | None = option(
        Inherited(Size("0 B", "1024 GiB")),
        "inherit",
        "How long a request's body may be that comes in here, in the place of limits.body.",
    )
    websocket_compression: bool | None = option(
        Inherited(Flag()),
        "inherit",
        "Whether the messages of WebSockets that come in here are compressed, in the place of websocket.compression.",
    )
    websocket_compression_least: int | None = option(
        Inherited(_LEAST), "inherit", "In the place of websocket.compression_least, for WebSockets that come in here."
    )
    websocket_compression_level: int | None = option(
        Inherited(_LEVEL), "inherit", "In the place of websocket.compression_level, for WebSockets that come in here."
    )
    websocket_compression_memory: int | None = option(
        Inherited(_LEVEL), "inherit", "In the place of websocket.compression_memory, for WebSockets that come in here."
    )
    websocket_server_window_bits: int | None = option(
        Inherited(_WINDOW_BITS),
        "inherit",
        "In the place of websocket.server_window_bits, for WebSockets that come in here.",
    )
    websocket_client_window_bits: int | None = option(
        Inherited(_WINDOW_BITS),
        "inherit",
        "In the place of websocket.client_window_bits, for WebSockets that come in here.",
    )
    websocket_server_context_takeover: bool | None = option(
        Inherited(Flag()),
        "inherit",
        "In the place of websocket.server_context_takeover, for WebSockets that come in here.",
    )
    websocket_client_context_takeover: bool | None = option(
        Inherited(Flag()),
        "inherit",
        "In the place of websocket.client_context_takeover, for WebSockets that come in here.",
    )

    @property
    def address(self) -> Address:
        """`bind`, taken apart."""
        return Address.parse(self.bind)


@dataclass(frozen=True, slots=True)
class HostSettings:
    """One host that clients ask for, in lower case."""

    name: str = option(
        HostName(),
        "",
        "The host as requests name it, in any case and with any port; letters outside ASCII in their xn-- form, and no "
        "wildcards. Clients choose what they name: what is allowed here is allowed to everybody.",
    )
    body: int | None = option(
        Inherited(Size("0 B", "1024 GiB")),
        "inherit",
        "How long a request's body may be that is meant for this host, in the place of limits.body and of that of the "
        "address it comes in at. A host must have one of its own.",
    )


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """Memory of each worker, in bytes."""

    arena: int = option(
        Size("1 MiB", "64 GiB"),
        "16 MiB",
        "The shared memory each worker cuts its buffers from. When it is used up, reading waits; it never grows. "
        "Bodies over HTTP/2 are not in it, see http2.window.",
    )


@dataclass(frozen=True, slots=True)
class LimitsSettings:
    """What clients may demand. `connections` 0 stands for as many as descriptors allow, other zeros for no limit."""

    # A head must fit into the largest buffer, 64 KiB: the maxima of its two parts add up to that.
    request_line: int = option(
        Size("128 B", "16 KiB"),
        "8 KiB",
        "How long a request line may be, its line end included. A longer one is answered with 414.",
    )
    header_section: int = option(
        Size("128 B", "48 KiB"),
        "32 KiB",
        "How long a request's header section may be, the empty line at its end included. A longer one is answered "
        "with 431.",
    )
    header_fields: int = option(
        Whole(1, 10_000), 100, "How many fields a request's header section may have. More are answered with 431."
    )
    body: int = option(
        Size("0 B", "1024 GiB"),
        "0 B",
        "How long a request's body may be; 0: no limit. A longer one is answered with 413: before the application is "
        "called when Content-Length tells, else as soon as too much has come. The application never sees its end.",
    )

    connections: int = option(
        Whole(0, 10_000_000),
        0,
        "How many connections a worker keeps open, idle ones included. 0: as many as its descriptors allow, less a "
        "reserve. Who comes when it is full gets another worker. When no worker has room, idle connections are closed, "
        "unless they have been idle for less than a second: first those that have never sent a request, then those "
        "that have been idle for longest. When none is idle, who comes waits, see timeouts.queue.",
    )
    connections_per_address: int = option(
        Whole(0, 10_000_000),
        0,
        "How many connections a worker keeps open to the same address of clients. 0: no limit, which is right behind a "
        "proxy. One more is answered with 503 and closed. Unix sockets don't count.",
    )
    requests_per_connection: int = option(
        Whole(0, 10_000_000),
        0,
        'How many requests a connection may bring. 0: no limit. The last one is answered with "Connection: close".',
    )
    pipelined_requests: int = option(
        Whole(1, 10_000),
        32,
        "How many requests that came one behind the other on one connection are answered before other connections get "
        "their turn. The rest waits, unread, for the next one.",
    )


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How requests are read, and given up."""

    underscores: str = option(
        Choice("drop", "allow", "refuse"),
        "drop",
        "What becomes of request headers with an underscore in their names. Many applications cannot tell "
        "X_Forwarded_For from X-Forwarded-For, so a client could pass off as the proxy's what is its own. drop: the "
        "application does not see them, and the log names them once; allow: it does; refuse: the answer is 400.",
    )
    cancel: str = option(
        Choice("reset", "disconnected", "never"),
        "reset",
        "Which applications are cancelled (asyncio.CancelledError) because their client has left before the response "
        "was complete, if they do not wait in receive() or send() to be told so in that moment. reset: those whose "
        "client resets its stream of HTTP/2 (RST_STREAM), or breaks HTTP/2; disconnected: also those whose client "
        "closes its connection, or its sending side, which looks the same; never: none, they find out when they call "
        "receive() or send(). Who polls is not waiting: clean up in finally.",
    )


@dataclass(frozen=True, slots=True)
class Http2Settings:
    """HTTP/2."""

    enabled: bool = option(
        Flag(),
        True,
        "Whether HTTP/2 is spoken, on the same ports as HTTP/1.1: with clients that begin with it, and with those that "
        "ask for it (Upgrade: h2c).",
    )
    streams: int = option(
        Whole(1, 10_000),
        100,
        "How many requests a connection may have under way at once. More are refused, to be retried. How much memory "
        "that may take, see http2.window.",
    )
    window: int = option(
        Size("1 KiB", "16 MiB"),
        "64 KiB",
        "How many bytes of its body each request may send ahead of the application. It grows where the application "
        "reads fast, by 1 MiB at most for all requests of a connection together. It lies outside of memory.arena: a "
        "connection may take http2.streams times as much and 1.25 MiB, which is 7.5 MiB by default, and a worker that "
        "times limits.connections. For a connection 2 GiB are too much.",
    )


@dataclass(frozen=True, slots=True)
class WebSocketSettings:
    """WebSocket. A `sockets` of 0: any number; an `idle` or a `ping_interval` of 0: for ever, and none."""

    enabled: bool = option(
        Flag(), True, "Whether WebSockets are offered, over HTTP/1.1 and over HTTP/2, on the same ports as requests."
    )
    sockets: int = option(
        Whole(0, 1_000_000),
        0,
        "How many WebSockets each worker has at once, with those that are not accepted yet. More are answered with "
        "503. 0: as many as there are connections and streams.",
    )
    origins: str = option(
        Origins(),
        "",
        "The origins from which browsers may open WebSockets, with a space between any two, such as "
        "https://example.org. Others are answered with 403; who names no origin is no browser. Empty: any.",
    )
    message: int = option(
        Size("1 B", "1 GiB"), "16 MiB", "How long a message may be, inflated. A longer one closes the WebSocket: 1009."
    )
    frame: int = option(
        Size("1 B", "1 GiB"), "16 MiB", "How long a frame may be, as it comes. A longer one closes the WebSocket: 1009."
    )
    fragments: int = option(
        Whole(1, 1_000_000), 16_384, "How many frames a message may come in. More close the WebSocket: 1009."
    )
    queue: int = option(
        Whole(1, 10_000),
        32,
        "How many messages may wait for the application, or as many as make 64 KiB, before no more are read.",
    )
    handshake: float = option(
        Duration("1ms", "24h"), "10s", "How long the application may take to accept a WebSocket or to deny it."
    )
    ping_interval: float = option(
        Duration("0s", "24h"), "20s", "After how long without a sign of life the client is sent a ping. 0: never."
    )
    ping_timeout: float = option(
        Duration("100ms", "24h"), "20s", "How long it may then take to give one, before the WebSocket is cut."
    )
    idle: float = option(
        Duration("0s", "24h"), "0s", "How long a WebSocket may be open without a message, either way. 0: for ever."
    )
    close: float = option(
        Duration("100ms", "24h"), "5s", "How long the client may take to answer a Close frame before it is cut."
    )
    compression: bool = option(Flag(), True, "Whether messages are compressed for clients that offer it (RFC 7692).")
    compression_least: int = option(_LEAST, "256 B", "From how many bytes on a message is worth compressing.")
    compression_level: int = option(_LEVEL, 1, "How well: 1 is fast, 9 is small.")
    compression_memory: int = option(
        _LEVEL, 5, "zlib's memory level: each connection takes 2 ** (9 + level) bytes for it."
    )
    server_window_bits: int = option(
        _WINDOW_BITS,
        12,
        "How far back what the server sends may refer, at most: each connection takes 2 ** (2 + bits) bytes for it.",
    )
    client_window_bits: int = option(
        _WINDOW_BITS,
        12,
        "How far back what the client sends may refer, at the most: each connection takes 2 ** bits bytes for it, and "
        "32 KiB if the client cannot be told.",
    )
    server_context_takeover: bool = option(
        Flag(),
        True,
        "Whether what the server sends may refer to earlier messages. If not, it takes no memory between messages, and "
        "they get larger.",
    )
    client_context_takeover: bool = option(Flag(), True, "The same for what the client sends.")

    def at(self, listen: ListenSettings) -> "WebSocketSettings":
        """These settings with those in their place that the address has of its own."""
        own = {each.name: getattr(listen, f"websocket_{each.name}", None) for each in fields(self)}
        return replace(self, **{name: value for name, value in own.items() if value is not None})


@dataclass(frozen=True, slots=True)
class TimeoutsSettings:
    """How long things may take, in seconds; `body_rate` in bytes per second. `request` and `body_rate` 0: no limit."""

    first_byte: float = option(
        Duration("1ms", "24h"), "75s", "How long a new connection may wait, idle, with its first request."
    )
    head: float = option(
        Duration("1ms", "24h"),
        "20s",
        "How long a request's line and header section may take, from their first byte to their last. A slower one is "
        "answered with 408.",
    )
    body_rate: int = option(
        Size("0 B", "1 GiB"),
        "256 B",
        "How many bytes a second of a request's body must arrive while the application waits for them. 0: any number. "
        "A slower one is answered with 408, or cut if its response has begun.",
    )
    body_grace: float = option(
        Duration("100ms", "24h"),
        "20s",
        "The time over which timeouts.body_rate is an average: in each such time, so many times that must arrive.",
    )
    keep_alive: float = option(
        Duration("1ms", "24h"),
        "75s",
        "How long a connection may wait, idle, for its next request. Some get up to a tenth more, so that those that "
        "fall idle together are not all closed in the same moment.",
    )
    write: float = option(
        Duration("1ms", "24h"),
        "30s",
        "How long a client may read nothing at all of a response that it has still to read. It is then given up, "
        "which may take up to twice as long to be noticed. Whatever it reads gives it the whole time again. Over "
        "HTTP/2 that goes for the room that a client makes for each response: 1 KiB at least.",
    )
    request: float = option(
        Duration("0s", "24h"),
        "0s",
        "How long a request may take from its head to the end of its response. 0: for ever. One that takes longer is "
        "answered with 503, or cut if its response has begun, and the application's task is cancelled. What blocks "
        "the event loop, or runs in a thread, is not interrupted.",
    )
    queue: float = option(
        Duration("1ms", "24h"),
        "10s",
        "How long new connections wait at most when no worker has room for all of them, nor enough idle connections to "
        "close. After that those that wait still, and those that come until there is room for all, are answered with "
        "503 and Retry-After.",
    )
    drain: float = option(
        Duration("0s", "24h"),
        "30s",
        "How long a worker that stops or is replaced may finish its requests before they are cut.",
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The log (None: standard error) and the access log (None: standard output)."""

    level: str = option(Choice("debug", "info", "warning", "error"), "info", "The least level that is logged.")
    file: Path | None = option(
        File(in_existing_folder=True),
        "",
        "The log's file. Empty: standard error. To rotate it, rename it and send USR1 to the arbiter, which makes a "
        "new one and gives it to arbiter.user and arbiter.group; that user must be able to reach the folder, and "
        "should not be able to write in it.",
    )
    access: bool = option(Flag("log.access_file"), True, "Whether each request is written to the access log.")
    access_file: Path | None = option(
        File(in_existing_folder=True),
        "",
        "The access log's file, rotated in the same way. Empty: standard output.",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """A valid configuration. Two are equal when their values are, wherever those came from.

    `source` is the absolute path of the file that was read. `origins` says for each option that is not at its default
    where it was set: the file, "environment LITMUS_…" or the command line's own word for it.
    """

    app: AppSettings = section(AppSettings, "The application and how it is called.")
    arbiter: ArbiterSettings = section(ArbiterSettings, "The process that watches the workers.")
    listen: tuple[ListenSettings, ...] = tables(
        ListenSettings, "Where connections come from; repeat the table for more addresses.", identity="bind"
    )
    host: tuple[HostSettings, ...] = tables(
        HostSettings, "A host with bounds of its own; repeat the table for more hosts.", identity="name", optional=True
    )
    memory: MemorySettings = section(MemorySettings, "Memory, for each worker.")
    limits: LimitsSettings = section(LimitsSettings, "What clients may demand; of connections, each worker.")
    http: HttpSettings = section(HttpSettings, "How requests are read, and given up.")
    http2: Http2Settings = section(Http2Settings, "HTTP/2, and what clients may demand over it.")
    websocket: WebSocketSettings = section(WebSocketSettings, "WebSockets, and what clients may demand over them.")
    timeouts: TimeoutsSettings = section(TimeoutsSettings, "How long things may take.")
    log: LogSettings = section(LogSettings, "What is logged, and where.")
    source: Path | None = field(default=None, compare=False)
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), compare=False)


SECTIONS: Mapping[str, Section] = MappingProxyType(sections_of(Settings))
