"""One process under watch: started, asked for its health, started again when it dies."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import psutil
import structlog

from native import programs
from native.programs import Program, Running

log = structlog.get_logger()

_STARTING_PAUSE: Final = 0.05
_READY_PAUSE: Final = 1.0
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 10.0
_DOUBLINGS: Final = 6
_STEADY_SECONDS: Final = 20.0
_GIVEN_UP_ON: Final = 5

Launch = Callable[[Program, Path], Awaitable[Running]]
"""Starts a program, all it says going to the log."""


class State(StrEnum):
    """Where a process stands; one that failed is still tried again."""

    STARTING = "starting"
    READY = "ready"
    UNREADY = "unready"
    DRAINING = "draining"
    RESTARTING = "restarting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the process is, as status shows it."""

    service: str
    instance: str
    environment: str | None = None


class Child:
    """Keeps one process running until it is told to stop."""

    def __init__(
        self,
        identity: Identity,
        logs: Path,
        plan: Callable[[], tuple[int, Program]],
        probe: Callable[[int], Awaitable[bool]],
        changed: Callable[["Child"], None],
        *,
        launch: Launch = programs.launch,
    ) -> None:
        self.identity = identity
        self.log = logs / f"{identity.instance}.log"
        self.state = State.STARTING
        self.port = 0
        self.pid: int | None = None
        self.created: float | None = None
        self.restarts = 0
        self.was_ready = asyncio.Event()
        self._plan = plan
        self._probe = probe
        self._changed = changed
        self._launch = launch
        self._died_in_a_row = 0
        self._process: Running | None = None
        self._program: Program | None = None
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._spawned_at = 0.0
        self._halt = asyncio.Event()

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep_running())

    @property
    def uptime(self) -> float:
        return time.monotonic() - self._spawned_at if self.pid is not None else 0.0

    def drain(self) -> None:
        """Show that the process is about to leave; it is not restarted any more."""
        self._stopping = True
        self.state = State.DRAINING

    async def stop(self) -> None:
        """Ask the process to end, wait, then make it."""
        self.drain()
        self._halt.set()
        if self.pid is not None and self._process is not None and self._program is not None:
            await programs.stop(self._process, self._program)
        if self._task is not None:
            await self._task

    async def wait_ready(self, seconds: float) -> bool:
        """Wait for readiness; give up early when the process dies again and again."""
        ready = asyncio.create_task(self.was_ready.wait())
        deadline = time.monotonic() + seconds
        while not ready.done() and time.monotonic() < deadline and self.state != State.FAILED:
            await asyncio.wait({ready}, timeout=0.1)
        ready.cancel()
        return self.was_ready.is_set()

    async def look(self) -> None:
        """Ask for its health now, and set the state to what came of it."""
        if self.pid is None or self.state not in {State.STARTING, State.READY, State.UNREADY}:
            return
        healthy = await self._probe(self.port)
        if self.state == State.STARTING and not healthy:
            return
        if self.state in {State.STARTING, State.READY, State.UNREADY} and self.pid is not None:
            self._move(State.READY if healthy else State.UNREADY)

    def _move(self, state: State) -> None:
        if state == self.state or self._stopping:
            return
        self.state = state
        if state == State.READY:
            self.was_ready.set()
        log.info("process_moved", instance=self.identity.instance, pid=self.pid, state=state)
        self._changed(self)

    async def _keep_running(self) -> None:
        while not self._stopping:
            await self._run_once()
            if self._halt.is_set():
                return
            steady = self.uptime >= _STEADY_SECONDS
            self.pid = self.created = None
            self.was_ready.clear()
            self._died_in_a_row = 1 if steady else self._died_in_a_row + 1
            self.restarts += 1
            given_up = self._died_in_a_row >= _GIVEN_UP_ON
            self._move(State.FAILED if given_up else State.RESTARTING)
            if self._died_in_a_row > 1:
                pause = _FIRST_PAUSE * 2 ** min(self._died_in_a_row - 2, _DOUBLINGS)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._halt.wait(), min(pause, _LONGEST_PAUSE))

    async def _run_once(self) -> None:
        try:
            self.port, self._program = self._plan()
            self._process = await self._launch(self._program, self.log)
        except Exception as error:  # noqa: BLE001  # whatever it was, it is tried again
            log.warning("process_not_started", instance=self.identity.instance, error=str(error))
            return
        if self._stopping:
            await programs.stop(self._process, self._program)
            return
        self.pid = self._process.pid
        self._spawned_at = time.monotonic()
        with contextlib.suppress(psutil.Error):
            self.created = psutil.Process(self.pid).create_time()
        if self.state != State.FAILED:
            self._move(State.STARTING)
        self._changed(self)
        health = asyncio.create_task(self._watch_health())
        try:
            code = await self._process.wait()
        finally:
            health.cancel()
        programs.kill_group(self._process.pid)
        if not self._stopping:
            log.warning(
                "process_died",
                instance=self.identity.instance,
                pid=self.pid,
                code=code,
                last_words=programs.last_words(self.log),
            )

    async def _watch_health(self) -> None:
        while True:
            if self.state == State.FAILED:
                if await self._probe(self.port):
                    self._died_in_a_row = 0
                    self._move(State.READY)
            else:
                await self.look()
            waiting = self.state in {State.STARTING, State.FAILED}
            await asyncio.sleep(_STARTING_PAUSE if waiting else _READY_PAUSE)
