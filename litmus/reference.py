"""The commented configuration file and the configuration's manual page, made from the declarations in `settings.py`.

`config/generate.py` writes both to where they are kept; a test holds that they are current.
"""

import re
import textwrap
from collections.abc import Iterator

from litmus.kinds import spell
from litmus.options import Section, environment_name
from litmus.settings import SECTIONS

_WIDTH = 100

_FILE_HEAD = """\
Every option of Litmus, at its default. Keep what you change, leave out the rest.
A table that is there only if you add it has a # before each of its lines.
Relative paths start at this file's folder. Sizes and durations take units ("64 KiB", "75s").
Environment variables override this file: LITMUS_ARBITER__WORKERS=4
The command line overrides both: litmusd -c litmus.toml --set arbiter.workers=4
To check the result, and see where each value comes from: litmusd -c litmus.toml --check
"""

_PAGE_HEAD = """\
# Configuration

<!-- Made from litmus/settings.py by config/generate.py. Change it there. -->

Litmus reads one TOML file, `litmusd -c litmus.toml`. Every option has a default, so a file holds only what differs;
[config/litmus.toml](../config/litmus.toml) is the complete one. Later sources override earlier ones:

1. the defaults below,
2. the file,
3. environment variables, `LITMUS_SECTION__KEY`, such as `LITMUS_ARBITER__WORKERS=4`,
4. the command line: `--set section.key=value`, and the shorthands `TARGET`, `--bind` and `--workers`.

Values from the environment and the command line are written without quotes (`--set timeouts.drain=10s`).

Everything is checked before it is used. An unknown section or key, a wrong type and a wrong value are errors, all
reported at once, each with its place, the key, the value, and what would be right. `litmusd --check` checks without
serving, and prints where each value that is not a default came from.

- **Sizes** are numbers with `B`, `KB`, `KiB`, `MB`, `MiB`, `GB` or `GiB`; a bare number is in bytes.
- **Durations** are numbers with `h`, `m`, `s` or `ms`, also combined (`1m30s`); a bare number is in seconds.
- **Paths** that are relative start at the file's folder when they are written in the file, else at the current one.
"""

_LISTS = """\
`[[{name}]]` is a list of tables. From the environment and the command line, `{name}.0.{identity}`
(`LITMUS_{upper}__0__{identity_upper}`) changes one table or adds the next one; `{name}.{identity}` without an index
replaces the list.
"""


def render_default_toml() -> str:
    """`config/litmus.toml`: every option with its help, at its default. Loading it gives exactly the defaults."""
    parts = [*_comment(_FILE_HEAD)]
    for section in SECTIONS.values():
        header = f"[{section.name}]" if section.identity is None else f"[[{section.name}]]"
        mark = "#" if section.optional else ""
        parts += ["", *_comment(section.help), mark + header]
        for option in section.options.values():
            kind = option.kind.label.replace("`", "")
            parts += ["", *_comment(option.help), f"{mark}{option.name} = {spell(option.default)}  # {kind}"]
    return "\n".join(parts) + "\n"


def _comment(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from textwrap.wrap(line, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def render_page() -> str:
    """`docs/configuration.md`: one table of options for each section."""
    return _PAGE_HEAD + "".join(_render_section(section) for section in SECTIONS.values())


def _render_section(section: Section) -> str:
    title = section.name if section.identity is None else f"[{section.name}]"
    lines = ["", f"## `[{title}]`", "", section.help, ""]
    if section.identity is not None:
        upper, identity_upper = section.name.upper(), section.identity.upper()
        lines += [
            _LISTS.format(name=section.name, identity=section.identity, upper=upper, identity_upper=identity_upper)
        ]
    lines += ["| key | type | default | environment | what it does |", "|---|---|---|---|---|"]
    prefix = section.name if section.identity is None else f"{section.name}.0"
    for option in section.options.values():
        name = environment_name(f"{prefix}.{option.name}")
        cells = (f"`{option.name}`", option.kind.label, f"`{spell(option.default)}`", f"`{name}`", _marked(option.help))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _marked(help_text: str) -> str:
    """A help text with what is in quotes, and names of variables, set as code."""
    return re.sub(r'"([^"]+)"|(\$[A-Z_]+[\w/]*)', lambda match: f"`{match[1] or match[2]}`", help_text)
