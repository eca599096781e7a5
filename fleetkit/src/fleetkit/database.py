"""Postgres: SQLAlchemy's engine owns the pool, asyncpg's connection is handed out as it is."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, Final, Self

import asyncpg
from sqlalchemy import event, exc
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import PoolProxiedConnection

from fleetkit import background, errors, logs
from fleetkit.listener import Listener
from fleetkit.postgres import Connection, Plans, connect, is_away, set_json_codecs
from fleetkit.timebase import Timebase

__all__ = ["Connection", "Database", "Listener"]

log = logs.get(__name__)

POOL_TIMEOUT_S: Final = 10.0
"""With a connect or a statement at their longest, still within what nginx waits for an answer."""
MEASURE_EVERY_S: Final = 30.0
MEASURE_AWAY_EVERY_S: Final = 1.0
SAMPLES: Final = 5


UNREACHED: Final = (
    "The ledger's database can't be reached; nothing was sent. Try again in a moment."
)
FULL: Final = (
    "The disk of the ledger's database is full, so it takes nothing more. "
    "Make room there, then ask again under the same Idempotency-Key."
)
LOST: Final = "The ledger's database was lost on the way. Look at what stands before you repeat it."


def unavailable(detail: str = UNREACHED) -> errors.Unavailable:
    return errors.Unavailable(detail, code="database_unavailable", retry_after_s=1)


class Database:
    """A pool of connections to one database, and that database's clock."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connecting_failures = (
            OSError,
            exc.SQLAlchemyError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            # What Postgres itself says while it starts comes wrapped in the dialect's own error.
            engine.dialect.loaded_dbapi.Error,
        )
        self._timebase = Timebase()
        self._connected = asyncio.Event()
        self._away = False
        event.listen(engine.sync_engine, "checkout", self._refuse_dead)
        event.listen(engine.sync_engine, "connect", self._prepare)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, name: str, size: int = 10, plans: Plans = "auto"
    ) -> AsyncIterator[Self]:
        """Open the pool; it does not matter whether Postgres is up yet."""

        async def creator() -> Connection:
            return await connect(url, name=name, plans=plans)

        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=creator,
            isolation_level="AUTOCOMMIT",
            pool_size=size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_S,
            pool_pre_ping=False,
            # The connection used last has its statements prepared.
            pool_use_lifo=True,
            # Connections come back clean or not at all (see _put_back), so no ROLLBACK each time.
            pool_reset_on_return=None,
        )
        database = cls(engine)
        await database._measure()
        database._connected.clear()
        try:
            async with background.running(database._keep_time()):
                yield database
        finally:
            await engine.dispose()

    def now(self) -> datetime:
        """Tell Postgres's time, by this process's clock and the offset last measured."""
        return self._timebase.now()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection on which each statement commits by itself."""
        fairy = await self._take()
        raw = _driver(fairy)
        clean = False
        try:
            with self._translated(raw):
                yield raw
            clean = True
        except Exception:
            # A statement that failed leaves an autocommit connection as it was; one that was
            # interrupted (a cancelled task is no Exception) may leave an answer on the wire.
            clean = True
            raise
        finally:
            self._put_back(fairy, raw, clean=clean)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside BEGIN and COMMIT, or ROLLBACK when the block raises."""
        async with self.connection() as raw, raw.transaction():
            yield raw

    @asynccontextmanager
    async def searching(self) -> AsyncIterator[Connection]:
        """Lend a connection for what is searched by filters that may be there or not.

        A plan that suits any of them suits none; each statement is planned for its own values.
        """
        async with self.transaction() as raw:
            await raw.execute(
                "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_seqscan = on"
            )
            yield raw

    async def ping(self) -> None:
        async with self.connection() as raw:
            await raw.fetchval("select 1")

    async def _take(self) -> PoolProxiedConnection:
        try:
            fairy = await self._engine.raw_connection()
        except self._connecting_failures as err:
            self._note_away(err)
            raise unavailable() from err
        if self._away:
            self._away = False
            log.info("database_reached")
        return fairy

    def _put_back(self, fairy: PoolProxiedConnection, raw: Connection, *, clean: bool) -> None:
        """Return it clean; neither branch awaits, so a cancelled task can't lose one."""
        if clean and not raw.is_closed() and not raw.is_in_transaction():
            fairy.close()
        else:
            fairy.invalidate()

    @contextmanager
    def _translated(self, raw: Connection) -> Iterator[None]:
        try:
            yield
        except asyncpg.DiskFullError as err:
            # The statement was undone as a whole, and the next may find room: the connection stays.
            self._note_away(err)
            raise errors.Unavailable(FULL, code="database_full", retry_after_s=5) from err
        except Exception as err:
            if not is_away(err, closed=raw.is_closed()):
                raise
            raw.terminate()
            self._note_away(err)
            raise unavailable(LOST) from err

    def _note_away(self, err: Exception) -> None:
        if not self._away:
            self._away = True
            log.warning("database_lost", reason=f"{type(err).__name__}: {err}")

    def _prepare(self, dbapi: Any, _record: object) -> None:
        dbapi.run_async(set_json_codecs)
        self._connected.set()

    @staticmethod
    def _refuse_dead(dbapi: Any, _record: object, _fairy: object) -> None:
        """Notice a restarted Postgres before a statement does: the pool starts anew at once."""
        if dbapi.driver_connection.is_closed():
            raise exc.InvalidatePoolError("Postgres closed it")

    async def _measure(self) -> bool:
        try:
            async with self.connection() as raw:
                await self._timebase.measure(raw, samples=SAMPLES)
        except errors.Unavailable:
            return False
        return True

    async def _keep_time(self) -> None:
        """Measure every 30 s and after each new connection, which may be to another machine."""
        measured = True
        while True:
            pause = MEASURE_EVERY_S if measured else MEASURE_AWAY_EVERY_S
            try:
                async with asyncio.timeout(pause):
                    await self._connected.wait()
                await asyncio.sleep(MEASURE_AWAY_EVERY_S)
            except TimeoutError:
                pass
            try:
                measured = await self._measure()
            except Exception:
                measured = False
                log.exception("database_clock_failed")
            self._connected.clear()


def _driver(fairy: PoolProxiedConnection) -> Connection:
    raw: Connection | None = fairy.driver_connection
    if raw is None:
        raise unavailable()
    return raw
