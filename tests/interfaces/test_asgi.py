"""How an application is found: what ``module:attribute`` may name, and what is said when it does not."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.server import make_settings

from litmus.interfaces.asgi import LoadError, load

Load = Callable[..., object]

ASGI = "async def app(scope, receive, send): ...\n"


@pytest.fixture
def loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """``loading(source, target)`` loads an application from a module ``loaded``; nothing of it stays behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def run(source: str, target: str = "loaded:app", **options: object) -> object:
        (tmp_path / "loaded.py").write_text(source)
        values = {"app__target": target, "app__chdir": tmp_path, **options}
        return load(make_settings(**values).app)

    yield run
    for name in set(sys.modules) - before:
        del sys.modules[name]


# -- what can be loaded ------------------------------------------------------------------------------------------------

APPLICATIONS = {
    "a coroutine function": (ASGI, "loaded:app"),
    "an object": ("class App:\n    async def __call__(self, scope, receive, send): ...\napp = App()\n", "loaded:app"),
    "a method": ("class App:\n    async def run(self, s, r, x): ...\nroom = App()\n", "loaded:room.run"),
    "an attribute of an attribute": (
        "class Room:\n    class inner:\n        pass\n" + ASGI + "Room.inner.app = app\n",
        "loaded:Room.inner.app",
    ),
    "a factory": ("def make():\n    async def app(s, r, x): ...\n    return app\n", "loaded:make()"),
    "a factory that is a method": (
        "class Shop:\n    @staticmethod\n    def make():\n        async def app(s, r, x): ...\n        return app\n",
        "loaded:Shop.make()",
    ),
    "any arguments": ("async def app(*args): ...\n", "loaded:app"),
    "defaults": ("async def app(scope, receive=None, send=None): ...\n", "loaded:app"),
    "a partial": ("import functools\nasync def f(x, s, r, t): ...\napp = functools.partial(f, 1)\n", "loaded:app"),
    "a class of three": ("class app:\n    def __init__(self, scope, receive, send): ...\n", "loaded:app"),
}


@pytest.mark.parametrize("name", APPLICATIONS)
@pytest.mark.parametrize("interface", ["auto", "asgi"])
def test_applications(loading: Load, name: str, interface: str) -> None:
    source, target = APPLICATIONS[name]
    assert callable(loading(source, target, app__interface=interface))


def test_a_module_in_a_package(loading: Load, tmp_path: Path) -> None:
    package = tmp_path / "packed"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "inner.py").write_text(ASGI)
    assert callable(loading("", "packed.inner:app"))


def test_the_applications_folder_comes_first(loading: Load, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("mark = 1\n")
    loading("import os\nfolder = os.getcwd()\n" + ASGI)
    assert sys.path[0] == str(tmp_path)
    assert Path.cwd() == tmp_path
    assert sys.modules["loaded"].folder == str(tmp_path)


# -- what cannot -------------------------------------------------------------------------------------------------------

FAILURES = {
    "no module": ("", "nowhere_at_all:app", "there is no module 'nowhere_at_all'", ""),
    "no module in a package": ("", "json.nowhere:app", "there is no module 'json.nowhere'", ""),
    "no package": ("", "nowhere_at_all.inner:app", "there is no module 'nowhere_at_all'", ""),
    "a module of its own that is missing": ("import nowhere_at_all\n", "loaded:app", "nowhere_at_all", "loaded.py"),
    "a syntax error": ("def\n", "loaded:app", "SyntaxError", "loaded.py"),
    "an error": ("def f(): raise ValueError('why')\nf()\n", "loaded:app", "ValueError: why", "in f"),
    "an error without words": ("raise ValueError\n", "loaded:app", "ValueError", "loaded.py"),
    "an exit": ("import sys\nsys.exit('bye')\n", "loaded:app", "SystemExit: bye", "loaded.py"),
    "an interrupt": ("raise KeyboardInterrupt\n", "loaded:app", "KeyboardInterrupt", "loaded.py"),
    "no attribute": ("", "loaded:app", "module 'loaded' has no attribute 'app'", ""),
    "no attribute of an attribute": ("class Room: pass\n", "loaded:Room.app", "'Room' has no attribute 'app'", ""),
    "a number": ("app = 5\n", "loaded:app", "int, which is not an application", ""),
    "nothing": ("app = None\n", "loaded:app", "NoneType", ""),
    "a module": ("import json as app\n", "loaded:app", "module, which is not an application", ""),
    "a factory that fails": ("def app(): raise ValueError('why')\n", "loaded:app()", "ValueError: why", "in app"),
    "a factory that wants arguments": ("def app(x): ...\n", "loaded:app()", "the factory failed: TypeError", ""),
    "a factory that makes nothing": ("def app(): ...\n", "loaded:app()", "NoneType", ""),
    "a factory that is none": ("app = 5\n", "loaded:app()", "the factory failed: TypeError", ""),
    "a factory without ()": ("def app(): ...\n", "loaded:app", "say so with () behind its name", ""),
    "a class": ("class app:\n    def __init__(self, *, debug=False): ...\n", "loaded:app", "name an instance", ""),
    "a class of one argument": ("class app:\n    def __init__(self, scope): ...\n", "loaded:app", "is a class", ""),
    "a function of one argument": ("def app(scope): ...\n", "loaded:app", "is not an application, which is called", ""),
    "WSGI": ("def app(environ, start_response): ...\n", "loaded:app", "WSGI", ""),
    "a WSGI object": ("class App:\n    def __call__(self, e, s): ...\napp = App()\n", "loaded:app", "WSGI", ""),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures_say_what_is_wrong(loading: Load, name: str) -> None:
    source, target, reason, trace = FAILURES[name]
    with pytest.raises(LoadError) as caught:
        loading(source, target)
    error = caught.value
    assert error.reason.startswith(f"app.target = '{target}': ")
    assert reason in error.reason
    assert "\n" not in error.reason
    assert trace in error.traceback
    if not trace and "TypeError" not in reason:
        assert error.traceback == "", "it did not come to the application's code"


def test_a_missing_module_is_told_where_it_was_looked_for(loading: Load, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"app\.chdir says where to look") as caught:
        loading("", "nowhere_at_all:app")
    assert str(tmp_path) in caught.value.reason


def test_the_traceback_is_the_applications_own(loading: Load) -> None:
    """Who reads it wants to see their code, not ours and not the import system's."""
    with pytest.raises(LoadError) as caught:
        loading("def f():\n    raise ValueError('why')\nf()\n")
    trace = caught.value.traceback
    assert "asgi.py" not in trace
    assert "importlib" not in trace
    assert trace.count("loaded.py") == 2
    assert trace.endswith("ValueError: why\n")


@pytest.mark.parametrize("name", ["a coroutine function", "an object"])
def test_wsgi_is_refused_with_what_to_do(loading: Load, name: str) -> None:
    source, target = APPLICATIONS[name]
    with pytest.raises(LoadError, match="serves ASGI only"):
        loading(source, target, app__interface="wsgi")


def test_what_looks_like_wsgi_can_be_insisted_on(loading: Load) -> None:
    assert callable(loading("def app(a, b): ...\n", app__interface="asgi"))


@pytest.mark.parametrize(
    "source", ["def app(*all): ...\n", "class app:\n    def __init__(self, a, b, c): ...\n", "app = max\n"]
)
def test_what_may_be_an_application_is_taken_for_one(loading: Load, source: str) -> None:
    assert callable(loading(source))


def test_what_cannot_be_called_like_an_application_can_be_insisted_on(loading: Load) -> None:
    assert callable(loading("def app(): ...\n", app__interface="asgi"))


@pytest.mark.usefixtures("loading")
@pytest.mark.parametrize("gone", ["missing", "file"])
def test_a_folder_that_is_gone(tmp_path: Path, gone: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    settings = make_settings(app__target="loaded:app", app__chdir=folder)
    folder.rmdir()
    if gone == "file":
        folder.touch()
    with pytest.raises(LoadError) as caught:
        load(settings.app)
    assert caught.value.reason.startswith(f"app.chdir = '{folder}': ")
    assert os.strerror(2 if gone == "missing" else 20) in caught.value.reason
