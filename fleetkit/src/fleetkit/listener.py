"""Postgres notifications over a connection of their own that comes back by itself."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Final, Self, TypeAlias

import asyncpg

from fleetkit import background, logs
from fleetkit.postgres import Connection, connect

log = logs.get(__name__)

FIRST_BACKOFF_S: Final = 0.1
LAST_BACKOFF_S: Final = 2.0
PROBE_EVERY_S: Final = 10.0
PROBE_TIMEOUT_S: Final = 2.0

OnNotify: TypeAlias = Callable[[str, str], Awaitable[None] | None]
OnReconnect: TypeAlias = Callable[[], Awaitable[None] | None]


class Listener:
    """Calls `on_notify(channel, payload)` in order, one at a time.

    `on_reconnect()` is called each time that listening begins, the first time too: what was
    notified before can't be known, so whoever reads the tables there misses nothing.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        channels: Sequence[str],
        on_notify: OnNotify,
        on_reconnect: OnReconnect | None = None,
    ) -> None:
        self._url = url
        self._name = name
        self._channels = tuple(channels)
        self._on_notify = on_notify
        self._on_reconnect = on_reconnect
        self._task: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=f"listener-{self._name}")
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._task is not None:
            await background.end(self._task)

    async def _run(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                connection = await connect(self._url, name=self._name)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.debug("listener_waited", reason=f"{type(error).__name__}: {error}")
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)
                continue
            backoff_s = FIRST_BACKOFF_S
            try:
                await self._listen(connection)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("listener_lost", reason=f"{type(error).__name__}: {error}")
            finally:
                self.listening.clear()
                connection.terminate()
            await asyncio.sleep(FIRST_BACKOFF_S)

    async def _listen(self, connection: Connection) -> None:
        arrived: asyncio.Queue[tuple[str, str] | None] = asyncio.Queue()

        def keep(_connection: object, _pid: int, channel: str, payload: object) -> None:
            arrived.put_nowait((channel, str(payload)))

        connection.add_termination_listener(lambda _connection: arrived.put_nowait(None))
        for channel in self._channels:
            await connection.add_listener(channel, keep)
        self.listening.set()
        log.info("listener_connected", channels=self._channels)
        await self._call(self._on_reconnect)
        while not connection.is_closed():
            try:
                async with asyncio.timeout(PROBE_EVERY_S):
                    notice = await arrived.get()
            except TimeoutError:
                # A cut network says nothing: only asking finds out.
                await connection.fetchval("select 1", timeout=PROBE_TIMEOUT_S)
                continue
            if notice is None:
                raise ConnectionResetError("Postgres closed the connection")
            await self._call(self._on_notify, *notice)

    async def _call(
        self, callback: Callable[..., Awaitable[None] | None] | None, *args: str
    ) -> None:
        """Call one of ours; its failure is logged and does not end the listening."""
        if callback is None:
            return
        try:
            answer = callback(*args)
            if inspect.isawaitable(answer):
                await answer
        except Exception:
            log.exception("listener_callback_failed", channels=self._channels)
