"""The end of a lifespan, as the log tells it: every failure, and each only once."""

import re

import pytest
from support.worker import worker

FAILED = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    BODY
"""

LIKE_STARLETTE = """
    try:
        raise ValueError("stuck")
    except ValueError:
        import traceback
        await send({"type": "lifespan.shutdown.failed", "message": traceback.format_exc()})
        raise
"""


def errors(body: str) -> list[str]:
    """What is logged as an error by a worker whose application ends its lifespan so, each with its further lines."""
    with worker(FAILED.replace("    BODY", f"    {body.strip()}")) as process:
        process.ready()
        process.drain()
        records = re.split(r"^\d{4}-\S+ \S+ ", process.log, flags=re.MULTILINE)
        return [record.partition("]  ")[2].rstrip() for record in records if record.startswith("error")]


@pytest.mark.parametrize("body", [LIKE_STARLETTE, "raise ValueError('stuck')"], ids=["told and raised", "raised"])
def test_a_shutdown_that_fails_is_told_once(body: str) -> None:
    [error] = errors(body)
    first, *rest = error.splitlines()
    assert first == "the application's lifespan.shutdown failed: ValueError: stuck"
    assert rest[0] == "    Traceback (most recent call last):"
    assert rest[-1] == "    ValueError: stuck"


def test_a_reason_in_one_line_is_not_repeated() -> None:
    assert errors('await send({"type": "lifespan.shutdown.failed", "message": "stuck"})') == [
        "the application's lifespan.shutdown failed: stuck"
    ]


@pytest.mark.parametrize("pause", ["", "; import asyncio; await asyncio.sleep(0)"])
def test_what_it_raises_after_a_good_shutdown_is_told_as_well(pause: str) -> None:
    complete = 'await send({"type": "lifespan.shutdown.complete"})'
    [error] = errors(f"{complete}{pause}; raise ValueError('afterwards')")
    assert error.startswith("the application's lifespan ended with an error\n")
    assert error.endswith("\n    ValueError: afterwards")
