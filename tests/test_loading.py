"""Files that cannot be read, keys that do not exist, values of the wrong type: what is said of them."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from litmus.configuration import load
from litmus.loading import MAX_FILE_SIZE, ConfigError, Override


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "litmus.toml"


def problems(
    path: Path | None, environ: dict[str, str] | None = None, overrides: Sequence[Override] = ()
) -> Sequence[str]:
    """What is wrong, the file's path cut off."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ=environ or {}, overrides=overrides)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


# -- the file itself ---------------------------------------------------------------------------------------------------


def test_a_missing_file(config: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(config, environ={})
    assert str(caught.value) == f"{config}: there is no such file; give the path of a configuration with -c"


def test_a_folder_and_a_pipe(config: Path, tmp_path: Path) -> None:
    assert problems(tmp_path) == ["is a folder; give a TOML file"]
    os.mkfifo(config)
    assert problems(config) == ["is not a regular file; give a TOML file"]


def test_a_file_that_may_not_be_read(config: Path) -> None:
    config.symlink_to(config)
    assert problems(config) == ["cannot be read: Too many levels of symbolic links"]


def test_a_file_that_is_not_text(config: Path) -> None:
    config.write_bytes(b'[app]\ntarget = "caf\xe9:app"\n')
    assert problems(config) == ["line 2: is not UTF-8 text; save the file as UTF-8"]


def test_a_file_that_is_far_too_large(config: Path) -> None:
    config.write_bytes(b"#" * (MAX_FILE_SIZE + 1))
    assert problems(config) == ["is larger than 1048576 bytes, which no configuration is"]


def test_a_byte_order_mark_does_no_harm(config: Path) -> None:
    config.write_bytes(b"\xef\xbb\xbf[arbiter]\r\nworkers = 3\r\n")
    assert load(config, environ={}).arbiter.workers == 3


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[app]\ntarget = oops\n", "line 2, column 10: "),
        ("[app\n", "line 1, column 5: "),
        ("[app]\n[app]\n", "line 2, column 5: "),
        ("[app]\nlifespan =", "line 2, column 11: "),
        ('[app]\ntarget = "x', "line 2, column 12: "),
        ("x = 1\nx = 2\n", "line 2, column 6: "),
    ],
)
def test_a_syntax_error_has_a_place(config: Path, text: str, place: str) -> None:
    config.write_text(text)
    (problem,) = problems(config)
    assert problem.startswith(place)
    assert "(at" not in problem


def test_a_file_made_to_do_harm(config: Path) -> None:
    config.write_text("x = " + "[" * 100_000)
    (problem,) = problems(config)
    assert "nested" in problem
    config.write_text("[arbiter]\nworkers = 1" + "0" * 5000)
    assert len(problems(config)) == 1


# -- sections and keys -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[limit]\nx = 1", "[limit]: unknown section; did you mean [limits]?"),
        ("[Listen]\nx = 1", "[Listen]: unknown section; did you mean [listen]?"),
        (
            "[[zzz]]",
            "[zzz]: unknown section; there are [app], [arbiter], [listen], [host], [memory], [limits], [http], "
            "[http2], [websocket], [timeouts], [log]",
        ),
        ("workers = 4", "workers = 4: unknown key; did you mean arbiter.workers?"),
        ('[limits]\nkeepalive = "5s"', 'limits.keepalive = "5s": unknown key; did you mean timeouts.keep_alive?'),
        ('[limits]\nKeep-Alive = "5s"', 'limits.Keep-Alive = "5s": unknown key; did you mean timeouts.keep_alive?'),
        (
            "[limits]\nheader = 1",
            "limits.header = 1: unknown key; did you mean limits.header_section or limits.header_fields?",
        ),
        (
            "[timeouts]\nbody = 1",
            "timeouts.body = 1: unknown key; did you mean timeouts.body_rate, timeouts.body_grace, listen.body, "
            "host.body or limits.body?",
        ),
        (
            "[limits]\nrequest = 1",
            "limits.request = 1: unknown key; did you mean limits.request_line, limits.requests_per_connection or "
            "timeouts.request?",
        ),
        ("body = 1", "body = 1: unknown key; did you mean listen.body, host.body or limits.body?"),
        ("[arbiter]\nworker = 1", "arbiter.worker = 1: unknown key; did you mean arbiter.workers?"),
        ("[log]\nzzz = true", "log.zzz = true: unknown key; log has level, file, access, access_file"),
        ("[[listen]]\nbindd = 1", "listen.0.bindd = 1: unknown key; did you mean listen.bind?"),
        ("[app.env]\nx = 1", "app.env = {x = 1}: unknown key; app has target, interface, chdir, lifespan, root_path"),
        ("zzz = [1, 'x']", "[zzz]: unknown section; there are "),
        ("zzz = 1979-05-27", "zzz = 1979-05-27: unknown key"),
        ("app = 1", "app = 1: must be a table: [app]"),
        ("[[app]]", "app = [{}]: must be a table: [app]"),
        ("[listen]\nbind = ':80'", 'listen = {bind = ":80"}: must be a list of tables: [[listen]], with two brackets'),
        ("listen = [1]", "listen = [1]: must be a list of tables: [[listen]], with two brackets"),
    ],
)
def test_what_is_unknown_is_refused_with_the_nearest_right_word(config: Path, text: str, problem: str) -> None:
    config.write_text(text)
    (said,) = problems(config)
    assert said == problem or (problem.endswith("there are ") and said.startswith(problem))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[app]\ntarget = 1", "app.target = 1: must be text, in quotes"),
        ("[app]\nlifespan = true", 'app.lifespan = true: must be "auto" or "on" or "off"'),
        ("[app]\nchdir = 1", "app.chdir = 1: must be a path, in quotes"),
        ("[arbiter]\nworkers = true", 'arbiter.workers = true: must be a whole number from 1 to 64, or "auto"'),
        ("[arbiter]\nworkers = '4'", 'arbiter.workers = "4": must be a whole number from 1 to 64, or "auto"'),
        ("[arbiter]\nworkers = 4.0", 'arbiter.workers = 4.0: must be a whole number from 1 to 64, or "auto"'),
        ("[arbiter]\nuser = 0", "arbiter.user = 0: must be text, in quotes"),
        ("[log]\naccess = 'true'", 'log.access = "true": must be true or false, without quotes'),
        ("[log]\nfile = false", "log.file = false: must be a path, in quotes"),
        ("[[listen]]\nbind = 80", 'listen.0.bind = 80: must be an address in quotes, such as "127.0.0.1:8000"'),
        ("[memory]\narena = true", "memory.arena = true: must be a size: "),
        ("[timeouts]\ndrain = inf", "timeouts.drain = inf: must be a duration, which is finite and never negative"),
    ],
)
def test_a_wrong_type_is_refused(config: Path, text: str, problem: str) -> None:
    config.write_text(text)
    (said,) = problems(config)
    assert said == problem or (problem.endswith(": ") and said.startswith(problem))


def test_every_problem_is_reported_at_once(config: Path) -> None:
    config.write_text('[app]\ntarget = ""\nzzz = 1\n[limit]\n[[listen]]\nbind = ":80"\n[[listen]]\nbind = ":80"\n')
    environ = {"LITMUS_ARBITER__WORKERS": "many", "LITMUS_CONTROL": "ignored"}
    said = problems(config, environ, [Override("arbiter.workers", "-1", "--workers")])
    assert [problem.partition(" = ")[0] for problem in said] == [
        "app.target",
        "app.zzz",
        "[limit]: unknown section; did you mean [limits]?",
        "environment LITMUS_ARBITER__WORKERS: arbiter.workers",
        "--workers: arbiter.workers",
        "listen.1.bind",
    ]


def test_values_are_shown_on_one_line_and_not_endlessly(config: Path) -> None:
    config.write_text('[app]\ntarget = "a\\n\\u001b[31m\\u007f' + "x" * 1000 + '"\n')
    (problem,) = problems(config)
    assert problem.startswith('app.target = "a\\n\\u001b[31m\\u007fxxx')
    assert "x…: must be printable text" in problem
    assert len(problem) < 250


# -- environment and command line --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("LITMUS_ARBITER__WORKRES", 'arbiter.workres = "4": unknown key; did you mean arbiter.workers?'),
        ("LITMUS_ARBITR__WORKERS", 'arbitr.workers = "4": unknown key; did you mean arbiter.workers?'),
        ("LITMUS_LIMIT__BODY", 'limit.body = "4": unknown key; did you mean limits.body?'),
        ("LITMUS_LIMIT__HEADER_FEILDS", 'limit.header_feilds = "4": unknown key; did you mean limits.header_fields?'),
        ("LITMUS_LIMIT__ZZZ", 'limit.zzz = "4": unknown section; did you mean limits?'),
        ("LITMUS___", "unknown key"),
        ("LITMUS_ZZZ__ZZZ", 'zzz.zzz = "4": unknown key'),
        (
            "LITMUS_ARBITER_WORKERS",
            'arbiter.workers = "4": did you mean LITMUS_ARBITER__WORKERS, with two underscores?',
        ),
        (
            "LITMUS_LIMITS_HEADER_FIELDS",
            'limits.header_fields = "4": did you mean LITMUS_LIMITS__HEADER_FIELDS, with two underscores?',
        ),
        ("LITMUS_Arbiter__Workers", 'arbiter.workers = "4": must be in capitals: LITMUS_ARBITER__WORKERS'),
    ],
)
def test_unknown_names_in_the_environment(name: str, problem: str) -> None:
    (said,) = problems(None, {name: "4"})
    assert said.startswith(f"environment {name}: ")
    assert said.endswith(problem)


def test_other_names_in_the_environment_are_left_alone() -> None:
    names = ["CONTROL", "PURE", "", "SERVICE_HOST", "PORT_8000_TCP", "HTTP_PORT", "LISTEN_BIND"]
    load(None, environ={"litmus_app__target": "", "X__Y": "", **{f"LITMUS_{name}": "1" for name in names}})


@pytest.mark.parametrize("key", ["", "app", "app.", ".target", "app.target.x", "zzz", "..."])
def test_unknown_keys_on_the_command_line(key: str) -> None:
    (said,) = problems(None, overrides=[Override(key, "1")])
    assert said.startswith(f'--set: {key} = "1": unknown ')


def test_text_becomes_what_the_option_wants() -> None:
    overrides = [
        Override("arbiter.workers", "4"),
        Override("log.access", "false"),
        Override("memory.arena", "32 MiB"),
        Override("timeouts.keep_alive", "1.5"),
    ]
    settings = load(None, environ={}, overrides=overrides)
    assert settings.arbiter.workers == 4
    assert settings.log.access is False
    assert settings.memory.arena == 32 * 2**20
    assert settings.timeouts.keep_alive == 1.5
