"""How replicas share the sessions of their targets, through Redis and without it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from fleetkit.cache import Cache
from fleetkit.testing import free_port
from table_service.adapters.seals import Seal
from table_service.adapters.sessions import Sessions

KEY = "inner-key-of-the-tests"


class Doorman:
    """Gives sessions at a table, one after the other."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.go = asyncio.Event()
        self.go.set()

    async def open(self) -> str:
        await self.go.wait()
        self.opened.append(f"planted-token-{len(self.opened) + 1}")
        return self.opened[-1]


class Late(Cache):
    """Lets something happen between the first look at Redis and what follows."""

    between: asyncio.Event | None = None
    looked: asyncio.Event | None = None

    async def get(self, key: str) -> bytes | None:
        found = await super().get(key)
        if self.between is not None and self.looked is not None:
            between, self.between = self.between, None
            self.looked.set()
            await between.wait()
        return found


@pytest.fixture
async def caches(redis_url: str) -> AsyncIterator[list[Late]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(Late.open(redis_url, prefix="pitboss:session:"))
            for _ in range(3)
        ]


@pytest.fixture
def replicas(caches: list[Late]) -> list[Sessions]:
    return [Sessions(cache, "CIT", Seal(KEY)) for cache in caches]


async def test_many_at_once_on_all_replicas_open_one(replicas: list[Sessions]) -> None:
    doorman = Doorman()
    doorman.go.clear()
    asking = [
        asyncio.create_task(each.get("A", doorman.open, within_s=30))
        for each in replicas
        for _ in range(5)
    ]
    await asyncio.sleep(0)
    doorman.go.set()
    assert set(await asyncio.gather(*asking)) == {"planted-token-1"}
    assert len(doorman.opened) == 1


async def test_a_refused_one_is_renewed_once_for_all(replicas: list[Sessions]) -> None:
    doorman = Doorman()
    for each in replicas:
        assert await each.get("A", doorman.open, within_s=30) == "planted-token-1"
    asking = [
        each.get("A", doorman.open, within_s=30, refused="planted-token-1")
        for each in replicas
        for _ in range(5)
    ]
    assert set(await asyncio.gather(*asking)) == {"planted-token-2"}
    assert len(doorman.opened) == 2


async def test_what_was_opened_since_the_first_look_is_taken(
    replicas: list[Sessions], caches: list[Late]
) -> None:
    doorman = Doorman()
    caches[1].between, caches[1].looked = asyncio.Event(), asyncio.Event()
    go_on, looked = caches[1].between, caches[1].looked
    slow = asyncio.create_task(replicas[1].get("A", doorman.open, within_s=30))
    await looked.wait()
    assert await replicas[0].get("A", doorman.open, within_s=30) == "planted-token-1"
    go_on.set()
    assert await slow == "planted-token-1"
    assert len(doorman.opened) == 1


async def test_one_that_is_not_given_leaves_the_way_free(replicas: list[Sessions]) -> None:
    doorman = Doorman()

    async def fail() -> str:
        raise LookupError

    for each in replicas:
        with pytest.raises(LookupError):
            await each.get("A", fail, within_s=30)
    assert await replicas[0].get("A", doorman.open, within_s=30) == "planted-token-1"


async def test_nobody_waits_for_a_replica_that_died_with_the_lock(
    replicas: list[Sessions], caches: list[Late]
) -> None:
    doorman = Doorman()
    await caches[0].set("CIT/A/lock", b"1", ttl_s=600, only_if_absent=True)
    assert await replicas[1].get("A", doorman.open, within_s=0.2) == "planted-token-1"
    assert await replicas[2].get("A", doorman.open, within_s=30) == "planted-token-1"


async def test_redis_holds_no_token_that_can_be_read(
    replicas: list[Sessions], caches: list[Late]
) -> None:
    doorman = Doorman()
    for code in ("A", "B"):
        await replicas[0].get(code, doorman.open, within_s=30)
    client: Any = caches[0].client
    kept = {key: await client.get(key) async for key in client.scan_iter("*")}
    assert set(kept) == {b"pitboss:session:CIT/A", b"pitboss:session:CIT/B"}
    assert not [value for value in kept.values() if b"planted" in value]
    await client.set("pitboss:session:CIT/A", kept[b"pitboss:session:CIT/B"])
    assert await replicas[1].get("A", doorman.open, within_s=30) == "planted-token-3"
    stranger = Sessions(caches[2], "CIT", Seal("another-inner-key"))
    assert await stranger.get("B", doorman.open, within_s=30) == "planted-token-4"


async def test_without_redis_each_opens_its_own_and_only_once() -> None:
    doorman = Doorman()
    async with Cache.open(f"redis://127.0.0.1:{free_port()}/0", prefix="x:") as gone:
        replicas = [Sessions(gone, "CIT", Seal(KEY)) for _ in range(2)]
        asking = [each.get("A", doorman.open, within_s=30) for each in replicas for _ in range(5)]
        given = await asyncio.gather(*asking)
    assert len(doorman.opened) == len(replicas)
    assert set(given) == set(doorman.opened)
