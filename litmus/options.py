"""What an option is: its kind, its default and its help, as data.

`settings.py` declares every option with one `option(...)` call. The TOML reader, the environment, `--set`, the
commented configuration file and the documentation are all derived from those declarations.
"""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from litmus.kinds import Kind

T = TypeVar("T")

_METADATA_KEY = "litmus"


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a section, everything about it that does not depend on a loaded configuration."""

    section: str
    name: str
    kind: Kind[Any]
    default: object
    help: str

    def read_default(self, base: Path) -> object:
        """The setting the default stands for, relative paths starting at `base`."""
        return self.kind.read(self.default, base)


@dataclass(frozen=True)
class Section:
    """A table of the configuration: its name, the dataclass it becomes, and its options by name.

    A section with an `identity` is a list of tables (`[[name]]`), told apart by the option of that name; an `optional`
    one is empty unless tables are given.
    """

    name: str
    type: type[Any]
    help: str
    identity: str | None = None
    optional: bool = False

    @cached_property
    def options(self) -> dict[str, Option]:
        """The section's options by name, in the order of their declaration."""
        return {
            field.name: Option(self.name, field.name, *field.metadata[_METADATA_KEY])
            for field in dataclasses.fields(self.type)
        }


def option(kind: Kind[T], default: object, help: str) -> T:  # noqa: A002
    """Declare an option as the default of a dataclass field: its kind, its default in TOML, its help in Markdown."""
    field: T = dataclasses.field(
        default_factory=lambda: kind.read(default, Path.cwd()), metadata={_METADATA_KEY: (kind, default, help)}
    )
    return field


def section(type_: type[T], help: str) -> T:  # noqa: A002
    """Declare a field of the settings as a table of options."""
    field: T = dataclasses.field(default_factory=type_, metadata={_METADATA_KEY: (type_, help)})
    return field


def tables(type_: type[T], help: str, *, identity: str, optional: bool = False) -> tuple[T, ...]:  # noqa: A002
    """Declare a field of the settings as a list of tables.

    When none is given, it holds one with the defaults, or nothing if it is `optional`.
    """
    field: tuple[T, ...] = dataclasses.field(
        default_factory=lambda: () if optional else (type_(),),
        metadata={_METADATA_KEY: (type_, help, identity, optional)},
    )
    return field


def sections_of(settings: type[Any]) -> dict[str, Section]:
    """The sections that a settings dataclass declares, by name."""
    return {
        field.name: Section(field.name, *field.metadata[_METADATA_KEY])
        for field in dataclasses.fields(settings)
        if _METADATA_KEY in field.metadata
    }


def environment_name(key: str) -> str:
    """The environment variable that sets the option `key` ("arbiter.workers" or "listen.0.bind")."""
    return "LITMUS_" + key.replace(".", "__").upper()
