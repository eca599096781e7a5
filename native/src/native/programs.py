"""Programs as we start and stop them: arguments, environment, account, signal that ends them."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from native.accounts import Account, may_enter
from native.refusals import Missing, Refusal

LOG_CAP: Final = 8 * 1024 * 1024
_KILLED_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Program:
    """One process to be."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    needs: tuple[Path, ...] = ()  # folders the account must be able to walk down to
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 12.0
    working_folder: Path | None = None
    module: str | None = None  # what it runs, where that is nothing but a module of ours


class Running(Protocol):
    """A process that was started, as asyncio shows it."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int: ...
    def send_signal(self, number: int, /) -> None: ...


def clean_environment() -> dict[str, str]:
    """Give our environment without the fleet's settings; each child is told only its own."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PITBOSS_")}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_CAP:
        log.replace(log.with_name(log.name + ".1"))


def make_ready(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    rotate(log)


def _step_down(program: Program) -> tuple[Sequence[str], dict[str, Any]]:
    """Run as the account; where the checkout is closed to it, keep the right to walk in."""
    account = program.account
    if account is None:
        return program.argv, {}
    if all(may_enter(account, folder) for folder in program.needs):
        plain = {"user": account.uid, "group": account.gid, "extra_groups": []}
        return program.argv, plain
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        closed = next(folder for folder in program.needs if not may_enter(account, folder))
        raise Missing(
            f"The user {account.name} can't reach {closed}; "
            "move the checkout or set PITBOSS_STATE_DIR to a folder all users can enter."
        )
    caps = [
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
        # Without it access(), which initdb asks, judges by the user alone and not by what it may.
        "--securebits=+no_setuid_fixup",
    ]
    ids = [f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"]
    return [setpriv, *ids, *caps, "--", *program.argv], {}


async def launch(program: Program, log: Path) -> asyncio.subprocess.Process:
    """Start the program in a session of its own, all it says going to the log."""
    make_ready(log)
    argv, identity = _step_down(program)
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**clean_environment(), **program.environment},
            cwd=program.working_folder or "/",
            start_new_session=True,
            **identity,
        )


async def finish(program: Program, log: Path) -> None:
    """Run the program to its end; refuse with its last words if it fails."""
    process = await launch(program, log)
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        await stop(process, program)
        raise
    if code != 0:
        raise Refusal(
            f"{Path(program.argv[0]).name} ended with code {code}: {last_words(log)} (see {log})"
        )


def last_words(log: Path) -> str:
    """Give the last line the program wrote."""
    with contextlib.suppress(OSError), log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4096))
        lines = [line for line in stream.read().decode(errors="replace").splitlines() if line]
        return lines[-1][:300] if lines else "it said nothing"
    return "it said nothing"


@contextlib.asynccontextmanager
async def stopped_on_failure(
    process: asyncio.subprocess.Process, program: Program, *folders: Path
) -> AsyncIterator[None]:
    """Leave no process and no private folder behind when a start fails half way."""
    try:
        yield
    except BaseException:
        await stop(process, program)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        raise


async def poll(condition: Callable[[], bool]) -> None:
    """Wait for what no event tells of: another process' doing."""
    while not condition():  # noqa: ASYNC110  # nothing here can set an event
        await asyncio.sleep(_POLL_SECONDS)


def kill_group(leader: int) -> None:
    """End what a dead leader left behind: orphaned nginx workers would keep the port."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


async def stop(process: Running, program: Program) -> None:
    """Ask the process to end, wait as long as it was promised, then kill it and its group."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(program.stop_signal)
        try:
            await asyncio.wait_for(process.wait(), program.stop_seconds)
        except TimeoutError:
            kill_group(process.pid)
            await asyncio.wait_for(process.wait(), _KILLED_SECONDS)
    kill_group(process.pid)
