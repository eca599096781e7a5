"""The replicas that are there, and the events of their coming and going."""

from contextlib import AsyncExitStack
from typing import Any, Protocol

import pytest
from pydantic import SecretStr

from fleetkit.cache import Cache
from fleetkit.database import Database
from fleetkit.testing import calling, eventually
from gateway.app import create
from gateway.services.roll import Roll
from gateway.settings import Settings
from integration.gateway.conftest import ADMIN_KEY, INNER_KEY, Studio
from ledger.store import services
from ledger.store.attendance import attending


class Server(Protocol):
    url: str

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


async def present(studio: Studio, count: int) -> dict[str, Any]:
    answer = (await studio.client.get("/v1/services")).json()
    assert answer["degraded"] is False
    assert len(answer["services"]) == count, answer
    return {one["instance"]: one for one in answer["services"]}


async def told(studio: Studio, count: int = 0) -> list[tuple[str, str, str | None]]:
    rows = await studio.rows("SELECT * FROM events WHERE type LIKE 'service.%' ORDER BY id")
    assert len(rows) >= count
    return [(row["type"], row["data"]["instance"], row["data"].get("reason")) for row in rows]


async def test_they_are_listed_with_their_configuration(studio: Studio) -> None:
    found = await eventually(lambda: present(studio, 3))
    assert set(found) == {"gateway-1", "table-service-prd-1", "table-service-cit-1"}
    one = found["table-service-prd-1"]
    assert (one["service"], one["environment"]) == ("table-service-prd", "PRD")
    assert one["in_flight"] == 0
    assert one["version"]
    assert one["last_heartbeat"] >= one["started"]
    joined = await eventually(lambda: told(studio, 3))
    assert sorted(joined) == [("service.joined", name, None) for name in sorted(found)]
    assert (await studio.client.get("/readyz")).json()["in_flight"] == 0


async def test_a_key_limited_to_environments_sees_their_replicas(studio: Studio) -> None:
    async def known() -> bool:
        held = {name: set(one["config"]) for name, one in (await present(studio, 3)).items()}
        return held == {
            "gateway-1": {"PRD", "CIT"},
            "table-service-prd-1": {"PRD"},
            "table-service-cit-1": {"CIT"},
        }

    await eventually(known)
    limits = {"name": "cit", "role": "viewer", "environments": ["CIT"]}
    made = (await studio.client.post("/v1/keys", json=limits)).json()
    headers = {"authorization": f"Bearer {made['key']}"}
    answer = (await studio.client.get("/v1/services", headers=headers)).json()
    seen = {one["instance"]: set(one["config"]) for one in answer["services"]}
    assert seen == {"gateway-1": {"CIT"}, "table-service-cit-1": {"CIT"}}


async def test_each_coming_and_going_is_told_once(
    studio: Studio, redis_url: str, database_url_as: Any
) -> None:
    await eventually(lambda: told(studio, 3))
    async with (
        Database.open(database_url_as("pitboss_table_service"), name="test") as database,
        Cache.open(redis_url, prefix="test:") as cache,
    ):
        async with attending(database, cache, service="toy", instance="toy-1", facts=dict):
            await eventually(lambda: present(studio, 4))
            await eventually(lambda: told(studio, 4))
        await present(studio, 3)
        assert (await told(studio))[3:] == [
            ("service.joined", "toy-1", None),
            ("service.left", "toy-1", "stopped"),
        ]


async def test_one_that_was_killed_is_missed_by_one_gateway(
    studio: Studio, redis_url: str, database_url_as: Any
) -> None:
    url = database_url_as("pitboss_gateway")
    async with (
        Database.open(url, name="test") as database,
        Cache.open(redis_url, prefix="test:") as cache,
        AsyncExitStack() as stack,
    ):
        async with database.connection() as conn:
            for started in (1, 2):
                await services.enter(
                    conn,
                    instance="toy-1",
                    service="toy",
                    environment=None,
                    version="0",
                    url=None,
                    started_at=database.now().replace(microsecond=started),
                )
        await studio.conn.execute("UPDATE services SET joined_at = joined_at - interval '1 hour'")
        rolls = []
        for number in range(3):
            registry = attending(
                database, cache, service="gateway", instance=f"watch-{number}", facts=dict
            )
            standing = await stack.enter_async_context(registry)
            standing.ttl_s = 0.5
            rolls.append(Roll(database=database, registry=standing))

        async def lost() -> bool:
            for roll in rolls:
                await roll._look()
            return ("service.left", "toy-1", "lost") in await told(studio)

        await eventually(lost)
        for roll in rolls:
            await roll._look()
        toy = [each for each in await told(studio) if each[1] == "toy-1"]
        assert [(kind, reason) for kind, _, reason in toy] == [
            ("service.joined", None),
            ("service.left", "replaced"),
            ("service.joined", None),
            ("service.left", "lost"),
        ]


@pytest.mark.parametrize("path", ["/v1/services"])
async def test_without_redis_the_ledger_is_asked(
    spare_valkey: Server, database_url_as: Any, path: str
) -> None:
    settings = Settings.model_validate(
        {
            "database_url": SecretStr(database_url_as("pitboss_gateway")),
            "redis_url": SecretStr(spare_valkey.url),
            "inner_key": SecretStr(INNER_KEY),
            "admin_key": SecretStr(ADMIN_KEY),
            "instance": "gateway-7",
        }
    )
    async with calling(create(settings)) as client:
        client.headers["authorization"] = f"Bearer {ADMIN_KEY}"

        async def degraded(wanted: bool) -> list[str]:
            answer = (await client.get(path)).json()
            assert answer["degraded"] is wanted
            return [one["instance"] for one in answer["services"]]

        assert await eventually(lambda: degraded(wanted=False)) == ["gateway-7"]
        await spare_valkey.stop()
        try:
            # It is in the ledger a moment after it is in Redis.
            assert await eventually(lambda: degraded(wanted=True)) == ["gateway-7"]
        finally:
            await spare_valkey.start()
        assert await eventually(lambda: degraded(wanted=False)) == ["gateway-7"]
