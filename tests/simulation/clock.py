"""An event loop whose time is a number: it jumps to the next timer when nothing is ready.

One thread, no sleeping and no sockets. What runs is decided by the order of calls alone, so a world
that draws all its chances from one seed plays the same way each time, whatever PYTHONHASHSEED says.
"""

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Self, TypeVar

Answer = TypeVar("Answer")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class StuckError(Exception):
    """Nothing is ready, no timer is set, and the end was not reached."""


class _Call(asyncio.TimerHandle):
    """A callback to come; leaner than asyncio's own, which keeps what only debugging needs."""

    __slots__ = ()

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._callback: Any = callback
        self._args: Any = args
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True
        self._callback = self._args = None


class Process:
    """What dies at once: the tasks that were begun in it, and those begun by these."""

    _MOST = 32

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.tasks: list[Task] = []

    def add(self, task: "Task") -> None:
        if len(self.tasks) >= self._MOST:
            self.tasks = [each for each in self.tasks if not each.done()]
        self.tasks.append(task)

    def kill(self) -> None:
        self.alive = False
        for task in self.tasks:
            task.cancel()
        self.tasks = []


class Task(asyncio.Task[Any]):
    """A task that hashes by its number, so that sets of tasks keep one order in every run."""

    _numbers = count()
    number: int
    process: Process | None

    def __new__(cls, *_: object, **__: object) -> Self:
        task = super().__new__(cls)
        task.number = next(cls._numbers)
        task.process = None
        return task

    def __hash__(self) -> int:
        return self.number


if TYPE_CHECKING:
    # its stub is whole; the real one would bring a selector and a thread pool along
    _Base = asyncio.BaseEventLoop
else:
    _Base = asyncio.AbstractEventLoop


class Loop(_Base):
    """Just what tasks, futures and timers ask of a loop."""

    def __init__(self) -> None:
        self._now = self._told = 0.0
        self._moment = EPOCH
        self._ready: deque[_Call] = deque()
        self._timers: list[tuple[float, int, _Call]] = []
        self._order = 0
        self._closed = False
        self.process: Process | None = None
        self.complaints: list[str] = []
        Task._numbers = count()

    def time(self) -> float:
        return self._now

    def now(self) -> datetime:
        if self._told != self._now:
            self._told, self._moment = self._now, EPOCH + timedelta(seconds=self._now)
        return self._moment

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: object = None
    ) -> _Call:
        del context
        call = _Call(callback, args)
        self._ready.append(call)
        return call

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: object = None
    ) -> _Call:
        del context
        call = _Call(callback, args)
        self._order += 1
        heappush(self._timers, (when, self._order, call))
        return call

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: object = None
    ) -> _Call:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, work: Coroutine[Any, Any, Any], *, name: str | None = None, context: object = None
    ) -> Task:
        """Begin a task in the process of the task that asks."""
        del name, context
        asking = asyncio.current_task(self)
        task = Task(work, loop=self)
        process = asking.process if isinstance(asking, Task) else self.process
        if process is not None:
            task.process = process
            process.add(task)
        return task

    def begin(self, process: Process, work: Coroutine[Any, Any, Any]) -> Task:
        """Begin a process's first task."""
        task = Task(work, loop=self)
        task.process = process
        process.add(task)
        return task

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Run until the work is done, and whatever is left is cancelled."""
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            task = Task(work, loop=self)
            while not task.done():
                self._settle()
                if not task.done():
                    self._jump()
            answer: Answer = task.result()
            return answer
        finally:
            self._timers.clear()
            self._ready.clear()
            events._set_running_loop(before)

    def _settle(self) -> None:
        """Run what is ready, and what that makes ready, at this moment."""
        ready = self._ready
        while ready:
            call = ready.popleft()
            if not call._cancelled:
                call._callback(*call._args)

    def _jump(self) -> None:
        """Go on to the next timer."""
        timers = self._timers
        while timers:
            when, _, call = heappop(timers)
            if call._cancelled:
                continue
            self._now = max(self._now, when)
            call._callback(*call._args)
            return
        raise StuckError(f"nothing is left to happen at {self._now:.3f}")

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self._closed

    def is_closed(self) -> bool:
        return self._closed

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), Exception):
            self.complaints.append(repr(context["exception"]))

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing to do: a cancelled timer is dropped when its time comes."""
