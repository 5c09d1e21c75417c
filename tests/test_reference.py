"""The generated file and page are current, and the file says exactly what the defaults are."""

import re
from pathlib import Path

import pytest

from litmus.configuration import load
from litmus.options import environment_name
from litmus.reference import render_default_toml, render_page
from litmus.settings import SECTIONS, HostSettings, Settings

ROOT = Path(__file__).resolve().parent.parent


def test_the_committed_file_is_current() -> None:
    assert (ROOT / "config/litmus.toml").read_text(encoding="utf-8") == render_default_toml(), (
        "run config/generate.py after changing an option"
    )


def test_the_committed_page_is_current() -> None:
    assert (ROOT / "docs/configuration.md").read_text(encoding="utf-8") == render_page(), (
        "run config/generate.py after changing an option"
    )


def test_the_file_gives_exactly_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "config")
    settings = load(ROOT / "config/litmus.toml", environ={})
    assert settings == Settings()
    assert settings.origins == {}


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_every_option_has_its_line_its_row_and_its_variable(section) -> None:  # type: ignore[no-untyped-def]
    text, page = render_default_toml(), render_page()
    prefix = section.name if section.identity is None else f"{section.name}.0"
    mark = "#" if section.optional else ""
    for option in section.options.values():
        assert f"\n{mark}{option.name} = " in text
        assert f"| `{option.name}` | " in page
        assert f"`{environment_name(f'{prefix}.{option.name}')}`" in page


def test_what_is_marked_in_the_file_is_a_table_to_add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = re.sub("^#(?=[^ ])", "", render_default_toml(), flags=re.MULTILINE)
    config = tmp_path / "litmus.toml"
    before, marked, after = text.partition("[[host]]")
    table = after.replace('name = ""', 'name = "a"').replace('body = "inherit"', "body = 5")
    config.write_text(before + marked + table)
    assert load(config, environ={}).host == (HostSettings("a", 5),)


def test_lines_of_the_file_fit_a_screen() -> None:
    assert max(map(len, render_default_toml().splitlines())) <= 100


@pytest.mark.parametrize("path", sorted((ROOT / "config/examples").glob("*.toml")), ids=lambda path: path.name)
def test_the_examples_are_valid(path: Path) -> None:
    settings = load(path, environ={})
    assert "app.target" in settings.origins
