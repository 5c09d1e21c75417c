"""How the ASGI application that the configuration names is found."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from typing import Any

from litmus.asgi import Application
from litmus.settings import AppSettings

_WRAP_WSGI = (
    "this version serves ASGI only: wrap the application with an adapter such as a2wsgi"
    " (app = a2wsgi.WSGIMiddleware(app))"
)


class LoadError(Exception):
    """The application cannot be had.

    Attributes:
        reason: one sentence for the one who wrote the configuration.
        traceback: where it failed in the application's code, empty when it did not get that far.
    """

    def __init__(self, reason: str, traceback: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.traceback = traceback


def load(app: AppSettings) -> Application:
    """Import the application that ``app.target`` names, with ``app.chdir`` as working folder and first on ``sys.path``.

    ``module:attribute`` names the application, ``module:factory()`` a function that makes it. Raises LoadError.
    """
    try:
        os.chdir(app.chdir)
    except OSError as error:
        raise LoadError(f"app.chdir = '{app.chdir}': {error.strerror}") from error
    sys.path.insert(0, str(app.chdir))
    module_name, _, attribute = app.target.partition(":")
    call = attribute.endswith("()")
    found = _attribute(app.target, _module(app.target, module_name), attribute.removesuffix("()"))
    if call:
        try:
            found = found()
        except BaseException as error:
            raise LoadError(
                f"app.target = '{app.target}': the factory failed: {_words(error)}", _trace(error)
            ) from error
    if not callable(found):
        raise LoadError(
            f"app.target = '{app.target}': it names a {type(found).__name__}, which is not an application"
            " (an application is called with scope, receive and send)"
        )
    if app.interface == "wsgi":
        raise LoadError(
            f"app.target = '{app.target}': app.interface is wsgi, and {_WRAP_WSGI}; leave app.interface out"
        )
    if app.interface == "auto" and _looks_like_wsgi(found):
        raise LoadError(
            f"app.target = '{app.target}': it is a WSGI application, and {_WRAP_WSGI},"
            ' or set app.interface = "asgi" if it is one after all'
        )
    if app.interface == "auto" and (problem := _not_to_be_called(found)):
        raise LoadError(f"app.target = '{app.target}': {problem}")
    application: Application = found
    return application


def _module(target: str, name: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise LoadError(
                f"app.target = '{target}': there is no module '{error.name}' in {sys.path[0]} or among the installed"
                " packages; app.chdir says where to look first"
            ) from error
        raise LoadError(f"app.target = '{target}': importing it failed: {_words(error)}", _trace(error)) from error
    except BaseException as error:
        raise LoadError(f"app.target = '{target}': importing it failed: {_words(error)}", _trace(error)) from error


def _attribute(target: str, module: object, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise LoadError(f"app.target = '{target}': {_owner(found)} has no attribute '{name}'") from error
    return found


def _owner(found: object) -> str:
    name = getattr(found, "__name__", type(found).__name__)
    return f"module '{name}'" if inspect.ismodule(found) else f"'{name}'"


def _looks_like_wsgi(application: Any) -> bool:
    """Whether it can only be called with two arguments. ASGI takes three."""
    try:
        signature = inspect.signature(application)
    except (TypeError, ValueError):
        return False
    return _takes(signature, 2) and not _takes(signature, 3) and not inspect.isclass(application)


def _not_to_be_called(application: Any) -> str:
    """What is wrong with what cannot be called with three arguments; empty if it can, or nobody knows."""
    try:
        signature = inspect.signature(application)
    except (TypeError, ValueError):
        return ""
    if _takes(signature, 3):
        return ""
    if inspect.isclass(application):
        return "it is a class that is not called with scope, receive and send; name an instance of it"
    if _takes(signature, 0):
        return "it is called without arguments; if it makes the application, say so with () behind its name"
    return "it is not an application, which is called with scope, receive and send"


def _takes(signature: inspect.Signature, arguments: int) -> bool:
    try:
        signature.bind(*[None] * arguments)
    except TypeError:
        return False
    return True


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _trace(error: BaseException) -> str:
    """The traceback without the frames of this module and of the import system."""
    frames = traceback.TracebackException.from_exception(error)
    own = (__file__, importlib.__file__)
    stack = [
        frame
        for frame in frames.stack
        if frame.filename not in own and not frame.filename.startswith("<frozen importlib")
    ]
    frames.stack = traceback.StackSummary.from_list(stack)
    return "".join(frames.format())
