"""Text for people: colour where it is welcome, aligned tables, numbers one can read at a glance."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_STYLED = re.compile(r"\x1b\[[0-9;]*m")
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")


class Terminal:
    """Writes to one stream, in colour if that is a terminal and nobody objects (``$NO_COLOR``, ``$TERM`` = dumb)."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str] = os.environ) -> None:
        self.stream = stream
        self.interactive = stream.isatty()
        self._color = self.interactive and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"

    def paint(self, text: str, *styles: str) -> str:
        """Return ``text`` in the styles given ("bold", "dim", "red", "green", "yellow", "cyan"), or as it is."""
        if not self._color or not text:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"

    def print(self, text: str = "") -> None:
        """Write a line, at once: somebody may be reading a pipe."""
        print(text, file=self.stream, flush=True)

    def clear(self) -> None:
        """Start again at the top of the screen."""
        self.stream.write("\x1b[H\x1b[2J")

    def print_fields(self, fields: Iterable[tuple[str, str]]) -> None:
        """Write names and values, one pair a line, the values aligned."""
        rows = list(fields)
        width = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            lines = value.split("\n")
            self.print(f"  {self.paint(name.ljust(width), 'dim')}  {lines[0]}".rstrip())
            for line in lines[1:]:
                self.print(f"  {' ' * width}  {line}".rstrip())

    def print_table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write a table. A column whose name starts with ``>`` is aligned to the right."""
        names = [name.removeprefix(">") for name in head]
        table = [[self.paint(name, "dim") for name in names], *rows]
        widths = [max(_width(row[column]) for row in table) for column in range(len(head))]
        for row in table:
            cells = []
            for name, cell, width in zip(head, row, widths, strict=True):
                padding = " " * (width - _width(cell))
                cells.append(padding + cell if name.startswith(">") else cell + padding)
            self.print("  ".join(cells).rstrip())

    def fail(self, program: str, message: str, detail: str = "") -> None:
        """Write an error the way all tools do it, ``detail`` indented below."""
        self.print(f"{program}: {self.paint(safe(message), 'red')}")
        for line in safe(detail).rstrip("\n").split("\n") if detail else ():
            self.print(f"    {line}".rstrip())

    def warn(self, program: str, message: str) -> None:
        """Write what is no error, but should be known."""
        self.print(f"{program}: {self.paint('warning', 'yellow')}: {safe(message)}")


def safe(text: str) -> str:
    """Return ``text``, which came from outside, without anything that a terminal would act on. Lines stay lines."""
    return "".join(char if char.isprintable() or char in "\n\t" else f"\\x{ord(char):02x}" for char in text)


def size(count: float) -> str:
    """A number of bytes in the unit that leaves one to four digits: "512 B", "16.0 MiB"."""
    for unit in _SIZES:
        if count < 1024 or unit == _SIZES[-1]:
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def number(count: float) -> str:
    """A count with its thousands marked."""
    return f"{count:,.0f}"


def _width(text: str) -> int:
    return len(_STYLED.sub("", text))
