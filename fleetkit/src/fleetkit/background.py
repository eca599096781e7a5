"""Loops beside the requests: begun with what they serve, ended before it is closed under them."""

import asyncio
import time
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


async def end(*tasks: asyncio.Task[None], again_s: float = AGAIN_S) -> None:
    """Cancel the tasks and see them end.

    Asked again while they go on: a library in the middle of a connection's failure may answer a
    cancellation with an error of its own, which a loop takes for just another failure. Whoever is
    cancelled over this sees them end all the same.
    """
    left = set(tasks)
    due = 0.0
    cancelled: asyncio.CancelledError | None = None
    while left := {task for task in left if not task.done()}:
        if time.monotonic() >= due:
            due = time.monotonic() + again_s
            for task in left:
                task.cancel()
        try:
            await asyncio.wait(left, timeout=max(0.0, due - time.monotonic()))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
