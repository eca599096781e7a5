"""Word to all replicas at once over Redis: it hastens what each would find out by asking anyway."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Self

import orjson
from redis.exceptions import RedisError

from fleetkit import background, ids, logs
from fleetkit.redislink import connect

log = logs.get(__name__)

CHANNEL: Final = "pitboss:broadcast"
KEPT_S: Final = 60
CONNECT_S: Final = 1.0
PROBE_EVERY_S: Final = 5.0
FIRST_BACKOFF_S: Final = 0.1
LAST_BACKOFF_S: Final = 2.0
POLL_S: Final = 0.02

Body = Mapping[str, object]
Handler = Callable[[Body | None], Awaitable[None]]
"""Called with the body of a broadcast, or with None: some may have been missed, so look."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A broadcast, and how many were listening; none also where Redis is away."""

    id: str
    receivers: int


class Broadcast:
    """Sends to all replicas, itself among them, and hears what all send."""

    def __init__(self, client: Any, listener: Any, instance: str) -> None:
        self.listening = asyncio.Event()
        self._tried = asyncio.Event()
        self._client = client
        self._listener = listener
        self._instance = instance
        self._handlers: dict[str, list[Handler]] = {}
        self._late: list[tuple[str, Handler]] = []

    @classmethod
    @asynccontextmanager
    async def listen(cls, redis_url: str, instance: str) -> AsyncIterator[Self]:
        """Listen as long as the block lasts, over a connection that comes back by itself."""
        client = connect(redis_url, timeout_s=CONNECT_S, connect_s=CONNECT_S)
        listener = connect(redis_url, timeout_s=None, connect_s=CONNECT_S)
        bus = cls(client, listener, instance)
        try:
            async with background.running(bus._run()):
                yield bus
        finally:
            await client.aclose()
            await listener.aclose()

    async def begun(self) -> None:
        """Wait until it listens, unless Redis is away: whoever serves then misses no word."""
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * CONNECT_S):
                await self._tried.wait()
        late, self._late = self._late, []
        for kind, handler in late:
            await self._ask(kind, handler, None)

    def on(self, kind: str, handler: Handler) -> None:
        """Have the handler called for each broadcast of a kind, and with None after a gap."""
        self._handlers.setdefault(kind, []).append(handler)
        if self.listening.is_set():
            self._late.append((kind, handler))

    async def send(self, kind: str, body: Body) -> Sent:
        """Tell all; whoever can't be told now asks by itself soon, so this never fails."""
        sent = ids.new()
        message = orjson.dumps({"id": sent, "kind": kind, "body": dict(body)})
        try:
            async with asyncio.timeout(CONNECT_S):
                return Sent(sent, int(await self._client.publish(CHANNEL, message)))
        except (RedisError, OSError) as error:
            log.warning("broadcast_not_sent", kind=kind, reason=f"{type(error).__name__}: {error}")
            return Sent(sent, 0)

    async def acks(self, sent: Sent, *, within_s: float) -> int:
        """Wait until all that were listening are done with it, or time is up; give how many."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        count = 0
        while True:
            try:
                async with asyncio.timeout(CONNECT_S):
                    count = int(await self._client.scard(f"{CHANNEL}:{sent.id}"))
            except (RedisError, OSError):
                return count
            if count >= sent.receivers or loop.time() >= until:
                return count
            await asyncio.sleep(POLL_S)

    async def _run(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            pubsub = self._listener.pubsub()
            try:
                async with asyncio.timeout(2 * CONNECT_S):
                    await pubsub.subscribe(CHANNEL)
                    # The answer tells that from here on nothing is missed.
                    while not await pubsub.get_message(timeout=CONNECT_S):
                        pass
                backoff_s = FIRST_BACKOFF_S
                await self._hear(pubsub)
            except (RedisError, OSError) as error:
                if self.listening.is_set():
                    log.warning("broadcast_lost", reason=f"{type(error).__name__}: {error}")
            except Exception:
                log.exception("broadcast_failed")
            finally:
                self._tried.set()
                self.listening.clear()
                await _close(pubsub)
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)

    async def _hear(self, pubsub: Any) -> None:
        log.info("broadcast_connected", instance=self._instance)
        self.listening.set()
        for kind in list(self._handlers):
            await self._call(kind, None)
        self._tried.set()
        quiet = False
        while True:
            message = await pubsub.get_message(timeout=PROBE_EVERY_S)
            if message is None:
                if quiet:
                    raise ConnectionResetError("Redis does not answer")
                # A cut network says nothing: only asking finds out.
                await pubsub.ping()
                quiet = True
                continue
            quiet = False
            if message["type"] == "message":
                await self._take(message["data"])

    async def _take(self, data: bytes) -> None:
        try:
            told = orjson.loads(data)
            name, kind, body = str(told["id"]), str(told["kind"]), dict(told["body"])
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            log.warning("broadcast_unreadable")
            return
        if not await self._call(kind, body):
            return
        key = f"{CHANNEL}:{name}"
        try:
            async with asyncio.timeout(CONNECT_S), self._client.pipeline() as pipe:
                await pipe.sadd(key, self._instance).expire(key, KEPT_S).execute()
        except (RedisError, OSError) as error:
            log.info("broadcast_not_acknowledged", reason=f"{type(error).__name__}: {error}")

    async def _call(self, kind: str, body: Body | None) -> bool:
        """Call our own; a failure is logged, not acknowledged, and does not end the listening."""
        fine = True
        for handler in self._handlers.get(kind, []):
            fine = await self._ask(kind, handler, body) and fine
        return fine

    async def _ask(self, kind: str, handler: Handler, body: Body | None) -> bool:
        try:
            await handler(body)
        except Exception:
            log.exception("broadcast_handler_failed", kind=kind)
            return False
        return True


async def _close(pubsub: Any) -> None:
    try:
        await pubsub.aclose()
    except (RedisError, OSError) as error:
        log.debug("broadcast_closed_hard", reason=f"{type(error).__name__}: {error}")
