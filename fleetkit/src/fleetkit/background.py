"""Loops beside the requests: begun with what they serve, ended before it is closed under them."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

AGAIN_S: Final = 0.5


@asynccontextmanager
async def running(*loops: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield
    finally:
        await end(*tasks)


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel the tasks and see them end.

    Asked again while they go on: a library in the middle of a connection's failure may answer a
    cancellation with an error of its own, which a loop takes for just another failure.
    """
    left = set(tasks)
    while left := {task for task in left if not task.done()}:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=AGAIN_S)
