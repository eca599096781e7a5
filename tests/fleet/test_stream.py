"""Controllers at the stream while gateways are killed."""

import asyncio
from collections import Counter
from functools import partial
from typing import Any

import orjson
from redis.asyncio import Redis

from fleet.console import Console, new_key
from fleet.floor import Floor
from fleet.rig import Fleet
from fleet.tableapi import TableApi
from fleetkit.testing import eventually

TABLES = 20
ROUNDS = 25


async def test_a_thousand_commands_while_gateways_are_killed(
    fleet: Fleet, floor: Floor, tables: TableApi, console: Console
) -> None:
    """Each is executed once and answered once, in the order of its table."""
    names = [floor.take() for _ in range(TABLES)]
    scaled = await fleet.manage("scale", "gateway=2")
    assert scaled.code == 0, scaled
    redis = await fleet.one("redis")
    fields = {"actor_key": fleet.key}
    # What a killed gateway has in hand a courier sends, if it is not past its deadline.
    start = orjson.dumps({"environments": ["CIT"], "wait_ms": 1000, "deadline_ms": 60_000})
    cancel = orjson.dumps({"wait_ms": 1000})
    written = [
        {**fields, "table": name, "command": command, "body": body, "key": new_key()}
        for _ in range(ROUNDS)
        for name in names
        for command, body in (("start", start), ("cancel", cancel))
    ]
    url = f"redis://127.0.0.1:{redis.port}/0"
    client: Any
    async with Redis.from_url(url, decode_responses=True) as client:

        async def replies() -> list[dict[str, Any]]:
            return [told for _, told in await client.xrange("table_replies")]

        async def so_many(count: int) -> bool:
            return bool(await client.xlen("table_replies") >= count)

        before = await client.xlen("table_replies")
        writing = asyncio.create_task(_write(client, written))
        for share, gateway in enumerate(await fleet.pool("gateway"), start=1):
            await eventually(partial(so_many, before + 200 * share), within_s=120)
            gateway.kill()
        await writing
        await eventually(partial(so_many, before + len(written)), within_s=180)
        answers = {told["key"]: told for told in await replies()}
        counted = Counter(told["key"] for told in await replies())

        async def nothing_left() -> bool:
            return bool(await client.xlen("table_commands") == 0)

        # What the killed had accepted and not yet acknowledged the other takes over, and lets go.
        await eventually(nothing_left, within_s=180)
    keys = [str(entry["key"]) for entry in written]
    assert {counted[key] for key in keys} == {1}
    codes = Counter((answers[key]["command"], answers[key]["status"]) for key in keys)
    assert {answers[key]["status"] for key in keys} <= {"200", "201", "202"}, codes
    bodies = [orjson.loads(answers[key]["body"]) for key in keys]
    rounds = [body["round"] for body in bodies]
    # Each start opened a round of its own, and each cancel met the one started before it.
    assert rounds[::2] == rounds[1::2]
    assert len(set(rounds)) == TABLES * ROUNDS
    assert len({body["command"] for body in bodies}) == len(written)
    opened = Counter[str]()
    for one in rounds[::2]:
        told = await console.settled(one, within_s=60)
        assert told.state == "cancelled"
        opened[told.table] += told.leg("CIT").external_round_id is not None
    for name in names:
        began = tables.counts(name, "start")
        # What was not sent in time was cancelled before it was; nothing was sent twice.
        assert opened[name] <= began["CIT"] <= ROUNDS
        assert sum(began.values()) == began["CIT"]
    assert opened.total() > 0
    await fleet.whole()
    assert (await fleet.manage("scale", "gateway=1")).code == 0


async def _write(client: Any, written: list[dict[str, Any]]) -> None:
    for begin in range(0, len(written), 50):
        async with client.pipeline(transaction=False) as pipe:
            for entry in written[begin : begin + 50]:
                pipe.xadd("table_commands", entry)
            await pipe.execute()
        await asyncio.sleep(0)
