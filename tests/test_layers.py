"""Dependencies run one way: cli → arbiter → worker → interfaces → server → protocols → memory, and the ground floor."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "litmus"

LAYERS = ("cli", "arbiter", "worker", "interfaces", "server", "protocols", "memory")
"""Each may import what comes after it, and all may import the ground floor."""

CONTROL_USERS = ("cli", "arbiter", "worker")
"""The control socket and the control pipes are theirs alone; ``control`` itself stands on the ground floor."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """The modules of the package that ``path`` imports, wherever in the file and for whatever purpose."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "litmus")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            if node.module is not None and node.module.partition(".")[0] == "litmus":
                for alias in node.names:
                    inner = PACKAGE.parent.joinpath(*node.module.split("."), alias.name)
                    is_module = inner.is_dir() or inner.with_suffix(".py").exists()
                    yield f"{node.module}.{alias.name}" if is_module else node.module


def layer(module: str) -> str:
    """The part of the house that a module belongs to: a package's name, or "" for the ground floor."""
    parts = module.split(".")
    if len(parts) > 1 and PACKAGE.joinpath(parts[1]).is_dir():
        return parts[1]
    return ""


def allowed(user: str, used: str) -> bool:
    if used in ("", user):
        return True
    if user == "" or user == "control":
        return False
    if used == "control":
        return user in CONTROL_USERS
    if user not in LAYERS:
        return True  # an application that comes with the server, such as the welcome page
    return used in LAYERS[LAYERS.index(user) :]


@pytest.mark.parametrize("path", modules(), ids=name)
def test_imports_go_down_only(path: Path) -> None:
    user = layer(name(path))
    if path == PACKAGE / "__init__.py":
        return  # the front door: names its rooms, see below
    wrong = [used for used in imports(path) if not allowed(user, layer(used))]
    assert not wrong, f"{name(path)} imports {', '.join(wrong)}"


def test_the_front_door_leads_to_nothing_above_memory() -> None:
    assert {layer(used) for used in imports(PACKAGE / "__init__.py")} <= {"", "memory"}


def test_nothing_imports_an_application() -> None:
    """What is served is found by its name in the configuration."""
    for path in modules():
        here = layer(name(path))
        for used in imports(path):
            assert layer(used) in (here, "", "control", *LAYERS), f"{name(path)} imports {used}"


@pytest.mark.parametrize("module", ["asyncio", "socket", "time", "uvloop", "selectors"])
def test_protocol_machines_do_no_io_and_read_no_clock(module: str) -> None:
    for path in (PACKAGE / "protocols").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
            assert module not in [each.partition(".")[0] for each in names], f"{name(path)} imports {module}"


def test_only_the_commands_print_or_exit() -> None:
    for path in modules():
        if layer(name(path)) == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "sys.exit", "exit", "quit"), f"{name(path)}:{node.lineno}: {called}()"


def test_the_map_in_the_docstring_names_every_room() -> None:
    text = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text())) or ""
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert {*LAYERS, "control"} <= rooms
    for room in (*LAYERS, "control"):
        assert f"    {room} " in text or f"    {room}\n" in text
