"""The kinds of option there are: how a value is read from TOML or from text, spelled, and described.

A kind raises ValueError with what would be right ("must be …"); the caller knows the place, the key and the value.
"""

import grp
import json
import keyword
import pwd
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Generic, TypeVar

from litmus.addresses import MAX_UNIX_PATH, Address, check_unix_path
from litmus.units import format_duration, format_size, parse_duration, parse_size

T = TypeVar("T")


class Kind(ABC, Generic[T]):
    """How the values of an option are read, spelled and described."""

    @property
    @abstractmethod
    def label(self) -> str:
        """The kind and its bounds in a few words, for the documentation."""

    @abstractmethod
    def read(self, value: object, base: Path) -> T:
        """The setting that a TOML value stands for; relative paths start at `base`. ValueError: "must be …"."""

    def from_text(self, text: str) -> object:
        """The TOML value meant by the text of an environment variable or of `--set`."""
        return text

    def spell(self, value: T) -> str:
        """`value` as the user would write it in TOML."""
        return spell(value)


def spell(value: object) -> str:
    """A value in TOML's spelling, good for a message and for a file."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {spell(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(spell(item) for item in value) + "]"
    return str(value)


class Text(Kind[str]):
    """Any printable text."""

    label = "text"

    def read(self, value: object, base: Path) -> str:
        if not isinstance(value, str):
            raise ValueError("must be text, in quotes")
        if not value.isprintable():
            raise ValueError("must be printable text, without control characters")
        return value


class Target(Text):
    """Where the application is: "module:attribute" or "module:factory()"."""

    label = "`module:attribute` or `module:factory()`"

    def read(self, value: object, base: Path) -> str:
        text = super().read(value, base)
        module, colon, attribute = text.partition(":")
        if _is_dotted_name(module) and _is_dotted_name(attribute.removesuffix("()")):
            return text
        hint = ""
        guess = module.removesuffix(".py").strip("./").replace("/", ".")
        if _is_dotted_name(guess) and (not colon or guess != module):
            hint = f"; did you mean {spell(guess + ':' + (attribute or 'app'))}?"
        raise ValueError(f'must be "module:attribute" or "module:factory()"{hint}')


def _is_dotted_name(text: str) -> bool:
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in text.split("."))


class UrlPath(Text):
    """A prefix of URL paths: empty, or starting and not ending with a slash."""

    label = "URL path"

    def read(self, value: object, base: Path) -> str:
        text = super().read(value, base)
        if text and (not text.startswith("/") or text.endswith("/")):
            raise ValueError(
                f'must be empty or start, and not end, with a slash, such as "/{text.strip("/") or "api"}"'
            )
        return text


class Choice(Kind[str]):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    @property
    def label(self) -> str:
        return ", ".join(f"`{word}`" for word in self.words)

    def read(self, value: object, base: Path) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise ValueError("must be " + " or ".join(spell(word) for word in self.words))
        return value


class Flag(Kind[bool]):
    """True or false; `file`, if given, is the option for a path, which may be tried here."""

    label = "`true` or `false`"

    def __init__(self, file: str | None = None) -> None:
        self.file = file

    def read(self, value: object, base: Path) -> bool:
        if not isinstance(value, bool):
            is_path = isinstance(value, str) and ("/" in value or "." in value)
            hint = f"; a path is for {self.file}" if self.file and is_path else ""
            raise ValueError(f"must be true or false, without quotes{hint}")
        return value

    def from_text(self, text: str) -> object:
        return {"true": True, "false": False}.get(text, text)


class Whole(Kind[int]):
    """A whole number within bounds; `word`, if given, stands for 0."""

    def __init__(self, minimum: int, maximum: int, word: str | None = None) -> None:
        self.minimum, self.maximum, self.word = minimum, maximum, word

    @property
    def label(self) -> str:
        return f"whole number from {self.minimum} to {self.maximum}" + (f", or `{self.word}`" if self.word else "")

    def read(self, value: object, base: Path) -> int:
        if self.word is not None and value == self.word:
            return 0
        if isinstance(value, bool) or not isinstance(value, int) or not self.minimum <= value <= self.maximum:
            word = f", or {spell(self.word)}" if self.word else ""
            raise ValueError(f"must be a whole number from {self.minimum} to {self.maximum}{word}")
        return value

    def from_text(self, text: str) -> object:
        digits = text.removeprefix("-")
        return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else text

    def spell(self, value: int) -> str:
        return spell(self.word) if self.word and value == 0 else spell(value)


class Size(Kind[int]):
    """A number of bytes, with a unit."""

    def __init__(self, minimum: str, maximum: str) -> None:
        self.minimum, self.maximum = minimum, maximum

    @property
    def label(self) -> str:
        return f"size from {self.minimum} to {self.maximum}"

    def read(self, value: object, base: Path) -> int:
        size = parse_size(value)  # type: ignore[arg-type]  # refuses every other type itself
        if not parse_size(self.minimum) <= size <= parse_size(self.maximum):
            raise ValueError(f"must be a size from {self.minimum} to {self.maximum}")
        return size

    def spell(self, value: int) -> str:
        return spell(format_size(value))


class Inherited(Kind[T | None]):
    """What another kind takes, or the word that leaves the choice to the option for the whole server."""

    WORD = "inherit"

    def __init__(self, kind: Kind[T]) -> None:
        self.kind = kind

    @property
    def label(self) -> str:
        return f"{self.kind.label}, or `{self.WORD}`"

    def read(self, value: object, base: Path) -> T | None:
        if value == self.WORD:
            return None
        try:
            return self.kind.read(value, base)
        except ValueError as error:
            raise ValueError(f"{error}, or {spell(self.WORD)}") from None

    def from_text(self, text: str) -> object:
        return text if text == self.WORD else self.kind.from_text(text)

    def spell(self, value: T | None) -> str:
        return spell(self.WORD) if value is None else self.kind.spell(value)


class Duration(Kind[float]):
    """A number of seconds, with a unit."""

    def __init__(self, minimum: str, maximum: str) -> None:
        self.minimum, self.maximum = minimum, maximum

    @property
    def label(self) -> str:
        return f"duration from {self.minimum} to {self.maximum}"

    def read(self, value: object, base: Path) -> float:
        seconds = parse_duration(value)  # type: ignore[arg-type]  # refuses every other type itself
        if not parse_duration(self.minimum) <= seconds <= parse_duration(self.maximum):
            raise ValueError(f"must be a duration from {self.minimum} to {self.maximum}")
        return seconds

    def spell(self, value: float) -> str:
        return spell(format_duration(value))


class Folder(Kind[Path]):
    """A folder that exists; absolute and without symbolic links once read."""

    label = "existing folder"

    def read(self, value: object, base: Path) -> Path:
        folder = _read_path(value, base)
        if folder is None:
            raise ValueError("must name a folder")
        if not folder.is_dir():
            raise ValueError(f"must be an existing folder; {folder} is {'a file' if folder.exists() else 'not there'}")
        return folder.resolve()

    def spell(self, value: Path) -> str:
        return spell(str(value))


class File(Kind[Path | None]):
    """A file the server writes; empty for none. Symbolic links are kept, because log rotation may move them."""

    label = "path"

    def __init__(self, *, in_existing_folder: bool = False) -> None:
        self.in_existing_folder = in_existing_folder

    def read(self, value: object, base: Path) -> Path | None:
        path = _read_path(value, base)
        if path is None:
            return None
        if path.is_dir():
            raise ValueError(f"must be a file; {path} is a folder")
        if self.in_existing_folder and not path.parent.is_dir():
            raise ValueError(f"must be in an existing folder; {path.parent} is not there")
        return path

    def spell(self, value: Path | None) -> str:
        return spell("" if value is None else str(value))


class SocketFile(File):
    """The path of a Unix socket, short enough for the kernel; empty for none."""

    label = f"path of at most {MAX_UNIX_PATH} bytes"

    def read(self, value: object, base: Path) -> Path | None:
        path = super().read(value, base)
        if path is not None:
            check_unix_path(path)
        return path


def _read_path(value: object, base: Path) -> Path | None:
    if not isinstance(value, str):
        raise ValueError("must be a path, in quotes")
    if "\0" in value:
        raise ValueError("must be a path, without NUL characters")
    return base / value if value else None


class Bind(Kind[str]):
    """An address to listen on, in canonical spelling once read."""

    label = "address"

    def read(self, value: object, base: Path) -> str:
        if not isinstance(value, str):
            raise ValueError('must be an address in quotes, such as "127.0.0.1:8000"')
        return str(Address.parse(value, base))


class HostName(Kind[str]):
    """The name or address by which clients call a host: in lower case and without the dot of the root once read."""

    label = "host name"

    def read(self, value: object, base: Path) -> str:
        # Empty is for the default, which whoever asks for a name refuses.
        if not isinstance(value, str) or not _HOST_NAME.fullmatch(value):
            hint = _host_meant(value) if isinstance(value, str) else ""
            raise ValueError(
                f'must be a host as clients name it, without a port, such as "www.example.com" or "[::1]"{hint}'
            )
        return value.lower().removesuffix(".")


_HOST_NAME = re.compile(r"[\w.~-]*|\[[0-9A-Fa-f:.]+\]", re.ASCII)


def _host_meant(text: str) -> str:
    """What to write instead of a host name that is none, for the end of a sentence; empty if nobody knows."""
    if "*" in text:
        return "; there are no wildcards: write a table for each host"
    name = re.sub(r":\d*$", "", text)
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")  # the A-labels that clients send (RFC 5890, section 2.3.2.1)
        except UnicodeError:
            return ""
    if name == text or not _HOST_NAME.fullmatch(name):
        return ""
    return f"; write {spell(name)}"


class Origins(Kind[str]):
    """Origins as browsers name them (RFC 6454, section 6.2), with a space between any two: in lower case once read."""

    label = "origins"

    def read(self, value: object, base: Path) -> str:
        origins = value.lower().split() if isinstance(value, str) else [""]
        if not all(map(_ORIGIN.fullmatch, origins)):
            raise ValueError(
                'must be origins without paths, such as "https://www.example.com https://example.com:8443"'
            )
        return " ".join(origins)


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[\w.~-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?", re.ASCII)


class User(Text):
    """The name of a user of this machine; empty for none."""

    label = "user name"

    def read(self, value: object, base: Path) -> str:
        name = super().read(value, base)
        try:
            return pwd.getpwnam(name).pw_name if name else ""
        except KeyError:
            raise ValueError("must be a user of this machine (see getent passwd), or empty") from None


class FileMode(Kind[int]):
    """Who may use a file: the permissions of owner, group and others."""

    label = "octal mode in quotes"

    def read(self, value: object, base: Path) -> int:
        # A number without quotes is refused: 660 is not the 0660 that whoever wrote it had in mind.
        if not isinstance(value, str) or not re.fullmatch("0?[0-7]{3}", value):
            raise ValueError('must be a file mode of three octal digits, in quotes, such as "0660"')
        return int(value, 8)

    def spell(self, value: int) -> str:
        return spell(f"{value:04o}")


class Group(Text):
    """The name of a group of this machine; empty for none."""

    label = "group name"

    def read(self, value: object, base: Path) -> str:
        name = super().read(value, base)
        try:
            return grp.getgrnam(name).gr_name if name else ""
        except KeyError:
            raise ValueError("must be a group of this machine (see getent group), or empty") from None
