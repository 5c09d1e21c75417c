"""Write config/litmus.toml and docs/configuration.md from the options in litmus/settings.py.

Run it after changing an option: `.venv/bin/python config/generate.py`.
"""

from pathlib import Path

from litmus.reference import render_default_toml, render_page

ROOT = Path(__file__).resolve().parent.parent

(ROOT / "config" / "litmus.toml").write_text(render_default_toml(), encoding="utf-8")
(ROOT / "docs" / "configuration.md").write_text(render_page(), encoding="utf-8")
