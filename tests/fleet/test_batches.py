"""Batches through nginx."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson

from fleet.console import Console
from fleet.floor import Floor
from fleet.tableapi import TableApi

SIZE = 50
STREAM = {"accept": "text/event-stream"}


async def told(response: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    event = ""
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "data":
            yield event, orjson.loads(value)


async def test_one_hung_table_of_fifty_is_waited_for_alone_and_named(
    console: Console, tables: TableApi, floor: Floor
) -> None:
    names = [floor.take("batch") for _ in range(SIZE)]
    hung = names[7]
    tables.fail("hang", environment="CIT", table=hung, operation="start")
    # It gives its place back after `wait_ms`; what is left of the time is for the other 49.
    body = {
        "command": "start",
        "tables": names,
        "environments": ["CIT"],
        "deadline_ms": 60_000,
        "wait_ms": 500,
        "timeout_ms": 12_000,
    }
    finished = []
    async with console.client.stream("POST", "/v1/batches", json=body, headers=STREAM) as response:
        assert response.status_code == 200, await response.aread()
        async for event, data in told(response):
            if event == "summary":
                break
            assert (data["outcome"], data["status"]) == ("complete", 201), data
            finished.append(data["table"])
            if len(finished) == SIZE - 1:
                # nginx has held none of it back: the batch still waits for the last.
                standing = await console.client.get(response.headers["location"])
                assert standing.json()["state"] == "running"
    assert sorted(finished) == sorted(set(names) - {hung})
    assert (data["state"], data["tables"]) == ("timed_out", {"pending": [hung]})
    assert {tables.counts(name, "start")["CIT"] for name in finished} == {1}
