"""Turns of the event loop: what a test counts in where it has no time to wait for."""

import asyncio


def turn(loop: asyncio.AbstractEventLoop, turns: int = 1) -> None:
    """Let a loop that stands still turn, from outside."""
    for _ in range(turns):
        loop.call_soon(loop.stop)
        loop.run_forever()


async def next_turn() -> None:
    """Go on in the loop's next turn, behind everything else that is ready now. Nothing is waited for."""
    await asyncio.sleep(0)
