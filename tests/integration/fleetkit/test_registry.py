import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Protocol

from fleetkit import errors
from fleetkit.cache import Cache
from fleetkit.registry import PREFIX, Registry, Replica
from fleetkit.testing import eventually

FACTS: dict[str, Any] = {"config": {"PRD": {"version": 3, "refused": None}}, "in_flight": 2}


class Server(Protocol):
    url: str

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


def entry(cache: Cache, name: str, **options: Any) -> AbstractAsyncContextManager[Registry]:
    given = {"service": "gateway", "environment": None, "facts": lambda: FACTS, **options}
    return Registry.open(cache, instance=name, **given)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Cache]:
    async with Cache.open(url, prefix="test:") as cache:
        yield cache


async def names(registry: Registry) -> list[str]:
    return [one.instance for one in await registry.services()]


async def test_a_replica_tells_of_itself_and_is_gone_at_once(redis_url: str) -> None:
    async with opened(redis_url) as cache, entry(cache, "one") as one:
        async with entry(cache, "two", service="table-service-prd", environment="PRD"):
            found = await eventually(lambda: both(one))
            assert [each.instance for each in found] == ["one", "two"]
            told = found[1]
            assert (told.service, told.environment) == ("table-service-prd", "PRD")
            assert (told.in_flight, told.config) == (2, FACTS["config"])
            assert told.heartbeat is not None
            assert told.heartbeat >= told.started
        assert await names(one) == ["one"]


async def both(registry: Registry) -> list[Replica]:
    found = await registry.services()
    assert len(found) == 2
    return found


async def test_one_that_says_nothing_is_gone_after_its_time(redis_url: str) -> None:
    async with opened(redis_url) as cache, entry(cache, "one", ttl_s=0.6) as one:
        await cache.client.set(f"{PREFIX}two", b'{"instance": "two"}', px=300)

        async def is_missing() -> bool:
            return await one.missing(["one", "two"]) == {"two"}

        await eventually(is_missing)


async def test_an_emptied_redis_makes_nobody_missing(redis_url: str) -> None:
    entered: list[str] = []

    async def enter(me: Replica) -> None:
        entered.append(me.instance)

    async with (
        opened(redis_url) as cache,
        entry(cache, "one", ttl_s=3) as one,
        entry(cache, "two", ttl_s=3, on_entry=enter),
    ):
        await eventually(lambda: both(one))
        await eventually(lambda: entered == ["two"])
        await eventually(lambda: trusting(one))
        await cache.client.flushall()
        assert await one.missing(["two"]) == set()
        await eventually(lambda: both(one))
        await eventually(lambda: entered == ["two", "two"])


async def trusting(registry: Registry) -> bool:
    return await registry.missing(["nobody"]) == {"nobody"}


async def test_the_name_of_a_killed_one_is_taken_over(redis_url: str) -> None:
    async with opened(redis_url) as cache, entry(cache, "watch") as watch:
        first = asyncio.create_task(stay(cache, "one"))
        await eventually(lambda: both(watch))
        async with entry(cache, "one") as second:
            await eventually(lambda: started(watch, second))
            first.cancel()
            await asyncio.wait({first})
            assert len(await both(watch)) == 2
        assert await names(watch) == ["watch"]


async def stay(cache: Cache, name: str) -> None:
    with suppress(asyncio.CancelledError):
        async with entry(cache, name):
            await asyncio.Event().wait()


async def started(watch: Registry, replica: Registry) -> bool:
    found = {one.instance: one.started for one in await watch.services()}
    return abs((found["one"] - replica.me.started).total_seconds()) < 0.001


async def test_a_stopped_redis_is_said_so_and_entries_come_back(spare_valkey: Server) -> None:
    async with opened(spare_valkey.url) as cache, entry(cache, "one", ttl_s=3) as one:
        await eventually(lambda: names(one))
        await spare_valkey.stop()
        try:
            refused = None
            try:
                await one.services()
            except errors.Unavailable as error:
                refused = error.code
            assert refused == "registry_unavailable"
        finally:
            await spare_valkey.start()
        assert await eventually(lambda: names(one)) == ["one"]


async def test_whoever_is_told_is_told_again_until_it_could_listen(redis_url: str) -> None:
    asked = 0

    async def enter(_: Replica) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise errors.Unavailable("Not now.")

    async with opened(redis_url) as cache, entry(cache, "one", ttl_s=60, on_entry=enter):
        await eventually(lambda: asked == 2)
