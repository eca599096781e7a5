"""One command on many tables: nothing waits for the slowest, and nothing is done twice."""

from typing import Any

from integration.gateway.batching import (
    ask,
    furnish,
    hang,
    lines,
    names,
    outcomes,
    over,
    run,
    settle,
)
from integration.gateway.conftest import Studio


async def test_a_round_goes_from_start_to_finish_on_all_tables(studio: Studio) -> None:
    await furnish(studio, 8)
    tables = names(8)
    started = await run(studio, "start", tables)
    assert (started["state"], started["progress"]["complete"]) == ("finished", 8)
    assert [table["table"] for table in started["tables"]] == tables
    assert {table["status"] for table in started["tables"]} == {201}
    rounds = {table["table"]: table["round"] for table in started["tables"]}
    for command, body in (
        ("bet-stop", {}),
        ("result", {"result": {"roulette": "17"}}),
        ("finish", {}),
    ):
        done = await run(studio, command, tables, **body)
        assert outcomes(done) == {"complete"}, done
        assert {table["table"]: table["round"] for table in done["tables"]} == rounds
    found = (await studio.client.get(f"/v1/rounds/{rounds['T0003']}")).json()
    assert (found["state"], found["result"]) == ("finished", {"roulette": "17"})


async def test_tables_are_paused_resumed_and_cancelled(studio: Studio) -> None:
    await furnish(studio, 3)
    tables = names(3)
    await run(studio, "start", tables)
    for command, body in (
        ("pause", {"reason": "Shuffling", "environments": ["PRD"]}),
        ("resume", {}),
        ("visibility", {"visibility": "disabled"}),
        ("broadcast", {"type": "warning", "audience": "players", "after_seconds": 60}),
        ("cancel", {"reason": "Drill"}),
    ):
        assert outcomes(await run(studio, command, tables, **body)) == {"complete"}
    rows = await studio.rows("SELECT * FROM rounds WHERE table_id LIKE 'T%'")
    assert {row["state"] for row in rows} == {"cancelled"}


async def test_what_a_table_refuses_is_said_and_stops_no_other(studio: Studio) -> None:
    await furnish(studio, 3)
    await studio.post("/v1/tables/T0001/rounds")
    started = await run(studio, "start", names(3))
    assert [table["outcome"] for table in started["tables"]] == ["complete", "refused", "complete"]
    assert started["tables"][1]["code"] == "round_open"
    await studio.post(f"/v1/rounds/{started['tables'][0]['round']}/cancel")
    stopped = await run(studio, "bet-stop", names(3))
    assert [table["outcome"] for table in stopped["tables"]] == ["refused", "complete", "complete"]
    assert stopped["tables"][0]["code"] == "no_open_round"


async def test_past_its_time_nothing_more_is_begun(studio: Studio) -> None:
    await furnish(studio, 6, start=3000)
    for table in names(6):
        hang(studio, table)
    asked = await ask(
        studio,
        "start",
        names(6),
        max_concurrent=2,
        wait_ms=30_000,
        timeout_ms=1500,
        deadline_ms=60_000,
    )
    found = await over(studio, asked["batch"])
    assert found["state"] == "timed_out"
    assert [table["begun"] for table in found["tables"]] == [True] * 2 + [False] * 4
    assert outcomes(found) == {"pending"}
    rows = await studio.rows("SELECT * FROM commands")
    assert {row["table_id"] for row in rows} == {"T0000", "T0001"}
    await settle(studio)


async def test_a_thousand_tables(studio: Studio) -> None:
    await furnish(studio, 1000, connect=10_000, get=10_000)
    found = await run(
        studio, "start", names(1000), max_concurrent=100, timeout_ms=300_000, deadline_ms=60_000
    )
    assert found["state"] == "finished"
    other = [table for table in found["tables"] if table["outcome"] != "complete"]
    ids = [table["command"] for table in other]
    why = await studio.rows("SELECT * FROM deliveries WHERE command_id = ANY($1)", ids)
    assert not other, (other[:3], why[:3])
    metrics = (await studio.client.get("/metrics")).text
    assert "pitboss_batch_concurrency " in metrics
    assert 'pitboss_batch_tables_total{state="complete"}' in metrics


async def test_the_same_request_under_the_same_key_is_one_batch(studio: Studio) -> None:
    await furnish(studio, 2)
    body = {"command": "start", "tables": names(2)}
    first = await studio.post("/v1/batches", body, key="one")
    again = await studio.post("/v1/batches", body, key="one")
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["idempotent-replay"] == "true"
    place = f"/v1/batches/{first.json()['batch']}"
    assert first.headers["location"] == again.headers["location"] == place
    accept = {"accept": "text/event-stream", "idempotency-key": "one"}
    answer = await studio.client.post("/v1/batches", json=body, headers=accept)
    told = [event async for event in lines(answer)]
    assert [event for event, _ in told] == ["table", "table", "summary"]
    assert {data["batch"] for _, data in told} == {first.json()["batch"]}
    assert len(await studio.rows("SELECT * FROM batches")) == 1


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"tables": ["T0000", "NOPE-1", "NOPE-2"]}, "body.tables", "NOPE-1, NOPE-2"),
    ({"tables": ["T0000", "T0001", "T0000"]}, "body.tables", "T0000"),
    ({"tables": []}, "body.tables", ""),
    ({"tables": names(1001)}, "body.tables", "1000"),
    ({"tables": None}, "body.tables", ""),
    ({"max_concurrent": 0}, "body.max_concurrent", ""),
    ({"max_concurrent": -3}, "body.max_concurrent", ""),
    ({"max_concurrent": "5"}, "body.max_concurrent", ""),
    ({"timeout_ms": 0}, "body.timeout_ms", ""),
    ({"command": "explode"}, "body.command", ""),
    ({"colour": "red"}, "body.colour", ""),
    ({"environments": ["MARS"]}, "body.environments", "MARS"),
    ({"reason": "Why not"}, "body.reason", "start"),
    ({"command": "finish", "environments": ["PRD"]}, "body.environments", "finish"),
    ({"command": "result"}, "body.result", "needs"),
    ({"command": "pause"}, "body.reason", "needs"),
    ({"command": "visibility"}, "body.visibility", "needs"),
    ({"command": "broadcast", "type": "warning"}, "body.audience", "needs"),
    ({"command": "pause", "content": "Hello"}, "body.content", "pause"),
]


async def test_what_is_wrong_is_named_and_nothing_is_done(studio: Studio) -> None:
    await furnish(studio, 2)
    for given, field, word in BAD:
        body = {"command": "start", "tables": names(2), **given}
        answer = await studio.post("/v1/batches", body)
        assert answer.status_code == 422, (given, answer.text)
        assert answer.json()["field"].startswith(field), (given, answer.json())
        assert word in answer.text, (given, answer.text)
    await studio.post("/v1/tables/T0000/rounds")
    result: dict[str, Any]
    for result in ({"roulette": "37"}, {"sicBo": [1, 2, 3]}, {}):
        body = {"command": "result", "tables": names(2), "result": result}
        answer = await studio.post("/v1/batches", body)
        assert (answer.status_code, answer.json()["field"]) == (422, "body.result")
    assert not await studio.rows("SELECT * FROM batches")
    assert len(await studio.rows("SELECT * FROM commands")) == 1


async def test_a_limited_key_runs_batches_of_its_own_tables(studio: Studio) -> None:
    await furnish(studio, 3)

    async def key(**limits: object) -> dict[str, str]:
        made = await studio.client.post("/v1/keys", json={"role": "dealer", **limits})
        return {"authorization": f"Bearer {made.json()['key']}"}

    own = await key(name="own", tables=["T0000", "T0001"])
    other = await key(name="other", tables=["T0002"])
    elsewhere = await key(name="elsewhere", environments=["CIT"])
    post, get = studio.client.post, studio.client.get
    for headers, command, code in (
        (own, "start", "table_not_allowed"),
        (elsewhere, "start", "environment_not_allowed"),
        (own, "pause", "role_too_low"),
    ):
        body = {"command": command, "tables": names(3)}
        given = {**body, "reason": "Why"} if command == "pause" else body
        answer = await post("/v1/batches", json=given, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert not await studio.rows("SELECT * FROM commands")
    asked = await post("/v1/batches", json={"command": "start", "tables": names(2)}, headers=own)
    path = asked.headers["location"]
    await over(studio, asked.json()["batch"])
    assert len((await get(path, headers=own)).json()["tables"]) == 2
    for answer in (await get(path, headers=other), await post(f"{path}/cancel", headers=other)):
        assert (answer.status_code, answer.json()["code"]) == (403, "table_not_allowed")
    rows = await studio.rows("SELECT DISTINCT actor FROM commands")
    assert [row["actor"] for row in rows] == ["own"]


async def test_a_batch_that_is_not_there(studio: Studio) -> None:
    path = "/v1/batches/01JD0000000000000000000009"
    for answer in (
        await studio.client.get(path),
        await studio.client.delete(path),
        await studio.client.post(f"{path}/cancel"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_batch")
