"""Reading a configuration: defaults, then the file, then the environment, then the command line.

The reader knows no option by name: it follows the sections it is given (see `options.py`). It never stops at the first
problem; it collects all of them, each with the place, the key, the value and what would be right.
"""

import difflib
import re
import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from litmus.kinds import spell
from litmus.options import Option, Section, environment_name

ENVIRONMENT_PREFIX = "LITMUS_"
# Far above any real configuration; guards against being pointed at something else.
MAX_FILE_SIZE = 1 << 20
_MAX_SHOWN = 120


class ConfigError(Exception):
    """A configuration that cannot be used; `problems` has one sentence for each thing to put right."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Override:
    """An option given on the command line, as text: `key` "arbiter.workers" or "listen.0.bind".

    The key of a list's identity without an index ("listen.bind") replaces the whole list; several of them make it up.
    `origin` is what the user typed it after ("--set", "--workers", "--bind", "TARGET").
    """

    key: str
    value: str
    origin: str = "--set"


@dataclass(frozen=True, slots=True)
class Given:
    """A setting that was given, valid, and where."""

    setting: object
    origin: str


class Table(dict[str, Given]):
    """What was given of one table, by the option's name."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()
        """Options that were given wrongly, or may be meant by a key that there is not."""

    def is_open(self, name: str) -> bool:
        """Whether the option was only given in vain: then what it is to be is not known."""
        return name in self.refused and name not in self


@dataclass
class Reader:
    """Collects what each layer gives; later layers win. `problems` grows as it goes.

    `base` is where relative paths of the environment and the command line start.
    """

    sections: Mapping[str, Section]
    base: Path
    problems: list[str] = field(default_factory=list)
    single: dict[str, Table] = field(default_factory=dict)
    lists: dict[str, list[Table]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for section in self.sections.values():
            if section.identity is None:
                self.single[section.name] = Table()
            else:
                self.lists[section.name] = [] if section.optional else [Table()]

    # -- the layers ------------------------------------------------------------------------------------------------

    def read_file(self, path: Path) -> None:
        """Take what the TOML file at `path` gives. ConfigError when it cannot be read as TOML at all."""
        document = parse_file(path)
        origin, base = str(path), path.absolute().parent
        for name, content in document.items():
            section = self.sections.get(name)
            if section is None:
                self._unknown_section(origin, name, content)
            elif section.identity is None:
                if isinstance(content, dict):
                    self._read_table(section, name, content, self.single[name], origin, base)
                else:
                    self._problem(origin, name, content, f"must be a table: [{name}]")
            elif isinstance(content, list) and all(isinstance(table, dict) for table in content):
                self.lists[name] = [Table() for _ in content]
                for index, table in enumerate(content):
                    self._read_table(section, f"{name}.{index}", table, self.lists[name][index], origin, base)
            else:
                self._problem(origin, name, content, f"must be a list of tables: [[{name}]], with two brackets")

    def _read_table(
        self, section: Section, prefix: str, content: Mapping[str, object], table: Table, origin: str, base: Path
    ) -> None:
        for name, value in content.items():
            key = f"{prefix}.{name}"
            if (option := section.options.get(name)) is None:
                self._unknown_key(origin, key, value, table)
            else:
                self._give(table, option, key, value, origin, base)

    def read_environment(self, environ: Mapping[str, str]) -> None:
        """Take every LITMUS_SECTION__KEY of `environ`.

        A name without "__" is not an option and is left alone: Kubernetes sets LITMUS_SERVICE_HOST and the like for a
        service of the name. But one that only lacks an underscore to be an option's is refused.
        """
        given = []
        for name in (name for name in environ if name.startswith(ENVIRONMENT_PREFIX)):
            lower, origin = name.removeprefix(ENVIRONMENT_PREFIX).lower(), f"environment {name}"
            key = lower.replace("__", ".")
            if "__" not in name:
                section, _, rest = lower.partition("_")
                meant = f"{section}.{rest}"
                if section in self.single and rest in self.sections[section].options:
                    sentence = f"did you mean {environment_name(meant)}, with two underscores?"
                    self._problem(origin, meant, environ[name], sentence)
            elif name == environment_name(key):
                given.append(Override(key, environ[name], origin))
            else:
                self._problem(origin, key, environ[name], f"must be in capitals: {environment_name(key)}")
        self.read_overrides(given)

    def read_overrides(self, overrides: Sequence[Override]) -> None:
        """Take options given as text. Lists are replaced first, then changed table by table in the order of indexes."""
        replaced: set[str] = set()
        for override in overrides:
            name, _, rest = override.key.partition(".")
            if (section := self.sections.get(name)) is not None and section.identity == rest:
                if name not in replaced:
                    replaced.add(name)
                    self.lists[name] = []
                self.lists[name].append(Table())
                self._give_text(section, rest, self.lists[name][-1], override)
        for override in sorted(overrides, key=_index):
            name, _, rest = override.key.partition(".")
            section = self.sections.get(name)
            if section is None:
                self._unknown_key(override.origin, override.key, override.value)
            elif section.identity is None:
                self._give_text(section, rest, self.single[name], override)
            elif section.identity != rest:
                self._give_list_item(section, rest, override)

    def _give_list_item(self, section: Section, rest: str, override: Override) -> None:
        index, dot, option = rest.partition(".")
        tables = self.lists[section.name]
        if not dot or not _is_index(index):
            meant = f"{section.name}.0.{rest}"
            known = rest in section.options
            sentence = f"needs an index, such as {meant}" if known else self._did_you_mean(override.key)
            self._problem(override.origin, override.key, override.value, sentence)
            return
        if int(index) > len(tables):
            sentence = f"skips an index; the next new table is {section.name}.{len(tables)}"
            self._problem(override.origin, override.key, override.value, sentence)
            return
        if int(index) == len(tables) and option in section.options:
            tables.append(Table())
        self._give_text(section, option, tables[int(index)] if int(index) < len(tables) else Table(), override)

    def _give_text(self, section: Section, name: str, table: Table, override: Override) -> None:
        if (option := section.options.get(name)) is None:
            self._unknown_key(override.origin, override.key, override.value, table)
        else:
            value = option.kind.from_text(override.value)
            self._give(table, option, override.key, value, override.origin, self.base)

    def _give(self, table: Table, option: Option, key: str, value: object, origin: str, base: Path) -> None:
        try:
            table[option.name] = Given(option.kind.read(value, base), origin)
            return
        except ValueError as error:
            self._problem(origin, key, value, str(error))
        except OSError as error:  # a path that cannot even be looked at
            self._problem(origin, key, value, f"must be a path that can be used: {error.strerror}")
        table.refused.add(option.name)

    # -- problems --------------------------------------------------------------------------------------------------

    def _problem(self, origin: str, key: str, value: object, sentence: str) -> None:
        self.problems.append(describe(origin, key, spell(value), sentence))

    def _unknown_key(self, origin: str, key: str, value: object, table: Table | None = None) -> None:
        self._problem(origin, key, value, self._did_you_mean(key))
        if table is not None:
            table.refused.update(option.name for option in self._meant(key))

    def _unknown_section(self, origin: str, name: str, content: object) -> None:
        if not isinstance(content, dict | list):
            self._unknown_key(origin, name, content)
            return
        near = difflib.get_close_matches(name.lower(), self.sections, n=1)
        known = (
            f"did you mean [{near[0]}]?" if near else "there are " + ", ".join(f"[{known}]" for known in self.sections)
        )
        self.problems.append(f"{origin}: [{name}]: unknown section; {known}")

    def _did_you_mean(self, key: str) -> str:
        """ "unknown key", and the keys that may have been meant, or else what there is."""
        if meant := self._meant(key):
            return f"unknown key; did you mean {_enumerated(meant)}?"
        name = key.partition(".")[0] if "." in key else ""
        if section := self.sections.get(name):
            return f"unknown key; {name} has " + ", ".join(section.options)
        near = difflib.get_close_matches(name.lower(), self.sections, n=1)
        return f"unknown section; did you mean {near[0]}?" if near else "unknown key"

    def _meant(self, key: str) -> list[Option]:
        """The options that may be meant by a key that there is not.

        What is like it in the key's own section, or in that which is meant by the section's name, goes before what is
        like it in others, but for keys of just this name.
        """
        section, _, name = key.rpartition(".")
        section, name = section.partition(".")[0], _squeezed(name)
        meant = difflib.get_close_matches(section.lower(), self.sections, n=1)
        own = [option for option in self._all_options() if option.section in meant]
        others = [option for option in self._all_options() if option.section not in meant]
        return _named(name, own) or _alike(name, own) + _named(name, others) or _nearest(name, others, 0.7)

    def _all_options(self) -> list[Option]:
        return [option for section in self.sections.values() for option in section.options.values()]


def describe(origin: str, key: str, value: str, sentence: str) -> str:
    """One problem: where it was written, the key, the value, and what would be right."""
    shown = value if len(value) <= _MAX_SHOWN else value[:_MAX_SHOWN] + "…"
    return f"{origin}: {key} = {shown}: {sentence}"


def _named(name: str, options: Sequence[Option]) -> list[Option]:
    return [option for option in options if _squeezed(option.name) == name]


def _alike(name: str, options: Sequence[Option]) -> list[Option]:
    """The options of the key's own section that `name` is the beginning of, or else what is nearest to it."""
    longer = [option for option in options if _squeezed(option.name).startswith(name)] if name else []
    return longer or _nearest(name, options, 0.6)


def _nearest(name: str, options: Sequence[Option], cutoff: float) -> list[Option]:
    """The options, in several sections perhaps, whose name is nearest to `name`, if it is near enough."""
    near = difflib.get_close_matches(name, [_squeezed(option.name) for option in options], n=1, cutoff=cutoff)
    return [option for option in options if _squeezed(option.name) in near]


def _enumerated(options: Sequence[Option]) -> str:
    *most, last = (f"{option.section}.{option.name}" for option in options)
    return f"{', '.join(most)} or {last}" if most else last


def _squeezed(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3


def _index(override: Override) -> int:
    """The index in a key, so that `listen.1` is taken before `listen.2` whatever the order they came in."""
    index = override.key.partition(".")[2].partition(".")[0]
    return int(index) if _is_index(index) else 0


def parse_file(path: Path) -> dict[str, object]:
    """The TOML document at `path`. ConfigError with one sentence when it is missing, unreadable or not TOML."""
    try:
        mode = path.stat().st_mode  # before opening it, because opening a pipe would wait for a writer
        if not stat.S_ISREG(mode):
            raise ConfigError(
                [f"{path}: is {'a folder' if stat.S_ISDIR(mode) else 'not a regular file'}; give a TOML file"]
            )
        with path.open("rb") as file:
            content = file.read(MAX_FILE_SIZE + 1)
    except FileNotFoundError:
        raise ConfigError([f"{path}: there is no such file; give the path of a configuration with -c"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    if len(content) > MAX_FILE_SIZE:
        raise ConfigError([f"{path}: is larger than {MAX_FILE_SIZE} bytes, which no configuration is"])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}: line {line}: is not UTF-8 text; save the file as UTF-8"]) from error
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError([f"{path}: is nested too deeply"]) from None
    except ValueError as error:
        raise ConfigError([f"{path}: {_locate(str(error), text)}"]) from error


def _locate(message: str, text: str) -> str:
    """tomllib's message with the place in front: "line 3, column 9: Invalid value"."""
    if match := re.search(r" \(at line (\d+), column (\d+)\)$", message):
        return f"line {match[1]}, column {match[2]}: {message[: match.start()]}"
    lines = text.split("\n")
    end = f"line {len(lines)}, column {len(lines[-1]) + 1}"
    return f"{end}: {message.removesuffix(' (at end of document)')}, at the end of the file"
