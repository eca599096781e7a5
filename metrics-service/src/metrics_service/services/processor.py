"""The processor of one shard: consumes, counts, stores, and only then acknowledges.

Whatever is in doubt is forgotten: the unacknowledged events are delivered again, and what has been
counted is read anew with the shard.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from fleetkit import background, errors, ids, logs
from fleetkit.bus import Batch, Bus, Entry, Queue
from fleetkit.telemetry import stamp
from metrics_service.adapters.spool import Spool
from metrics_service.adapters.store import OvertakenError, Store
from metrics_service.domain import events
from metrics_service.domain.failures import InvalidMetricEventError
from metrics_service.domain.windows import MetricsAggregator
from metrics_service.services import meters
from metrics_service.services.holding import Held
from metrics_service.services.showing import Display

log = logs.get(__name__)

GROUP: Final = "metrics-service"
BATCH: Final = 500
IN_FLIGHT: Final = 20_000
ROWS: Final = 100
EVENTS: Final = 5_000
LOOK_S: Final = 0.2
EARLIEST_S: Final = 1.0
RETRIES: Final = 3
FIRST_BACKOFF_S: Final = 0.2
TAKE_AGAIN_S: Final = 1.0
TAKEOVER_S: Final = 8.0
LAST_S: Final = 4.0
DEAD_BODY: Final = 4096


class MetricsProcessor:
    """Consumes one queue for as long as it runs."""

    def __init__(
        self,
        *,
        bus: Bus,
        queue: Queue,
        shard: int,
        store: Store,
        display: Display,
        spool: Spool | None,
        name: str,
        now: Callable[[], float],
        window_s: int,
        interval_s: int,
    ) -> None:
        self._bus = bus
        self._queue = queue
        self._shard = str(shard)
        self._store = store
        self._display = display
        self._spool = spool
        self._name = name
        self._now = now
        self._window_s = window_s
        self._interval_s = interval_s
        self._held: Held | None = None
        self._storing = asyncio.Lock()
        self._store_from = 0.0

    @property
    def owns(self) -> bool:
        return self._held is not None

    async def run(self) -> None:
        """Consume until cancelled; then store and acknowledge what is held."""
        while True:
            await self.recover()
            tasks = [asyncio.create_task(self._consume()), asyncio.create_task(self._tick())]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            except OvertakenError as error:
                log.warning("shard_overtaken", queue=self._queue.name, reason=str(error))
            except Exception:
                log.exception("metrics_processing_failed", queue=self._queue.name)
            finally:
                try:
                    await background.end(*tasks, again_s=LAST_S)
                finally:
                    self._let_go()
            await asyncio.sleep(FIRST_BACKOFF_S)

    def _let_go(self) -> None:
        if self._held is not None and self._held.spooled and self._spool is not None:
            self._spool.close()  # to be taken in as if another had left it
        self._held = None
        meters.OWNED.labels(self._shard).set(0)

    async def _consume(self) -> None:
        async with self._bus.consume(
            self._queue,
            group=GROUP,
            consumer=self._name,
            batch=BATCH,
            in_flight=IN_FLIGHT,
            takeover_s=TAKEOVER_S,
        ) as batches:
            try:
                async for batch in batches:
                    if self._held is None:
                        self._held = await self._take()
                    await self._absorb(self._held, batch)
            except asyncio.CancelledError:
                # A clean stop: what is counted is stored, if Postgres is there.
                with suppress(errors.Unavailable, OvertakenError, TimeoutError):
                    async with asyncio.timeout(LAST_S):
                        await self._flush()
                raise

    async def _take(self) -> Held:
        """Take the shard with what is known of it; without Postgres nothing can be."""
        while True:
            try:
                now = self._now()
                aggregator = MetricsAggregator(
                    window_s=self._window_s, bucket_s=self._interval_s, now=now
                )
                taken = await self._store.take(aggregator.known_since)
            except errors.Unavailable as error:
                log.warning("shard_not_taken", queue=self._queue.name, reason=error.detail)
                await asyncio.sleep(TAKE_AGAIN_S)
                continue
            held = Held(taken.epoch, aggregator)
            aggregator.restore(taken.stored)
            for digest in taken.counted:
                held.counted.add(digest)
            self._display.begin()
            log.info("shard_taken", queue=self._queue.name, epoch=taken.epoch)
            meters.OWNED.labels(self._shard).set(1)
            return held

    async def _absorb(self, held: Held, batch: Batch) -> None:
        now = self._now()
        taken: list[Entry] = []
        counted, latest = 0, 0.0
        for entry in batch.entries:
            try:
                event = events.read(entry.fields, now=now)
            except InvalidMetricEventError as error:
                await self._bury(batch, entry, str(error))
                continue
            known_by = event.id or entry.id
            name = known_by.encode() if known_by else entry.body
            digest = hashlib.blake2b(name, digest_size=8).digest()
            # Kept without what it said: only its place on the bus is needed to acknowledge it.
            taken.append(Entry(entry.id, {}, None, entry.tag))
            # Without a name, two that say the same are two, unless one was delivered before.
            if digest in held.counted and (known_by or entry.again):
                continue
            held.counted.add(digest)
            place = held.aggregator.add(event, now=now)
            held.pending.append((digest, place, event.ms, event.failed))
            counted += 1
            latest = max(latest, event.at)
        held.delivered.append((batch, taken))
        held.waiting += len(taken)
        meters.PROCESSED.labels("counted").inc(counted)
        meters.PROCESSED.labels("repeated").inc(len(taken) - counted)
        meters.PENDING.labels(self._shard).set(len(held.pending))
        if counted:
            meters.LAG.labels(self._shard).set(max(0.0, now - latest))
        if held.waiting >= EVENTS and time.monotonic() >= self._store_from:
            with suppress(errors.Unavailable):
                await self._flush()

    async def _bury(self, batch: Batch, entry: Entry, reason: str) -> None:
        fields: dict[str, str | bytes] = {
            name[:100]: value[:DEAD_BODY] for name, value in list(entry.fields.items())[:20]
        }
        fields["event_bytes"] = str(sum(map(len, entry.fields.values())))
        fields["died_at"] = stamp(self._now())
        await batch.dead(entry, reason, fields)
        meters.PROCESSED.labels("invalid").inc()
        log.info("metric_event_refused", entry=entry.id, reason=reason)

    async def _tick(self) -> None:
        """Store every interval, or sooner when many rows have changed, and show the present."""
        due = soonest = time.monotonic() + self._interval_s
        while True:
            await asyncio.sleep(LOOK_S)
            held = self._held
            if held is None:
                continue
            many = held.aggregator.dirty >= ROWS and time.monotonic() >= soonest
            if time.monotonic() < due and not many:
                continue
            due = time.monotonic() + self._interval_s
            soonest = time.monotonic() + EARLIEST_S
            for attempt in range(RETRIES):
                try:
                    await self._flush()
                    break
                except errors.Unavailable as error:
                    log.warning("metrics_not_stored", error_type="DatabaseConnectionError",
                                reason=error.detail, retry_count=attempt)  # fmt: skip
                    await self._display.show(held.aggregator)
                    await asyncio.sleep(FIRST_BACKOFF_S * 2**attempt)
            await self._display.show(held.aggregator)
            async with self._storing:
                held.aggregator.forget(self._now())

    async def _flush(self) -> None:
        async with self._storing:
            held = self._held
            if held is None:
                return
            began = time.perf_counter()
            try:
                await self._store_held(held)
            except errors.Unavailable:
                meters.FLUSH_FAILURES.inc()
                self._store_from = time.monotonic() + TAKE_AGAIN_S
                await self._keep(held)
                raise
            meters.FLUSH.observe(time.perf_counter() - began)
            meters.PENDING.labels(self._shard).set(len(held.pending))

    async def _store_held(self, held: Held) -> None:
        """Store what is counted, with which events it is, and only then acknowledge them."""
        while missing := held.aggregator.missing():
            found = await self._store.read(missing)
            held.aggregator.restore(found)
            held.aggregator.found(missing)
        # From here to the storing nothing else runs: rows and events are of one moment.
        buckets = held.aggregator.take_dirty()
        pending, held.pending = held.pending, []
        delivered, held.delivered = held.delivered, []
        spooled = dict(held.spooled)
        counted = dict(spooled)
        if pending:
            counted[ids.new()] = [one[0] for one in pending]
        try:
            await self._store.commit(held.epoch, buckets, counted)
        except BaseException:
            held.aggregator.not_stored(buckets)
            held.pending = pending + held.pending
            held.delivered = delivered + held.delivered
            raise
        for flush in spooled:
            del held.spooled[flush]
        if spooled and self._spool is not None:
            self._spool.clear()
            log.info("spool_stored", storings=len(spooled))
        await self._acknowledge(held, delivered)

    async def _keep(self, held: Held) -> None:
        """Put what is pending on disk, where there is one, so that the bus need not keep it."""
        if self._spool is None or self._spool.full or not held.pending:
            return
        pending, held.pending = held.pending, []
        delivered, held.delivered = held.delivered, []
        flush = ids.new()
        try:
            await asyncio.to_thread(self._spool.append, flush, pending)
        except (OSError, asyncio.CancelledError) as error:
            # Also where it was written after all: what is named there and in Postgres is one.
            held.pending = pending + held.pending
            held.delivered = delivered + held.delivered
            if isinstance(error, asyncio.CancelledError):
                raise
            log.warning("spool_not_written", reason=str(error))
            return
        held.spooled[flush] = [one[0] for one in pending]
        await self._acknowledge(held, delivered)

    @staticmethod
    async def _acknowledge(held: Held, delivered: Sequence[tuple[Batch, list[Entry]]]) -> None:
        for batch, entries in delivered:
            held.waiting -= len(entries)
            await batch.ack(entries)

    async def recover(self) -> None:
        """Take in what a dead process had put on disk."""
        while self._spool is not None:
            try:
                with self._spool.left_over() as records:
                    for flush, counted in records:
                        number = await self._store.recover(flush, counted)
                        log.info("spool_recovered", events=number, of=len(counted))
            except errors.Unavailable:
                await asyncio.sleep(TAKE_AGAIN_S)
            else:
                return
