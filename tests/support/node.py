"""Clients that are written for Node, in tests/integration/clients."""

import functools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.waiting import DEADLINE

CLIENTS = Path(__file__).parents[1] / "integration" / "clients"

NEEDS_NODE = pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="there is no node or no npm")


@functools.cache
def install() -> None:
    """Fetch what the clients need, once: it stays beside them."""
    if (CLIENTS / "node_modules").is_dir():
        return
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=CLIENTS, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 0, done.stderr


def run(script: str, *arguments: object) -> list[Any]:
    """Run a client to its end. Returns what it printed: values of JSON, one in each line."""
    install()
    words = ["node", str(CLIENTS / script), *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
