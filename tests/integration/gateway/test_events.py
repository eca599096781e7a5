"""Events as they are followed: in one order, with no gap, over all that may go wrong between."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from redis.asyncio import Redis

from fleetkit.postgres import Connection
from fleetkit.testing import eventually
from integration.gateway.newsroom import Newsroom, numbers
from listening import Listening

STREAM = "table_events"


async def test_two_readers_of_two_gateways_are_told_the_same_in_the_same_order(
    newsroom: Newsroom,
) -> None:
    """With transactions that commit in another order than they wrote."""
    async with (
        newsroom.gateway("gateway-1") as one,
        newsroom.gateway("gateway-2") as two,
        Listening.open(one, types="config.changed") as first,
        Listening.open(two, types="config.changed") as second,
    ):
        held = await newsroom.connect()
        late = held.transaction()
        await late.start()
        await newsroom.write(5, conn=held, table="ARO-001", environment="PRD")
        await newsroom.write(5)
        await first.wait_for(5)
        assert numbers(first) == [6, 7, 8, 9, 10]
        await late.commit()
        await held.close()
        await first.wait_for(10)
        await second.wait_for(10)
        assert first.events == second.events
        assert numbers(first) == await newsroom.told() == [6, 7, 8, 9, 10, 1, 2, 3, 4, 5]
        event = first.events[-1]
        assert set(event) == {"id", "type", "at", "table", "environment", "round", "data"}
        assert (event["table"], event["environment"], event["round"]) == ("ARO-001", "PRD", None)
        assert first.answer.headers["content-type"].startswith("text/event-stream")
        assert first.answer.headers["x-accel-buffering"] == "no"
        async with Listening.open(one, last=0, types="config.changed") as third:
            await third.wait_for(10)
            assert third.events == first.events
        async with Listening.open(one, last_event_id=str(first.events[6]["id"])) as fourth:
            await fourth.wait_for(3)
            assert numbers(fourth)[:3] == [3, 4, 5]


async def test_a_reader_that_comes_back_again_and_again_misses_nothing(newsroom: Newsroom) -> None:
    """While writers go on, gateways come and go and transactions commit late."""
    writing = True

    async def write(conn: Connection, pause_s: float) -> None:
        while writing:
            async with conn.transaction():
                await newsroom.write(2, conn=conn)
                await asyncio.sleep(pause_s)

    async with newsroom.gateway("gateway-2") as standing:
        conns = [await newsroom.connect() for _ in range(3)]
        tasks = [asyncio.create_task(write(conn, 0.02 * n)) for n, conn in enumerate(conns)]
        got: list[int] = []
        last = 0
        for turn in range(4):
            async with AsyncExitStack() as stack:
                passing = newsroom.gateway("gateway-1")
                client = await stack.enter_async_context(passing) if turn % 2 else standing
                reading = Listening.open(client, last=last, types="config.changed")
                listening = await stack.enter_async_context(reading)
                await listening.wait_for(15)
                if turn == 3:
                    writing = False
                    await asyncio.gather(*tasks)
                    expected = await newsroom.all_told()
                    await listening.wait_for(len(expected) - len(got))
                got += numbers(listening)
                last = listening.last or last
        for conn in conns:
            await conn.close()
    assert got == expected


async def test_another_gateway_relays_when_the_one_that_did_is_gone(newsroom: Newsroom) -> None:
    # Held by one that was killed: nobody gives its lease back.
    await newsroom.conn.execute(
        "UPDATE feed_relay SET holder = 'gateway-9', until = now() + interval '2 seconds'"
    )
    async with newsroom.gateway("gateway-2") as other, AsyncExitStack() as stack:
        first = await stack.enter_async_context(newsroom.gateway("gateway-1"))
        async with Listening.open(other, types="config.changed") as listening:
            await newsroom.write(3)
            await listening.wait_for(3)
            holder = await newsroom.conn.fetchval("SELECT holder FROM feed_relay")
            assert holder in {"gateway-1", "gateway-2"}
            assert (await first.get("/readyz")).is_success
            await stack.aclose()
            await newsroom.write(3)
            await listening.wait_for(6)
            assert numbers(listening) == [1, 2, 3, 4, 5, 6]


async def _stream(redis: Any) -> dict[int, str]:
    return {
        int(entry.partition("-")[0]): fields["data"] for entry, fields in await redis.xrange(STREAM)
    }


async def test_the_stream_has_what_the_feed_has_after_a_flush_and_a_foreign_entry(
    newsroom: Newsroom,
) -> None:
    redis: Any = Redis.from_url(newsroom.redis_url, decode_responses=True)
    async with redis, newsroom.gateway():

        async def level() -> bool:
            rows = await newsroom.conn.fetch("SELECT seq FROM feed ORDER BY seq")
            stands = await _stream(redis)
            return bool(rows) and list(stands) == [row[0] for row in rows]

        await newsroom.write(5)
        await newsroom.all_told()
        await eventually(level)
        await redis.flushall()
        await eventually(level)
        await newsroom.write(5)
        await newsroom.all_told()
        await eventually(level)
        # Cut short, as when Redis comes back with what it had on disk a while ago.
        stands = await redis.xrange(STREAM)
        await redis.delete(STREAM)
        await redis.xadd(STREAM, stands[0][1], id=stands[0][0])
        await eventually(level)
        # From another ledger, or by somebody's hand.
        await redis.xadd(STREAM, {"data": "{}"})
        await eventually(level)
        entries = await redis.xrange(STREAM)
        assert set(entries[-1][1]) == {"type", "at", "table", "environment", "round", "data"}


async def test_without_redis_events_are_told_all_the_same(
    newsroom: Newsroom, spare_valkey: Any
) -> None:
    redis: Any = Redis.from_url(spare_valkey.url, decode_responses=True)
    async with newsroom.gateway(redis_url=spare_valkey.url) as client, redis:
        await redis.delete(STREAM)
        await newsroom.write(1)
        await eventually(lambda: _stream(redis))
        async with Listening.open(client, types="config.changed") as listening:
            await spare_valkey.stop()
            try:
                await newsroom.write(3)
                await listening.wait_for(3)
            finally:
                await spare_valkey.start()
            told = await newsroom.conn.fetchval("SELECT max(seq) FROM feed")

            async def caught_up() -> bool:
                return bool(max(await _stream(redis)) >= told)

            await eventually(caught_up, within_s=20)
