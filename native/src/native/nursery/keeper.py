"""The supervisor's end of the nursery: orders replicas from it, and hears of their ends."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Final

import psutil
import structlog

from native import programs
from native.places import ROOT
from native.programs import Program, Running

log = structlog.get_logger()

FORKS: Final = sys.platform == "linux"
"""Elsewhere what the system's libraries do behind a process' back does not go with a fork."""

_FORK_SECONDS: Final = 30.0
_END_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.2
_UNKNOWN: Final = -1


class _Unforked(Exception):  # noqa: N818  # it says what happened; a plain start follows
    """The nursery did not make the replica."""


class Forked:
    """A replica that the nursery forked, as asyncio shows a process of our own."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    async def wait(self) -> int:
        await self._ended.wait()
        return _UNKNOWN if self.returncode is None else self.returncode

    def end(self, code: int) -> None:
        self.returncode = code
        self._ended.set()

    async def outlive(self) -> None:
        """Look for its end ourselves, as the nursery that would tell of it is gone."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110  # nothing here can set an event
                await asyncio.sleep(_LOOK_SECONDS)
        self.end(_UNKNOWN)


class _Brood:
    """One nursery and those it forked."""

    def __init__(self, process: asyncio.subprocess.Process, state: int) -> None:
        self.state = state
        self.is_open = True
        self._process = process
        self._numbers = count()
        self._orders: dict[int, asyncio.Future[Forked]] = {}
        self._forked: dict[int, Forked] = {}
        self._reading = asyncio.create_task(self._read())

    async def fork(self, program: Program, log_file: Path) -> Forked:
        number = next(self._numbers)
        order = {
            "order": number,
            "module": program.module,
            "environment": {**programs.clean_environment(), **program.environment},
            "folder": str(program.working_folder or "/"),
            "log": str(log_file),
        }
        made: asyncio.Future[Forked] = asyncio.get_running_loop().create_future()
        self._orders[number] = made
        try:
            self._input.write(json.dumps(order).encode() + b"\n")
            async with asyncio.timeout(_FORK_SECONDS):
                return await made
        except TimeoutError:
            self._kill()
            raise _Unforked("it did not answer") from None
        finally:
            self._orders.pop(number, None)

    def retire(self) -> None:
        """Order nothing more; it stays for those it forked."""
        self._input.close()

    async def close(self) -> None:
        self.retire()
        try:
            await asyncio.wait_for(self._process.wait(), _END_SECONDS)
        except TimeoutError:
            self._kill()
        await self._reading

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    @property
    def _input(self) -> asyncio.StreamWriter:
        if self._process.stdin is None:
            raise _Unforked("it takes no orders")
        return self._process.stdin

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  # a pipe was asked for
        async for line in self._process.stdout:
            self._hear(**json.loads(line))
        self.is_open = False
        for made in self._orders.values():
            if not made.done():
                made.set_exception(_Unforked("it is gone"))
        await asyncio.gather(*(forked.outlive() for forked in self._forked.values()))

    def _hear(
        self,
        order: int,
        pid: int | None = None,
        code: int | None = None,
        refused: str | None = None,
    ) -> None:
        made = self._orders.get(order)
        waited_for = made is not None and not made.done()
        if pid is not None:
            forked = self._forked[order] = Forked(pid)
            if made is not None and waited_for:
                made.set_result(forked)
            else:
                forked.send_signal(signal.SIGKILL)
        elif code is not None and order in self._forked:
            self._forked.pop(order).end(code)
        elif made is not None and waited_for:
            made.set_exception(_Unforked(refused or f"it ended with code {code}"))


class Nursery:
    """Forks replicas of the code as it is in the checkout now; starts them plainly where not."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._brood: _Brood | None = None
        self._retired: list[_Brood] = []
        self._changing = asyncio.Lock()

    async def warm(self, *modules: str) -> None:
        """Have the modules loaded before the first replica is asked for."""
        if FORKS:
            async with self._changing:
                await self._renew(modules)

    async def launch(self, program: Program, log_file: Path) -> Running:
        if not FORKS or program.module is None or program.account is not None:
            return await programs.launch(program, log_file)
        programs.make_ready(log_file)
        try:
            async with self._changing:
                brood = await self._renew()
            return await brood.fork(program, log_file)
        except (_Unforked, OSError) as why:
            log.warning("replica_not_forked", module=program.module, why=str(why))
            return await programs.launch(program, log_file)

    async def forget(self) -> None:
        """Load all anew for the next replica, whether or not it is seen to have changed."""
        async with self._changing:
            self._retire()

    async def close(self) -> None:
        """End it; what it forked is stopped by then."""
        async with self._changing:
            self._retire()
            await asyncio.gather(*(brood.close() for brood in self._retired))

    def _retire(self) -> None:
        if self._brood is not None:
            self._brood.retire()
            self._retired = [one for one in (*self._retired, self._brood) if one.is_open]
            self._brood = None

    async def _renew(self, modules: tuple[str, ...] = ()) -> _Brood:
        """Give the nursery, another one when the code has changed since it was loaded."""
        state = await asyncio.to_thread(_read_state, self._root)
        if self._brood is not None and self._brood.is_open and self._brood.state == state:
            return self._brood
        self._retire()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "native.nursery", *modules),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=programs.clean_environment(),
            cwd=self._root,
            start_new_session=True,
        )
        self._brood = _Brood(process, state)
        return self._brood


def _read_state(root: Path) -> int:
    """Give a number that changes with each file of the code, and with what is installed."""
    files = (*root.glob("*/src/**/*.py"), Path(sys.prefix) / ".pitboss-stamp")
    seen = []
    for file in files:
        with contextlib.suppress(OSError):
            about = file.stat()
            seen.append((str(file), about.st_mtime_ns, about.st_size))
    return hash(frozenset(seen))
