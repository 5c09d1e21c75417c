"""What each option takes and refuses, which layer wins, and where paths start."""

import dataclasses
import grp
import pwd
from collections.abc import Sequence
from pathlib import Path

import pytest

from litmus.configuration import WINDOWS, load, origin_rows
from litmus.loading import ConfigError, Override
from litmus.memory.slab import CLASS_SIZES
from litmus.protocols.http2.frames import LARGEST_WINDOW
from litmus.protocols.http2.streams import CREDIT, SPARE
from litmus.settings import SECTIONS, HostSettings, ListenSettings, Settings, WebSocketSettings


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    folder = (tmp_path / "here").resolve()
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def config(tmp_path: Path, here: Path) -> Path:
    """A place for a configuration file, in a folder that is not the current one."""
    folder = (tmp_path / "etc").resolve()
    folder.mkdir()
    return folder / "litmus.toml"


def given(**options: str) -> Settings:
    """The settings with some options given by --set; `app__target` for app.target."""
    return load(None, environ={}, overrides=[Override(key.replace("__", "."), text) for key, text in options.items()])


def problem(key: str, text: str) -> str:
    """What is said of one option given by --set, when that is the only thing wrong."""
    with pytest.raises(ConfigError) as caught:
        load(None, environ={}, overrides=[Override(key, text)])
    (sentence,) = caught.value.problems
    return sentence


def problems(path: Path | None = None, environ: dict[str, str] | None = None, *overrides: Override) -> Sequence[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ=environ or {}, overrides=overrides)
    return caught.value.problems


# -- defaults and layers -----------------------------------------------------------------------------------------------


def test_the_defaults(here: Path) -> None:
    settings = load(None, environ={"LITMUS_CONTROL": "/x", "LITMUS_PURE": "1", "HOME": "/"})
    assert settings == Settings()
    assert settings.app.target == "litmus.welcome:app"
    assert settings.app.chdir == here
    assert settings.arbiter.workers == 0
    assert settings.arbiter.control is None
    assert settings.listen == (ListenSettings("127.0.0.1:8000", 2048),)
    assert settings.host == ()
    assert settings.memory.arena == 16 * 2**20
    assert settings.timeouts.keep_alive == 75.0
    assert settings.log.file is None
    assert settings.source is None
    assert settings.origins == {}


def test_settings_cannot_be_changed_and_can_be_compared(here: Path) -> None:
    settings = load(None, environ={})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.log.level = "debug"  # type: ignore[misc]
    assert hash(settings) == hash(load(None, environ={}))
    assert settings != given(log__level="debug")


def test_later_layers_win(config: Path) -> None:
    config.write_text('[arbiter]\nworkers = 2\n[log]\nlevel = "debug"\n[timeouts]\ndrain = "10s"\nkeep_alive = 5\n')
    settings = load(
        config,
        environ={"LITMUS_ARBITER__WORKERS": "3", "LITMUS_TIMEOUTS__DRAIN": "500ms"},
        overrides=[Override("arbiter.workers", "4", "--workers")],
    )
    assert settings.arbiter.workers == 4
    assert settings.timeouts.drain == 0.5
    assert settings.timeouts.keep_alive == 5.0
    assert settings.source == config
    assert settings.origins == {
        "arbiter.workers": "--workers",
        "timeouts.keep_alive": str(config),
        "timeouts.drain": "environment LITMUS_TIMEOUTS__DRAIN",
        "log.level": str(config),
    }


def test_of_one_option_given_twice_the_last_counts(here: Path) -> None:
    overrides = [Override("app.target", "one:app", "TARGET"), Override("app.target", "two:app")]
    settings = load(None, environ={}, overrides=overrides)
    assert (settings.app.target, settings.origins["app.target"]) == ("two:app", "--set")


def test_origin_rows_show_what_is_not_default_as_it_is_written(config: Path) -> None:
    config.write_text('[memory]\narena = "32 MiB"\n[log]\naccess = false\nlevel = "info"\n[[listen]]\nbind = ":80"\n')
    settings = load(
        config, environ={"LITMUS_TIMEOUTS__DRAIN": "90s"}, overrides=[Override("arbiter.pidfile", "/run/x.pid")]
    )
    assert origin_rows(settings) == [
        ("arbiter.pidfile", '"/run/x.pid"', "--set"),
        ("memory.arena", '"32 MiB"', str(config)),
        ("timeouts.drain", '"90s"', "environment LITMUS_TIMEOUTS__DRAIN"),
        ("log.access", "false", str(config)),
        ("listen.0.bind", '":80"', str(config)),
    ]


def test_a_value_set_back_to_its_default_has_no_origin(config: Path) -> None:
    config.write_text("[arbiter]\nworkers = 2\n")
    settings = load(config, environ={"LITMUS_ARBITER__WORKERS": "auto"})
    assert settings.arbiter.workers == 0
    assert settings.origins == {}


# -- paths -------------------------------------------------------------------------------------------------------------

PATHS = """
[app]
chdir = "site"
[arbiter]
control = "run/ctl.sock"
pidfile = "/run/litmus.pid"
[[listen]]
bind = "unix:http.sock"
[log]
file = "site/litmus.log"
"""


def test_paths_in_the_file_start_at_its_folder(config: Path) -> None:
    (config.parent / "site").mkdir()
    config.write_text(PATHS)
    settings = load(config, environ={})
    assert settings.app.chdir == config.parent / "site"
    assert settings.arbiter.control == config.parent / "run/ctl.sock"
    assert settings.arbiter.pidfile == Path("/run/litmus.pid")
    assert settings.listen[0].address.path == f"{config.parent}/http.sock"
    assert settings.log.file == config.parent / "site/litmus.log"


def test_a_file_named_by_a_relative_path_has_the_same_folder(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config.parent / "site").mkdir()
    config.write_text(PATHS)
    monkeypatch.chdir(config.parent.parent)
    settings = load(Path("etc/litmus.toml"), environ={})
    assert settings == load(config, environ={})
    assert settings.source == config
    assert settings.origins["app.chdir"] == "etc/litmus.toml"


def test_paths_from_elsewhere_start_at_the_current_directory(config: Path, here: Path) -> None:
    (here / "site").mkdir()
    config.write_text("")
    settings = load(
        config,
        environ={"LITMUS_APP__CHDIR": "site", "LITMUS_ARBITER__CONTROL": "ctl.sock"},
        overrides=[Override("listen.0.bind", "unix:http.sock", "--bind"), Override("log.file", "litmus.log")],
    )
    assert settings.app.chdir == here / "site"
    assert settings.arbiter.control == here / "ctl.sock"
    assert settings.listen[0].bind == f"unix:{here}/http.sock"
    assert settings.log.file == here / "litmus.log"


def test_the_working_folder_is_by_default_that_of_the_file(config: Path, here: Path) -> None:
    config.write_text("")
    assert load(config, environ={}).app.chdir == config.parent
    assert load(config, environ={"LITMUS_APP__CHDIR": "."}).app.chdir == here


def test_symbolic_links_are_followed_to_the_working_folder_and_kept_for_log_files(here: Path) -> None:
    (here / "release").mkdir()
    (here / "current").symlink_to("release")
    settings = given(app__chdir="current", log__file="current/litmus.log")
    assert settings.app.chdir == here / "release"
    assert settings.log.file == here / "current/litmus.log"


def test_a_current_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert problems() == ["the current directory cannot be used: No such file or directory"]


# -- each option -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["app:app", "a.b.c:d.e", "project.main:create_app()", "café:app"])
def test_right_targets(here: Path, target: str) -> None:
    assert given(app__target=target).app.target == target


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("", ""),
        ("app:", ""),
        (":app", ""),
        ("app:1", ""),
        ("app:create(1)", ""),
        ("class:app", ""),
        ("a..b:app", ""),
        ("a b:app", ""),
        ("project.asgi", '; did you mean "project.asgi:app"?'),
        ("project/asgi.py:application", '; did you mean "project.asgi:application"?'),
        ("./main.py", '; did you mean "main:app"?'),
    ],
)
def test_wrong_targets(here: Path, target: str, hint: str) -> None:
    sentence = f'--set: app.target = "{target}": must be "module:attribute" or "module:factory()"{hint}'
    assert problem("app.target", target) == sentence


@pytest.mark.parametrize("key", ["app.interface", "app.lifespan", "log.level"])
def test_choices(here: Path, key: str) -> None:
    section, name = key.split(".")
    kind = SECTIONS[section].options[name].kind
    for word in kind.words:  # type: ignore[attr-defined]
        settings = given(**{f"{section}__{name}": word})
        assert getattr(getattr(settings, section), name) == word
    assert problem(key, "On").startswith(f'--set: {key} = "On": must be "')


@pytest.mark.parametrize("text", ["", "/api", "/api/v1", "/é"])
def test_right_root_paths(here: Path, text: str) -> None:
    assert given(app__root_path=text).app.root_path == text


def test_wrong_root_paths(here: Path) -> None:
    sentence = 'must be empty or start, and not end, with a slash, such as "/api"'
    for text in ("api", "/api/", "/"):
        assert problem("app.root_path", text) == f'--set: app.root_path = "{text}": {sentence}'
    assert "must be printable text" in problem("app.root_path", "/a\nb")


@pytest.mark.parametrize(("text", "workers"), [("auto", 0), ("1", 1), ("64", 64)])
def test_right_numbers_of_workers(here: Path, text: str, workers: int) -> None:
    assert given(arbiter__workers=text).arbiter.workers == workers


@pytest.mark.parametrize("text", ["0", "65", "-1", "many", "2.5", "", "true", "٣"])
def test_wrong_numbers_of_workers(here: Path, text: str) -> None:
    assert problem("arbiter.workers", text).endswith(': must be a whole number from 1 to 64, or "auto"')


def test_control_sockets_are_short_and_no_folders(here: Path) -> None:
    assert given(arbiter__control="/run/ctl.sock").arbiter.control == Path("/run/ctl.sock")
    assert given(arbiter__control="").arbiter.control is None
    long = "/run/" + "x" * 103
    assert problem("arbiter.control", long) == (
        f'--set: arbiter.control = "{long}": is 108 bytes long as {long}; a Unix socket\'s path must fit in 107'
    )
    assert problem("arbiter.control", "/run") == '--set: arbiter.control = "/run": must be a file; /run is a folder'


def test_user_and_group_exist(here: Path) -> None:
    user, group = pwd.getpwall()[0].pw_name, grp.getgrall()[0].gr_name
    settings = given(arbiter__user=user, arbiter__group=group)
    assert (settings.arbiter.user, settings.arbiter.group) == (user, group)
    assert problem("arbiter.user", "nobody-of-that-name") == (
        '--set: arbiter.user = "nobody-of-that-name": must be a user of this machine (see getent passwd), or empty'
    )
    assert problem("arbiter.group", "nobody-of-that-name") == (
        '--set: arbiter.group = "nobody-of-that-name": must be a group of this machine (see getent group), or empty'
    )
    assert "must be printable text" in problem("arbiter.user", "a\0b")


def test_pidfile(here: Path) -> None:
    assert given(arbiter__pidfile="litmus.pid").arbiter.pidfile == here / "litmus.pid"
    assert "must be a path, without NUL characters" in problem("arbiter.pidfile", "a\0b")
    assert "must be a path that can be used: File name too long" in problem("arbiter.pidfile", "x" * 300)


def test_the_working_folder_exists(here: Path) -> None:
    (here / "file").touch()
    assert problem("app.chdir", "no") == (
        f'--set: app.chdir = "no": must be an existing folder; {here}/no is not there'
    )
    assert problem("app.chdir", "file").endswith(f"must be an existing folder; {here}/file is a file")
    assert problem("app.chdir", "").endswith("must name a folder")


@pytest.mark.parametrize("key", ["log.file", "log.access_file"])
def test_log_files_are_in_a_folder_that_exists(here: Path, key: str) -> None:
    section, name = key.split(".")
    settings = given(**{f"{section}__{name}": "x.log"})
    assert getattr(settings.log, name) == here / "x.log"
    assert problem(key, "no/x.log").endswith(f"must be in an existing folder; {here}/no is not there")
    assert problem(key, ".").endswith(f"must be a file; {here} is a folder")


def test_access(here: Path) -> None:
    assert given(log__access="false").log.access is False
    assert given(log__access="true").log.access is True
    assert problem("log.access", "1") == '--set: log.access = "1": must be true or false, without quotes'
    for path in ("/var/log/access.log", "access.log", "logs/access"):
        assert problem("log.access", path).endswith(
            f'"{path}": must be true or false, without quotes; a path is for log.access_file'
        )
    assert problem("http2.enabled", "/").endswith("without quotes")


def test_arena(here: Path) -> None:
    assert given(memory__arena="1 MiB").memory.arena == 2**20
    assert given(memory__arena="1048577").memory.arena == 2**20 + 1
    assert problem("memory.arena", "1023 KiB").endswith("must be a size from 1 MiB to 64 GiB")
    assert problem("memory.arena", "65 GiB").endswith("must be a size from 1 MiB to 64 GiB")
    assert "must be a size: a number and one of" in problem("memory.arena", "much")


def test_connections(here: Path) -> None:
    assert given(limits__connections="1000").limits.connections == 1000
    assert problem("limits.connections", "-1").endswith("must be a whole number from 0 to 10000000")


def test_limits_of_requests(here: Path) -> None:
    assert problem("limits.request_line", "17 KiB").endswith("must be a size from 128 B to 16 KiB")
    assert problem("limits.header_section", "127").endswith("must be a size from 128 B to 48 KiB")
    assert problem("limits.header_fields", "0").endswith("must be a whole number from 1 to 10000")
    assert given(limits__body="10 MiB").limits.body == 10 * 2**20


def test_the_longest_head_fits_into_the_largest_buffer(here: Path) -> None:
    limits = given(limits__request_line="16 KiB", limits__header_section="48 KiB").limits
    assert limits.request_line + limits.header_section == CLASS_SIZES[-1]


def test_the_windows_of_all_streams_fit_into_that_of_their_connection(config: Path) -> None:
    assert WINDOWS + SPARE + CREDIT == LARGEST_WINDOW
    config.write_text('[http2]\nstreams = 2046\nwindow = "1 MiB"\n')
    assert load(config, environ={}).http2.streams == 2046
    config.write_text('[http2]\nstreams = 2047\nwindow = "1 MiB"\n')
    why = 'is too many with http2.window = "1 MiB": a connection has room for 2046; lower one of them'
    assert problems(config) == [f"{config}: http2.streams = 2047: {why}"]
    config.write_text('[http2]\nwindow = "16 MiB"\n')
    assert load(config, environ={}).http2.streams == 100
    assert given(http2__streams="10000").http2.window == 64 << 10


def test_timeouts(here: Path) -> None:
    settings = given(timeouts__keep_alive="1m30s", timeouts__drain="0s")
    assert (settings.timeouts.keep_alive, settings.timeouts.drain) == (90.0, 0.0)
    assert problem("timeouts.keep_alive", "0s").endswith("must be a duration from 1ms to 24h")
    assert problem("timeouts.drain", "25h").endswith("must be a duration from 0s to 24h")
    assert "must be a duration: numbers with" in problem("timeouts.drain", "long")


# -- listen ------------------------------------------------------------------------------------------------------------


def test_addresses_and_their_canonical_spelling(config: Path) -> None:
    config.write_text('[[listen]]\nbind = "[0::1]:80"\nbacklog = 16\n[[listen]]\nbind = "fd:3"\n')
    settings = load(config, environ={})
    assert settings.listen == (ListenSettings("[::1]:80", 16), ListenSettings("fd:3", 2048))
    assert settings.listen[1].address.fd == 3


def test_an_address_may_have_a_limit_of_its_own(config: Path) -> None:
    config.write_text('[[listen]]\nbind = ":80"\nbody = "inherit"\n[[listen]]\nbind = ":81"\nbody = "1 MiB"\n')
    settings = load(config, environ={"LITMUS_LISTEN__0__BODY": "0"})
    assert [each.body for each in settings.listen] == [0, 1 << 20]
    assert ("listen.1.body", '"1 MiB"', str(config)) in origin_rows(settings)
    assert load(config, environ={}).listen[0].body is None
    assert given(listen__0__body="inherit").origins == {}
    assert problem("listen.0.body", "none").endswith(', such as "64 KiB", or "inherit"')


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("compression", "false", False),
        ("compression_least", "1 KiB", 1024),
        ("compression_level", "9", 9),
        ("compression_memory", "8", 8),
        ("server_window_bits", "15", 15),
        ("client_window_bits", "9", 9),
        ("server_context_takeover", "false", False),
        ("client_context_takeover", "false", False),
    ],
)
def test_an_address_may_compress_in_a_way_of_its_own(name: str, text: str, value: object) -> None:
    settings = given(**{f"listen__0__websocket_{name}": text})
    assert settings.websocket == WebSocketSettings()
    assert settings.websocket.at(settings.listen[0]) == dataclasses.replace(settings.websocket, **{name: value})
    for_all = given(**{f"websocket__{name}": text})
    assert for_all.websocket.at(for_all.listen[0]) == for_all.websocket
    assert for_all.websocket.at(ListenSettings(**{f"websocket_{name}": getattr(WebSocketSettings(), name)})) == (
        WebSocketSettings()
    )


def test_wrong_addresses_and_backlogs(here: Path) -> None:
    assert problem("listen.0.bind", "x") == (
        '--set: listen.0.bind = "x": must be an address: "host:port", "[v6]:port", ":port", "unix:/path" or "fd:3"'
    )
    assert problem("listen.0.backlog", "0").endswith("must be a whole number from 1 to 65535")


@pytest.mark.parametrize(("text", "mode"), [("0660", 0o660), ("600", 0o600), ("0777", 0o777)])
def test_who_may_connect_to_a_unix_socket(here: Path, text: str, mode: int) -> None:
    group = grp.getgrgid(0).gr_name
    settings = given(listen__0__bind="unix:/x", listen__0__mode=text, listen__0__group=group)
    assert settings.listen == (ListenSettings("unix:/x", 2048, mode, group),)
    assert ("listen.0.mode", f'"0{mode:o}"', "--set") in origin_rows(settings)


@pytest.mark.parametrize("mode", ['"rw-rw----"', '"0o660"', '"1660"', '"0680"', '"66"', '"6660"', '""', "660", "0o660"])
def test_what_is_no_file_mode(config: Path, mode: str) -> None:
    config.write_text(f'[[listen]]\nbind = "unix:/x"\nmode = {mode}\n')
    (sentence,) = problems(config)
    assert sentence.startswith(f"{config}: listen.0.mode = ")
    assert sentence.endswith(': must be a file mode of three octal digits, in quotes, such as "0660"')


def test_only_a_unix_socket_has_a_file(config: Path) -> None:
    group = grp.getgrgid(0).gr_name
    config.write_text(f'[[listen]]\nbind = ":80"\nmode = "0666"\n[[listen]]\nbind = "fd:3"\ngroup = "{group}"\n')
    assert problems(config, {"LITMUS_LISTEN__0__MODE": "0660"}) == [
        'environment LITMUS_LISTEN__0__MODE: listen.0.mode = "0660": '
        "is for the file of a Unix socket, and :80 has none; leave it out",
        f'{config}: listen.1.group = "{group}": is for the file of a Unix socket, and fd:3 has none; leave it out',
    ]
    assert problem("listen.0.mode", "0660").endswith("and 127.0.0.1:8000 has none; leave it out")


def test_what_belongs_to_a_wrong_address_is_not_wrong_for_that(config: Path) -> None:
    config.write_text('[[listen]]\nbind = "unix:@x"\nmode = "0660"\n')
    (sentence,) = problems(config)
    assert "listen.0.bind" in sentence


def test_an_index_changes_one_table_or_adds_the_next(config: Path) -> None:
    config.write_text('[[listen]]\nbind = ":80"\nbacklog = 16\n')
    settings = load(
        config,
        environ={"LITMUS_LISTEN__2__BIND": ":82", "LITMUS_LISTEN__1__BIND": ":81", "LITMUS_LISTEN__2__BACKLOG": "9"},
        overrides=[Override("listen.0.bind", ":90")],
    )
    assert settings.listen == (ListenSettings(":90", 16), ListenSettings(":81"), ListenSettings(":82", 9))


def test_the_first_table_is_there_without_a_file(here: Path) -> None:
    assert given(listen__0__backlog="9").listen == (ListenSettings("127.0.0.1:8000", 9),)


def test_without_an_index_the_list_is_replaced(config: Path) -> None:
    config.write_text('[[listen]]\nbind = ":80"\nbacklog = 16\n[[listen]]\nbind = ":81"\n[[listen]]\nbind = ":82"\n')
    overrides = [
        Override("listen.1.backlog", "5"),
        Override("listen.bind", ":90", "--bind"),
        Override("listen.bind", "unix:/x", "--bind"),
    ]
    settings = load(config, environ={}, overrides=overrides)
    assert settings.listen == (ListenSettings(":90"), ListenSettings("unix:/x", 5))
    assert settings.origins == {"listen.0.bind": "--bind", "listen.1.bind": "--bind", "listen.1.backlog": "--set"}
    assert load(config, environ={"LITMUS_LISTEN__BIND": ":90"}).listen == (ListenSettings(":90"),)


def test_indexes_that_make_no_sense(here: Path) -> None:
    assert problem("listen.2.bind", ":80").endswith("skips an index; the next new table is listen.1")
    assert problem("listen.backlog", "9").endswith("needs an index, such as listen.0.backlog")
    assert problem("listen.x.bind", ":80").endswith("unknown key; did you mean listen.bind?")
    assert problem("listen.1.bnd", ":80").endswith("unknown key; did you mean listen.bind?")
    assert "unknown key; listen has bind, backlog, mode, group, body, " in problem("listen.0", ":80")


def test_at_least_one_address(config: Path) -> None:
    config.write_text("listen = []\n")
    assert problems(config) == [f"{config}: listen = []: must have at least one address; add a [[listen]] table"]
    assert load(config, environ={"LITMUS_LISTEN__0__BIND": ":80"}).listen == (ListenSettings(":80"),)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("127.0.0.1:8000", "127.0.0.1:08000"),
        ("localhost:80", "LOCALHOST:80"),
        ("[::1]:80", "[0:0::1]:80"),
        (":80", "0.0.0.0:80"),
        ("[::]:80", ":80"),
        ("unix:x", "unix:./x"),
        ("fd:3", "fd:03"),
    ],
)
def test_the_same_address_twice(config: Path, first: str, second: str) -> None:
    config.write_text(f'[[listen]]\nbind = "{first}"\n')
    environ = {"LITMUS_LISTEN__1__BIND": second}
    if "unix:" in first:
        environ["LITMUS_LISTEN__1__BIND"] = f"unix:{config.parent}/x"
    (sentence,) = problems(config, environ)
    assert sentence.startswith("environment LITMUS_LISTEN__1__BIND: listen.1.bind = ")
    assert sentence.endswith(": is the same address as listen.0.bind; remove one")


def test_a_second_table_without_an_address_has_the_first_ones(config: Path) -> None:
    config.write_text("[[listen]]\n[[listen]]\nbacklog = 1\n")
    assert problems(config) == [
        f'{config}: listen.1.bind = "127.0.0.1:8000": is the same address as listen.0.bind; remove one'
    ]


def test_addresses_that_only_look_the_same(here: Path) -> None:
    overrides = [Override("listen.bind", bind) for bind in ("127.0.0.1:0", "127.0.0.1:0", ":80", ":81", "127.0.0.1:80")]
    assert len(load(None, environ={}, overrides=overrides).listen) == 5


# -- host --------------------------------------------------------------------------------------------------------------


def test_hosts_from_the_file(config: Path) -> None:
    config.write_text('[[host]]\nname = "Upload.Example.com."\nbody = "1 GiB"\n[[host]]\nname = "[::1]"\nbody = 0\n')
    settings = load(config, environ={})
    assert settings.host == (HostSettings("upload.example.com", 1 << 30), HostSettings("[::1]", 0))
    assert ("host.0.body", '"1 GiB"', str(config)) in origin_rows(settings)
    assert ("host.1.name", '"[::1]"', str(config)) in origin_rows(settings)
    config.write_text("host = []\n")
    assert load(config, environ={}).host == ()


def test_hosts_from_outside_the_file(here: Path) -> None:
    environ = {"LITMUS_HOST__0__NAME": "a", "LITMUS_HOST__1__NAME": "b", "LITMUS_HOST__1__BODY": "1 KiB"}
    environ["LITMUS_HOST__0__BODY"] = "2 KiB"
    assert load(None, environ=environ).host == (HostSettings("a", 2048), HostSettings("b", 1024))
    overrides = [Override("host.name", "c"), Override("host.0.body", "0")]
    assert load(None, environ=environ, overrides=overrides).host == (HostSettings("c", 0),)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("a.b:80", '; write "a.b"'),
        ("[::1]:80", '; write "[::1]"'),
        ("b\u00fccher.example", '; write "xn--bcher-kva.example"'),
        ("B\u00fccher.example:8000", '; write "xn--bcher-kva.example"'),
        ("*.example.com", "; there are no wildcards: write a table for each host"),
        ("*.example.com:80", "; there are no wildcards: write a table for each host"),
        ("b\u00fccher..example", ""),
        ("b\u00fccher/a", ""),
        ("http://a", ""),
        ("a/b", ""),
        ("a b", ""),
        ("::1", ""),
        ("[x]", ""),
    ],
)
def test_what_is_no_host(name: str, hint: str, here: Path) -> None:
    (sentence,) = problems(None, {"LITMUS_HOST__0__NAME": name, "LITMUS_HOST__0__BODY": "1 KiB"})
    assert sentence.endswith(
        f'must be a host as clients name it, without a port, such as "www.example.com" or "[::1]"{hint}'
    )


def test_a_host_name_is_text(config: Path) -> None:
    config.write_text("[[host]]\nname = 1\nbody = 1\n")
    (sentence,) = problems(config)
    assert sentence.endswith('or "[::1]"')


@pytest.mark.parametrize("line", ["", 'body = "inherit"'])
def test_a_host_has_a_bound_of_its_own(line: str, config: Path) -> None:
    config.write_text(f'[[host]]\nname = "a"\nbody = 1\n[[host]]\nname = "b"\n{line}\n')
    assert problems(config) == [
        f'{config}: host.1.body = "inherit": leaves the host without a bound of its own; give a size, or remove the '
        "table"
    ]


def test_what_is_wrong_in_one_table_hides_nothing_in_another(config: Path) -> None:
    config.write_text(
        "[app]\nzzz = 1\n"
        '[[listen]]\nbind = ":80"\nmode = "0660"\n[[listen]]\nbind = "x"\nbacklog = 0\n[[listen]]\nbindd = ":81"\n'
        '[[listen]]\nbind = ":80"\n'
        '[[host]]\nname = "*"\nbody = "much"\n[[host]]\nbody = 1\n[[host]]\nbody = "much"\n[[host]]\nnmae = "a"\n'
    )
    said = [problem.removeprefix(f"{config}: ").partition(" = ")[0] for problem in problems(config)]
    assert said == [
        "app.zzz",
        "listen.1.bind",
        "listen.1.backlog",
        "listen.2.bindd",
        "host.0.name",
        "host.0.body",
        "host.2.body",
        "host.3.nmae",
        "listen.3.bind",
        "listen.0.mode",
        "host.1.name",
        "host.2.name",
        "host.3.body",
    ]


@pytest.mark.parametrize("lines", ["", 'name = ""', 'name = "."'])
def test_a_host_has_a_name(lines: str, config: Path) -> None:
    config.write_text(f'[[host]]\nbody = "1 KiB"\n{lines}\n')
    assert problems(config) == [f'{config}: host.0.name = "": must name the host']


def test_a_host_without_a_name_is_told_with_what_made_it(here: Path) -> None:
    assert problems(None, {"LITMUS_HOST__0__BODY": "1 KiB"}) == [
        'environment LITMUS_HOST__0__BODY: host.0.name = "": must name the host'
    ]


def test_the_same_host_twice(config: Path) -> None:
    config.write_text(
        '[[host]]\nname = "a"\nbody = 1\n[[host]]\nname = "b"\nbody = 1\n[[host]]\nname = "A."\nbody = 1\n'
    )
    assert problems(config) == [f'{config}: host.2.name = "a": is the same host as host.0.name; remove one']
