"""Configuration in force: pushed to each replica, refused where it is of no use, kept in Redis."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client import REGISTRY

from fleetkit.cache import Cache
from fleetkit.database import Database
from fleetkit.testing import eventually
from ledger.domain.config import Environment
from ledger.store import config
from ledger.store.documents import PREFIX, Documents
from ledger.store.standing import Standing

Studio = Any
CIT = "/v1/config/environments/CIT"


async def running(studio: Studio, environment: str = "CIT") -> dict[str, dict[str, Any]]:
    """Give what each replica runs of an environment."""
    status = (await studio.client.get("/v1/config/status")).json()
    assert status["registry"] == "reached"
    [one] = [each for each in status["environments"] if each["environment"] == environment]
    return {each["instance"]: each for each in one["replicas"]} | {"": one}


async def run(studio: Studio, version: int) -> bool:
    found = await running(studio)
    replicas = [one for name, one in found.items() if name]
    return len(replicas) == 2 and all(one["version"] == version for one in replicas)


async def put(studio: Studio, **fields: Any) -> int:
    document = (await studio.client.get(CIT)).json()["config"] | fields
    answer = await studio.client.put(CIT, json=document)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["version"])


async def test_a_change_is_pushed_to_every_replica(studio: Studio) -> None:
    await eventually(lambda: run(studio, 1), within_s=20)
    version = await put(studio, limits={"per_target": 2})
    # Sooner than a replica's next heartbeat or look at the database, each 5 s away: it is told.
    await eventually(lambda: run(studio, version), within_s=20)
    found = await running(studio)
    assert set(found) == {"", "gateway-1", "table-service-cit-1"}
    assert found[""]["in_force"] is True
    assert found["table-service-cit-1"]["service"] == "table-service-cit"


async def test_a_version_that_a_replica_cannot_use_is_refused_there(
    studio: Studio, tmp_path: Path
) -> None:
    secret = tmp_path / "signature"
    version = await put(studio, signature=f"file:{secret}")

    async def refused() -> Any:
        found = (await running(studio)).get("table-service-cit-1") or {}
        return found.get("refused")

    told = await eventually(refused, within_s=20)
    assert told["version"] == version
    assert str(secret) in told["reason"]
    found = await running(studio)
    assert (found["table-service-cit-1"]["version"], found[""]["in_force"]) == (1, False)
    # The last good one still works, as the address is the same.
    assert (await studio.start())["outcome"] == "complete"
    secret.write_text("a-signature")
    await eventually(lambda: run(studio, version), within_s=30)
    assert await refused() is None


async def test_the_last_good_one_is_never_used_for_another_address(studio: Studio) -> None:
    await put(studio, signature="env:NOT_THERE", base_url="http://127.0.0.1:1/nobody")

    async def refused() -> bool:
        return bool(((await running(studio)).get("table-service-cit-1") or {}).get("refused"))

    await eventually(refused, within_s=20)
    round_ = await studio.start()
    [leg] = [leg for leg in round_["legs"] if leg["environment"] == "CIT"]
    assert leg["last"]["code"] == "secret_missing"
    assert studio.effects("start", "CIT") == []


def count(name: str) -> float:
    return REGISTRY.get_sample_value(f"pitboss_config_cache_{name}_total") or 0.0


def environment(**fields: Any) -> Environment:
    return Environment.model_validate(
        {"environment": "CIT", "base_url": "https://table-api.cit.example", "tables": []} | fields
    )


async def write(database: Database, document: Environment) -> None:
    async with database.connection() as conn:
        await config.put(conn, document, author="a", reason=None, expected=None)


async def test_documents_are_read_from_redis_where_it_has_them(
    database_url: str, redis_url: str
) -> None:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(database_url, name="tests"))
        cache = await stack.enter_async_context(Cache.open(redis_url, prefix=PREFIX))
        documents = Documents(database, cache)
        assert await documents.get("CIT") is None
        await write(database, environment())
        hits, misses = count("hits"), count("misses")
        first = await documents.get("CIT")
        second = await documents.get("CIT", 1)
        assert (first, first and first.document) == (second, environment())
        assert (count("hits") - hits, count("misses") - misses) == (1, 1)
        await write(database, environment(primary=True))
        newest = await documents.get("CIT")
        assert newest is not None
        assert (newest.version, newest.document.primary) == (2, True)
        [key] = [key async for key in cache.client.scan_iter(f"{PREFIX}CIT/2/*")]
        await cache.client.set(key, b"junk")
        assert await documents.get("CIT") == newest


async def test_without_redis_documents_are_read_from_postgres(
    database_url: str, spare_valkey: Any
) -> None:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(database_url, name="tests"))
        cache = await stack.enter_async_context(Cache.open(spare_valkey.url, prefix=PREFIX))
        documents = Documents(database, cache)
        await write(database, environment())
        await spare_valkey.stop()
        try:
            found = await documents.get("CIT")
            assert found is not None
            assert found.document == environment()
        finally:
            await spare_valkey.start()


@pytest.mark.parametrize("fresh", [False, True])
async def test_a_stored_version_that_cannot_be_read_leaves_the_last_good_one_in_force(
    database_url: str, redis_url: str, *, fresh: bool
) -> None:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(database_url, name="tests"))
        cache = await stack.enter_async_context(Cache.open(redis_url, prefix=PREFIX))
        standing = Standing(Documents(database, cache))
        await write(database, environment())
        if not fresh:
            await standing.refresh()
        async with database.connection() as conn:
            await conn.execute(
                """INSERT INTO config_versions (environment, version, document, author)
                   VALUES ('CIT', 2, $1, 'somebody'), ('CIT', 3, $1, 'somebody')""",
                orjson.loads(b'{"environment": "CIT", "tables": 7}'),
            )
        await standing.refresh()
        facts = standing.facts()["CIT"]
        assert facts["version"] == 1
        refused: Any = facts["refused"]
        assert refused["version"] == 3
        assert "base_url" in refused["reason"]
        await write(database, environment(primary=True))
        await standing.refresh()
        assert standing.facts()["CIT"] == {"version": 4, "refused": None}
