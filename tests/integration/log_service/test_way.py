"""The way of a line: taken, written once, found, followed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson

from fleetkit.bus import open_bus
from fleetkit.database import Database
from fleetkit.testing import eventually, serving
from integration.log_service.conftest import ADMIN_KEY, Logs, opened, working
from log_service.adapters import store, stream
from log_service.app import create
from log_service.domain import entries
from log_service.settings import Settings


async def test_a_line_is_answered_before_it_is_written_and_then_found(idle: Logs) -> None:
    sent = await idle.client.post(
        "/logs",
        json={
            "device_id": "wheel-07",
            "level": "ERROR",
            "message": "The ball left the wheel; '); DROP TABLE logs; -- 🎡",
            "service": "wheel",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "metadata": {"table": "ARO-001"},
        },
    )
    assert sent.status_code == 202
    assert await idle.count() == 0
    async with working(idle.settings):
        await idle.written(1)
    for asked in (
        {"device_id": "wheel-07"},
        {"level": "error,critical"},
        {"service": "wheel"},
        {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"},
        {"q": '"left the wheel" -roulette'},
        {"metadata": '{"table":"ARO-001"}'},
    ):
        [line] = await idle.find(**asked)
        assert line["id"] == sent.json()["id"]
    assert line["metadata"] == {"table": "ARO-001"}
    for asked in ({"device_id": "wheel-08"}, {"level": "info"}, {"q": "dice"}, {"trace_id": "x"}):
        assert await idle.find(**asked) == []


async def test_pages_show_each_line_once_either_way(logs: Logs) -> None:
    now = datetime.now(UTC)
    lines = [
        {
            "device_id": f"d{n % 3}",
            "message": str(n),
            "timestamp": (now - timedelta(minutes=n // 4)).isoformat(),
        }
        for n in range(50)
    ]
    await logs.send(*lines)
    await logs.written(50)
    for order in ("newest", "oldest"):
        seen: list[dict[str, Any]] = []
        cursor = None
        while True:
            asked = {"limit": "7", "order": order, **({"cursor": cursor} if cursor else {})}
            page = (await logs.client.get("/logs", params=asked)).json()
            seen += page["logs"]
            if (cursor := page["next"]) is None:
                break
        assert sorted(int(one["message"]) for one in seen) == list(range(50))
        times = [(one["at"], one["id"]) for one in seen]
        assert times == sorted(times, reverse=order == "newest")


async def test_counts_are_kept_with_the_lines(logs: Logs) -> None:
    await logs.send(
        {"device_id": "a", "level": "error", "message": "x", "service": "s"},
        {"device_id": "a", "message": "x"},
        {"device_id": "b", "message": "x"},
    )
    await logs.written(3)
    stats = (await logs.client.get("/logs/stats")).json()
    assert (stats["total"], stats["levels"]) == (3, {"error": 1, "info": 2})
    assert stats["devices"][0] == {"device_id": "a", "lines": 2, "errors": 1}
    assert sum(one["lines"] for one in stats["hours"]) == 3
    assert (await logs.client.get("/logs/stats", params={"device_id": "b"})).json()["total"] == 1
    shown = (await logs.client.get("/devices", params={"limit": 1})).json()
    assert [one["device_id"] for one in shown["devices"]] == ["a"]
    after = (await logs.client.get("/devices", params={"cursor": shown["next"]})).json()
    assert [(one["device_id"], one["errors"]) for one in after["devices"]] == [("b", 0)]
    assert await logs.count("recent_errors") == 1
    since = datetime.now(UTC) - timedelta(hours=2)
    rows = await logs.conn.fetch(
        "SELECT * FROM hourly_log_statistics($1, $2)", since, since + timedelta(hours=3)
    )
    assert sum(row["lines"] for row in rows) == 3


async def test_what_was_asked_before_is_at_hand(logs: Logs) -> None:
    hour = datetime.now(UTC) - timedelta(hours=1)
    asked = {"to": hour.isoformat()}
    first = await logs.client.get("/logs", params=asked)
    again = await logs.client.get("/logs", params=asked)
    assert [one.headers["x-cache"] for one in (first, again)] == ["miss", "hit"]
    assert first.json() == again.json() == {"logs": [], "next": None}

    async def seen() -> bool:
        return bool(await logs.find(device_id="late"))

    assert not await seen()
    await logs.send({"device_id": "late", "message": "x"})
    await eventually(seen, within_s=20)


async def test_a_line_sent_again_under_its_own_id_counts_once(logs: Logs) -> None:
    line = {"id": "mine-1", "device_id": "a", "message": "x"}
    answers = [await logs.client.post("/logs", json=line) for _ in range(3)]
    assert len({one.json()["id"] for one in answers}) == 1
    await logs.send({**line, "id": "mine-2"})
    await logs.written(2)


async def test_an_entry_delivered_again_is_written_once(idle: Logs) -> None:
    await idle.send(*[{"device_id": "a", "message": str(n)} for n in range(30)])
    settings = idle.settings
    async with (
        open_bus(settings.redis_url.get_secret_value()) as bus,
        Database.open(settings.database_url.get_secret_value(), name="test") as database,
    ):
        # As a worker that is killed between the commit and the acknowledgement.
        async with bus.consume(stream.queue(), group=stream.GROUP, consumer="dying") as batches:
            batch = await anext(batches)
            lines = [entries.read(one.id, one.fields, one.at) for one in batch.entries]
            async with database.connection() as conn:
                await store.make_day(conn, lines[0].line.at)
                assert await store.write(conn, lines) == 30
                assert await store.write(conn, lines) == 0

        async def done() -> bool:
            return await bus.length(stream.queue()) == 0

        async with working(settings):
            await eventually(done, within_s=30)
    assert await idle.count() == 30
    assert await idle.conn.fetchval("SELECT sum(lines) FROM devices") == 30


async def test_poison_is_laid_aside_and_can_be_replayed(logs: Logs) -> None:
    url = logs.settings.redis_url.get_secret_value()
    good = {"device_id": "a", "message": "x"}
    future = orjson.dumps({**good, "timestamp": "2999-01-01T00:00:00Z"})
    async with open_bus(url) as bus:
        for fields in ({"body": b"{"}, {"what": b"?"}, {"body": b"[]"}, {"body": future}):
            await bus.publish(stream.queue(), fields)
        await logs.send(good)
        await logs.written(1)

        async def buried(number: int) -> bool:
            told = (await logs.client.get("/logs/dead")).json()
            return bool(told["total"] == number and await bus.length(stream.queue()) == 0)

        await eventually(lambda: buried(4), within_s=20)
        told = (await logs.client.get("/logs/dead", params={"limit": 2})).json()
        assert "not JSON" in told["entries"][0]["reason"]
        assert told["entries"][0]["body"] == "{"
        # Mended: the day exists now.
        await logs.conn.execute(
            "CREATE TABLE logs_29990101 PARTITION OF logs"
            " FOR VALUES FROM ('2999-01-01Z') TO ('2999-01-02Z')"
        )
        replayed = await logs.client.post("/logs/dead/replay")
        assert replayed.json() == {"replayed": 4}
        await logs.written(2)
        await eventually(lambda: buried(3), within_s=20)


@asynccontextmanager
async def worker_process(
    settings: Settings, name: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    told = {
        "PITBOSS_DATABASE_URL": settings.database_url.get_secret_value(),
        "PITBOSS_REDIS_URL": settings.redis_url.get_secret_value(),
        "PITBOSS_BIND": "127.0.0.1:0",
        "PITBOSS_INSTANCE": name,
    }
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PITBOSS_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "log_service.worker"),
        env={**kept, **told},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def test_a_killed_worker_loses_and_doubles_nothing(idle: Logs) -> None:
    lines = [{"device_id": f"d{n % 7}", "message": str(n)} for n in range(6000)]
    for start in range(0, 6000, 1000):
        assert (await idle.send(*lines[start : start + 1000])).status_code == 202

    async def begun() -> bool:
        return await idle.count() > 200

    async with worker_process(idle.settings, "log-worker-1") as worker:
        await eventually(begun, within_s=60)
        worker.kill()
        await worker.wait()
    async with worker_process(idle.settings, "log-worker-1") as worker:
        await idle.written(6000)
        worker.send_signal(signal.SIGTERM)
        assert await worker.wait() == 0
    found = await idle.conn.fetch("SELECT message FROM logs")
    assert sorted(int(row["message"]) for row in found) == list(range(6000))
    assert await idle.conn.fetchval("SELECT sum(lines) FROM devices") == 6000
    assert await idle.conn.fetchval("SELECT sum(lines) FROM log_statistics") == 6000


async def test_days_that_are_over_are_dropped_whole(logs: Logs) -> None:
    now = datetime.now(UTC)
    old = (now - timedelta(days=20)).isoformat()
    await logs.send(
        {"device_id": "old", "message": "x", "timestamp": old}, {"device_id": "new", "message": "x"}
    )
    await logs.written(2)
    dropped = await logs.conn.fetch("SELECT drop_log_days(current_date - 10)")
    assert len(dropped) == 1
    assert [one["device_id"] for one in await logs.find()] == ["new"]
    # One that is late for its day is written all the same.
    await logs.send({"device_id": "old", "message": "y", "timestamp": old})
    await logs.written(2)


async def test_a_tail_shows_lines_as_they_are_written(idle: Logs) -> None:
    key = {"authorization": f"Bearer {ADMIN_KEY}"}
    async with (
        serving(create(idle.settings)) as url,
        httpx.AsyncClient(base_url=url, headers=key, timeout=20) as client,
        working(idle.settings),
        client.stream("GET", "/logs/tail", params={"level": "error", "q": "Ball"}) as tail,
    ):
        parts = tail.aiter_lines()
        while await anext(parts) != ": listening":
            pass
        await idle.send(
            {"device_id": "a", "message": "the ball rolls"},
            {"device_id": "a", "level": "error", "message": "the ball fell"},
            {"device_id": "a", "level": "error", "message": "something else"},
        )
        async for line in parts:
            if line.startswith("data: "):
                told = orjson.loads(line.removeprefix("data: "))
                assert told["message"] == "the ball fell"
                break
    assert tail.status_code == 200


async def test_retention_is_a_setting(idle: Logs, database_url: str) -> None:
    short = idle.settings.model_copy(update={"log_retention_days": 1})
    async with opened(short, database_url) as logs:
        old = (datetime.now(UTC) - timedelta(days=2)).isoformat()
        answer = await logs.send({"device_id": "a", "message": "x", "timestamp": old})
        assert (answer.status_code, answer.json()["field"]) == (422, "timestamp")
