"""Compiled or interpreted: the hot modules exist both ways, from one source (see setup.py).

``LITMUS_PURE=1`` in the environment chooses the interpreted ones.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

_HOT_MODULE = "litmus.protocols.http1"


def compiled() -> bool:
    """Whether the hot modules that this process uses are the compiled ones."""
    spec = importlib.util.find_spec(_HOT_MODULE)
    return spec is not None and spec.origin is not None and not spec.origin.endswith(".py")


def choose() -> None:
    """Obey ``LITMUS_PURE``. Called before any hot module is imported."""
    if os.environ.get("LITMUS_PURE", "") not in ("", "0"):
        sys.meta_path.insert(0, _SourceFinder())


class _SourceFinder(MetaPathFinder):
    """Finds the ``.py`` of each module of this package, past the compiled one beside it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        if package.partition(".")[0] != "litmus" or not path:
            return None
        source = Path(path[0], f"{name}.py")
        return importlib.util.spec_from_file_location(fullname, source) if source.is_file() else None
