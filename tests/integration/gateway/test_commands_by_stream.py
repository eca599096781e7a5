"""Commands that come in by the bus: as REST takes them, executed once, answered once."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aio_pika
import orjson
import pytest
from redis.asyncio import Redis

from fleetkit import background
from fleetkit.bus import open_bus
from fleetkit.database import Database
from fleetkit.testing import calling, eventually
from gateway.app import create
from gateway.services.stream_replies import Replies
from integration.fleetkit.buses import drained
from integration.gateway.controllers import COMMANDS, KEY, TABLE, Controller

Studio = Any
ON_BOTH = pytest.mark.parametrize("bus_name", ["redis", "rabbitmq"])


@pytest.fixture
def bus_name() -> str:
    return "redis"


@pytest.fixture
def bus_url(bus_name: str, redis_url: str, request: pytest.FixtureRequest) -> str:
    if bus_name == "redis":
        return redis_url
    url: str = request.getfixturevalue("rabbit_server").url
    return url


@pytest.fixture
async def controller(studio: Studio, bus_url: str) -> AsyncIterator[Controller]:  # noqa: ARG001  # the gateway reads what is written
    async with open_bus(bus_url) as bus:
        yield Controller(bus)


@ON_BOTH
async def test_a_round_is_played_by_the_stream(studio: Studio, controller: Controller) -> None:
    entries = [
        controller.entry("start", {"wait_ms": 5000}),
        controller.entry("bet-stop", {"wait_ms": 5000}),
        controller.entry("result", {"roulette": "17", "wait_ms": 5000}),
        controller.entry("finish", {"wait_ms": 5000}),
    ]
    ids = await controller.write(*entries)
    replies = await controller.replies(*(entry["key"] for entry in entries))
    assert [reply["status"] for reply in replies] == [201, 200, 200, 200]
    assert [reply["entry"] for reply in replies] == ids
    assert [reply["command"] for reply in replies] == ["start", "bet-stop", "result", "finish"]
    assert {reply["body"]["round"] for reply in replies} == {replies[0]["body"]["round"]}
    shown = await studio.client.get(f"/v1/rounds/{replies[0]['body']['round']}")
    assert replies[-1]["body"] == shown.json()
    assert shown.json()["state"] == "finished"
    for operation in ("start", "bet-stop", "deal", "finish"):
        assert len(studio.effects(operation)) == 1
    await drained(controller.bus, COMMANDS)


@ON_BOTH
async def test_garbage_is_laid_aside_with_its_reason_and_blocks_nothing(
    studio: Studio, controller: Controller, bus_name: str
) -> None:
    # A message of RabbitMQ has a body always, if only an empty one.
    needed = ["command", "table", "key", "actor_key", *(["body"] if bus_name == "redis" else [])]
    good = controller.entry("start", {"wait_ms": 5000})
    mark = str(good["key"])
    lacking = [{name: value for name, value in good.items() if name != lacks} for lacks in needed]
    wrong: list[dict[str, str | bytes]] = [
        {**good, "command": "explode"},
        {**good, "body": "{"},
        {**good, "body": "[1]"},
        {**good, "body": b"\xff\xfe"},
        {**good, "table": b"\xff"},
        {**good, "table": "a\0b"},
        {**good, "table": "x" * 300},
        {**good, "key": "naïve"},
    ]
    await controller.write(*lacking, *wrong, good)
    [reply] = await controller.replies(mark)
    assert reply["status"] == 201
    letters = [
        one
        for one in await controller.dead()
        if one.get("key", b"").decode() == mark or one["reason"] == b"It lacks the field key."
    ]
    reasons = [one["reason"].decode() for one in letters]
    for name in needed:
        assert f"It lacks the field {name}." in reasons
    assert sum("command is none of" in reason for reason in reasons) == 1
    assert sum("not JSON" in reason for reason in reasons) == 2
    assert sum("no JSON object" in reason for reason in reasons) == 1
    assert sum("table is" in reason for reason in reasons) == 3
    assert not [one for one in letters if "actor_key" in one or KEY.encode() in one.values()]
    assert len(studio.effects("start")) == 1


async def test_the_same_key_again_is_executed_once_and_answered_alike(
    studio: Studio, controller: Controller
) -> None:
    entry = controller.entry("start", {"wait_ms": 5000})
    await controller.write(entry, entry)

    async def twice() -> list[dict[str, Any]] | None:
        found = await controller.all()
        return found if len(found) == 2 else None

    first, second = await eventually(twice, within_s=30) or []
    assert (first["status"], first["body"]) == (second["status"], second["body"])
    assert first["entry"] != second["entry"]
    by_rest = await studio.ask("rounds", {"wait_ms": 5000}, key=str(entry["key"]))
    assert by_rest.json() == first["body"]
    assert len(studio.effects("start")) == 1


async def test_what_rest_refuses_the_stream_refuses_alike(
    studio: Studio, controller: Controller
) -> None:
    for table, command, path, body in (
        (TABLE, "start", f"tables/{TABLE}/rounds", {"wait_ms": -1}),
        (TABLE, "start", f"tables/{TABLE}/rounds", {"environments": ["NOWHERE"]}),
        ("NO-SUCH", "start", "tables/NO-SUCH/rounds", {}),
        ("a b/c", "start", "tables/a%20b%2Fc/rounds", {}),
        (TABLE, "pause", f"tables/{TABLE}/pause", {"because": "typo"}),
    ):
        by_stream = await controller.ask(command, body, table=table)
        by_rest = await studio.post(f"/v1/{path}", body)
        assert by_stream["status"] == by_rest.status_code
        told = {**by_rest.json(), "trace_id": by_stream["body"]["trace_id"]}
        assert by_stream["body"] == told
    unknown = await controller.ask("finish", round="01JD0000000000000000000000")
    assert (unknown["status"], unknown["body"]["code"]) == (404, "unknown_round")
    assert not studio.effects("start")


async def test_a_key_does_by_the_stream_what_it_may_and_no_more(
    studio: Studio, controller: Controller
) -> None:
    keys = {}
    for name, role, tables in (
        ("viewer", "viewer", None),
        ("elsewhere", "dealer", ["OTHER-1"]),
        ("dealer", "dealer", [TABLE]),
        ("gone", "dealer", None),
    ):
        body = {"name": name, "role": role, **({"tables": tables} if tables else {})}
        made = await studio.post("/v1/keys", body)
        assert made.status_code == 201, made.text
        keys[name] = made.json()
    revoked = await studio.client.delete(f"/v1/keys/{keys['gone']['id']}")
    assert revoked.is_success, revoked.text
    for secret, status, code in (
        ("never-made", 401, "wrong_key"),
        (keys["gone"]["key"], 401, "wrong_key"),
        (keys["viewer"]["key"], 403, "role_too_low"),
        (keys["elsewhere"]["key"], 403, "table_not_allowed"),
    ):
        reply = await controller.ask("start", actor_key=secret)
        assert (reply["status"], reply["body"]["code"]) == (status, code)
    assert not studio.effects("start")
    reply = await controller.ask("start", {"wait_ms": 5000}, actor_key=keys["dealer"]["key"])
    assert reply["status"] == 201
    rows = await studio.rows("SELECT s::text AS line FROM stream_commands s")
    shown = [
        secret for secret in (KEY, keys["dealer"]["key"]) for row in rows if secret in row["line"]
    ]
    assert not shown


async def test_a_command_without_a_round_means_that_of_the_last_start(
    studio: Studio, controller: Controller
) -> None:
    """And none at all if that start was refused: it would be the result of another round."""
    first = await controller.ask("start", {"wait_ms": 5000})
    refused = controller.entry("start")
    meant_for_it = controller.entry("result", {"roulette": "5"})
    named = controller.entry(
        "result", {"roulette": "7", "wait_ms": 5000}, round=first["body"]["round"]
    )
    await controller.write(refused, meant_for_it, named)
    replies = await controller.replies(refused["key"], meant_for_it["key"], named["key"])
    assert [(one["status"], one["body"].get("code")) for one in replies] == [
        (409, "round_open"),
        (409, "no_round"),
        (200, None),
    ]
    assert replies[2]["body"]["result"] == {"roulette": "7"}
    elsewhere = await controller.ask("finish", table="OTHER-1", round=first["body"]["round"])
    assert (elsewhere["status"], elsewhere["body"]["code"]) == (409, "round_of_other_table")
    assert studio.effects("finish") == []


async def test_a_start_that_lay_for_too_long_is_not_made_up_for(
    studio: Studio, controller: Controller, redis_url: str
) -> None:
    entry: dict[Any, Any] = controller.entry("start")
    before = int((time.time() - 90) * 1000)
    async with Redis.from_url(redis_url) as client:
        await client.xadd("table_commands", entry, id=f"{before}-0")
    [reply] = await controller.replies(entry["key"])
    assert (reply["status"], reply["body"]["code"]) == (409, "command_too_old")
    assert not studio.effects("start")


async def test_what_a_killed_gateway_had_in_hand_is_executed_and_answered_once(
    studio: Studio, controller: Controller
) -> None:
    entry = controller.entry("start", {"wait_ms": 5000})
    await controller.write(entry)
    [first] = await controller.replies(entry["key"])
    # As it stands when the gateway dies: written and not answered, then answered and not replied.
    await studio.conn.execute(
        """WITH key AS (UPDATE idempotency SET status = NULL, answer = NULL,
                               running_until = now() - interval '1 s' WHERE key = $1)
           UPDATE stream_commands SET status = NULL, answer = NULL, replied_at = NULL,
                  taken_until = now() - interval '1 s' WHERE key = $1""",
        entry["key"],
    )

    async def replied() -> bool:
        rows = await studio.rows("SELECT replied_at FROM stream_commands")
        return all(row["replied_at"] for row in rows)

    await eventually(replied, within_s=30)
    [row] = await studio.rows("SELECT status, answer FROM stream_commands")
    assert (row["status"], orjson.loads(row["answer"])["round"]) == (201, first["body"]["round"])
    assert len(await controller.all()) == 1
    assert len(studio.effects("start")) == 1


async def test_gateways_share_the_tables_and_keep_the_order_of_each(
    studio: Studio, controller: Controller
) -> None:
    tables = [f"T-{number}" for number in range(6)]
    await studio.configure("CIT", tables=[{"id": one, "type": "speed_roulette"} for one in tables])
    async with AsyncExitStack() as stack:
        for number in (2, 3):
            settings = studio.settings.model_copy(update={"instance": f"gateway-{number}"})
            await stack.enter_async_context(calling(create(settings)))
        entries = [
            controller.entry(command, {**body, "wait_ms": 10_000}, table=table)
            for command, body in (
                ("start", {}),
                ("result", {"roulette": "17"}),
                ("finish", {}),
                ("start", {}),
                ("cancel", {}),
            )
            for table in tables
        ]
        await controller.write(*entries)
        replies = await controller.replies(*(entry["key"] for entry in entries))
    assert [reply["status"] for reply in replies] == [
        status for status in (201, 200, 200, 201, 200) for _ in tables
    ]
    assert len(await controller.all()) == len(entries)


async def test_replies_can_be_waited_for_before_there_is_one(
    database_url: str, rabbit_server: Any
) -> None:
    """A new RabbitMQ knows nothing that a controller could bind its own queue to."""
    async with await aio_pika.connect(rabbit_server.url) as connection:
        channel = await connection.channel()
        await channel.exchange_delete("table_replies")
        async with (
            Database.open(database_url, name="test") as database,
            open_bus(rabbit_server.url) as bus,
            background.running(Replies(database=database, bus=bus).run()),
        ):

            async def bound() -> bool:
                channel = await connection.channel()
                queue = await channel.declare_queue(exclusive=True)
                await queue.bind("table_replies")
                return True

            assert await eventually(bound)
