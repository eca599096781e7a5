from typing import Protocol

from fleetkit.cache import AWAY_S, Cache
from fleetkit.testing import eventually, free_port


class Server(Protocol):
    url: str

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


async def test_what_was_set_is_got_until_deleted(redis_url: str) -> None:
    async with Cache.open(redis_url, prefix="test:") as cache:
        assert await cache.get("key") is None
        assert await cache.set("key", b"\x00value", ttl_s=10)
        assert await cache.get("key") == b"\x00value"
        assert await cache.client.get("test:key") == b"\x00value"
        assert await cache.delete("key")
        assert not await cache.delete("key")
        assert await cache.get("key") is None


async def test_a_value_is_gone_after_its_time(redis_url: str) -> None:
    async with Cache.open(redis_url, prefix="test:") as cache:

        async def is_gone() -> bool:
            return await cache.get("key") is None

        assert await cache.set("key", b"value", ttl_s=0.05)
        await eventually(is_gone)


async def test_only_the_first_sets_what_must_be_absent(redis_url: str) -> None:
    async with Cache.open(redis_url, prefix="test:") as cache:
        assert await cache.set("key", b"mine", ttl_s=10, only_if_absent=True)
        assert not await cache.set("key", b"yours", ttl_s=10, only_if_absent=True)
        assert await cache.get("key") == b"mine"


async def test_a_stopped_redis_degrades_and_comes_back(spare_valkey: Server) -> None:
    async with Cache.open(spare_valkey.url, prefix="test:") as cache:
        assert await cache.set("key", b"value", ttl_s=60)
        await spare_valkey.stop()
        try:
            assert await cache.get("key") is None
            assert not await cache.set("key", b"other", ttl_s=60)
            assert not await cache.delete("key")
            assert not await cache.ping()
        finally:
            await spare_valkey.start()
        assert cache.failures
        assert await eventually(lambda: cache.get("key"), within_s=AWAY_S + 5) == b"value"


async def test_an_absent_redis_is_asked_once_in_a_while_only() -> None:
    async with Cache.open(f"redis://127.0.0.1:{free_port()}/0", prefix="test:") as cache:
        for _ in range(1000):
            assert await cache.get("key") is None
        assert cache.away
        assert cache.failures < 10
        assert await cache.ping() is False
