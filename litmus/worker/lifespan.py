"""The lifespan protocol: telling the application that serving begins and ends (ASGI Lifespan 2.0)."""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import Any

from litmus.asgi import VERSIONS, Application, Message

log = logging.getLogger("litmus.lifespan")


class LifespanError(Exception):
    """The application could not start.

    Attributes:
        reason: one sentence.
        traceback: where it failed, empty when the application itself put it into words.
    """

    def __init__(self, reason: str, traceback: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.traceback = traceback


class Lifespan:
    """One application's lifespan.

    Args:
        application: the ASGI application.
        mode: "auto" takes an application that refuses the lifespan scope for one that does without; "on" takes it for
            an error; "off" never asks.

    Attributes:
        state: what the application put into ``scope["state"]`` for its requests.
    """

    def __init__(self, application: Application, mode: str) -> None:
        self._application = application
        self._mode = mode
        self.state: dict[str, Any] = {}
        self._messages: asyncio.Queue[Message] = asyncio.Queue(2)
        self._outcome: asyncio.Future[str | None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Run the application's start-up to its end. Raises LifespanError when it fails."""
        if self._mode == "off":
            return
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._run(), name="lifespan")
        error = await self._ask("lifespan.startup")
        if error is not None:
            raise error
        if self._outcome is not None and self._outcome.done():  # it is one that takes part
            self._task.add_done_callback(self._left)

    async def shutdown(self, seconds: float) -> None:
        """Run the application's shutdown, for at most ``seconds``. Failures are logged."""
        if self._task is None or self._task.done():
            return
        self._task.remove_done_callback(self._left)  # whatever it ends with is told below
        try:
            async with asyncio.timeout(seconds):
                error = await self._ask("lifespan.shutdown")
        except TimeoutError:
            log.error("the application's lifespan shutdown took longer than %g s and was given up", seconds)
            error = None
        if error is not None:
            log.error("%s", f"{error.reason}\n{error.traceback}".rstrip())
        self._task.add_done_callback(self._left if error is None else _told)

    async def _ask(self, kind: str) -> LifespanError | None:
        """Send the application a message and wait for its answer, or for its end."""
        assert self._task is not None
        self._outcome = asyncio.get_running_loop().create_future()
        self._messages.put_nowait({"type": kind})
        ends: list[asyncio.Future[Any]] = [self._outcome, self._task]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if self._outcome.done():
            answer = self._outcome.result()
            if answer is None:
                return None
            words = answer.strip() or "it gave no reason"
            *before, last = words.splitlines()
            return LifespanError(f"the application's {kind} failed: {last}", answer if before else "")
        return self._ended(kind)

    def _ended(self, kind: str) -> LifespanError | None:
        """What it means that the application left before it answered."""
        assert self._task is not None
        error = self._task.exception()
        if self._mode == "auto" and kind == "lifespan.startup":
            if error is not None and self._messages.empty():
                # It took the message, so it knows of lifespans. ASGI says to go on; its operator wants to know.
                log.warning("the application's lifespan.startup failed, and it is served all the same", exc_info=error)
                return None
            log.debug("the application does without lifespan: %s", error or "it returned at once")
            return None
        if error is None:
            return LifespanError(f"the application returned from its lifespan without answering {kind}")
        trace = "".join(traceback.format_exception(error))
        return LifespanError(f"the application's {kind} failed: {type(error).__name__}: {error}", trace)

    def _left(self, task: asyncio.Task[None]) -> None:
        """The application has left its lifespan: too early, unless it was asked to shut down."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the application's lifespan ended with an error", exc_info=error)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {**VERSIONS, "spec_version": "2.0"}, "state": self.state}
        await self._application(scope, self._messages.get, self._send)

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind not in _ANSWERS:
            raise RuntimeError(f"a lifespan cannot have a message of type {kind!r}")
        if self._outcome is None or self._outcome.done():
            raise RuntimeError(f"{kind} was sent without being asked for")
        self._outcome.set_result(str(message.get("message", "")) if kind.endswith(".failed") else None)


def _told(task: asyncio.Task[None]) -> None:
    """Many raise the error that they have just told of: once is enough, and asyncio need not tell it either."""
    if not task.cancelled():
        task.exception()


_ANSWERS = frozenset(f"lifespan.{phase}.{end}" for phase in ("startup", "shutdown") for end in ("complete", "failed"))
