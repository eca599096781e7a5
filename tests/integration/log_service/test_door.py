"""The door of logs: who may, and what is refused."""

import asyncio
from typing import Any

import orjson

from fleetkit.bus import open_bus
from integration.fleetkit.buses import drained
from integration.log_service.conftest import Logs, opened, working
from log_service.adapters import stream

GOOD = {"device_id": "wheel-07", "message": "x"}


async def test_each_role_does_its_own(idle: Logs) -> None:
    allowed = {}
    for role in ("device", "viewer", "dealer", "operator"):
        key = {"authorization": f"Bearer {await idle.key(role)}"}
        writes = await idle.client.post("/logs", json=GOOD, headers=key)
        reads = await idle.client.get("/logs", headers=key)
        mends = await idle.client.get("/logs/dead", headers=key)
        allowed[role] = [one.status_code for one in (writes, reads, mends)]
    assert allowed == {
        "device": [202, 403, 403],
        "viewer": [403, 200, 403],
        "dealer": [202, 200, 403],
        "operator": [202, 200, 200],
    }


async def test_nobody_is_answered_without_a_key(idle: Logs) -> None:
    for method, path in (
        *(("POST", "/logs"), ("POST", "/logs/batch"), ("POST", "/logs/dead/replay")),
        *(("GET", one) for one in ("/logs", "/logs/stats", "/logs/tail", "/logs/dead", "/devices")),
    ):
        for key in ("", "Bearer wrong", "Bearer pb_wrong"):
            answer = await idle.client.request(
                method, path, content=b"{", headers={"authorization": key}
            )
            assert answer.status_code == 401, (method, path, key)


async def test_a_key_of_some_tables_reads_no_logs(idle: Logs) -> None:
    key = {"authorization": f"Bearer {await idle.key('dealer', tables=['ARO-001'])}"}
    assert (await idle.client.get("/logs", headers=key)).json()["code"] == "key_is_limited"
    assert (await idle.client.post("/logs", json=GOOD, headers=key)).status_code == 202


async def test_what_is_no_json_is_told_so(idle: Logs) -> None:
    bodies = [b"", b"not JSON", b'{"a": "\xff\xfe"}', b'{"a": "\\ud800"}', b"[" * 5000]
    for body in bodies:
        for path in ("/logs", "/logs/batch"):
            answer = await idle.client.post(path, content=body)
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


async def test_what_is_no_batch_is_told_so(idle: Logs) -> None:
    bodies: list[Any] = [[], {}, None, "x", 1, {"lines": []}, [GOOD] * 1001, {"logs": []}]
    for body in bodies:
        answer = await idle.client.post("/logs/batch", content=orjson.dumps(body))
        assert (answer.status_code, answer.json()["field"]) == (422, "body")


async def test_a_body_over_the_limit_is_refused(idle: Logs) -> None:
    answer = await idle.client.post("/logs", json={**GOOD, "message": "x" * 1_050_000})
    assert answer.status_code == 413
    answer = await idle.client.post("/logs", json={**GOOD, "message": "x" * 1_000_000})
    assert (answer.status_code, answer.json()["field"]) == (422, "message")


async def test_the_good_lines_of_a_batch_are_taken_and_the_bad_ones_named(logs: Logs) -> None:
    loud, mute = {**GOOD, "level": "LOUD"}, {"device_id": "wheel-07"}
    answer = await logs.send(GOOD, loud, GOOD, mute)
    told = answer.json()
    assert (answer.status_code, told["accepted"], len(told["ids"])) == (207, 2, 2)
    assert [(one["line"], one["field"]) for one in told["rejected"]] == [
        (2, "level"),
        (4, "message"),
    ]
    await logs.written(2)
    strict = await logs.send(GOOD, loud, params={"strict": "true"})
    assert strict.status_code == 422
    assert strict.json()["errors"][0]["line"] == 2
    all_bad = (await logs.send(loud, mute)).json()
    assert (all_bad["line"], all_bad["field"], len(all_bad["errors"])) == (1, "level", 2)
    assert (await logs.send(*[GOOD] * 1000)).status_code == 202
    await logs.written(1002)


NONSENSE = [
    ({"limit": "-1"}, "query.limit"),
    ({"limit": "1000000000"}, "query.limit"),
    ({"cursor": "made-up"}, "query.cursor"),
    ({"cursor": "\x00"}, "query.cursor"),
    ({"from": "2026-11-21T10:00:00Z", "to": "2026-11-21T09:00:00Z"}, "query.from"),
    ({"from": "yesterday"}, "query.from"),
    ({"level": "LOUD"}, "query.level"),
    ({"q": "a\x00"}, "query.q"),
    ({"q": "x" * 201}, "query.q"),
    ({"device_id": "d" * 300}, "query.device_id"),
    ({"trace_id": "\x00"}, "query.trace_id"),
    ({"metadata": "[1]"}, "query.metadata"),
    ({"metadata": '{"a": "\\u0000"}'}, "query.metadata"),
    ({"order": "random"}, "query.order"),
]


async def test_a_question_that_makes_no_sense_is_told_so(idle: Logs) -> None:
    for asked, field in NONSENSE:
        answer = await idle.client.get("/logs", params=asked)
        assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_a_full_stream_says_so_and_drops_nothing(idle: Logs, database_url: str) -> None:
    small = idle.settings.model_copy(update={"log_stream_length": 3})
    async with opened(small, database_url) as logs:
        answer = await logs.send(*[{**GOOD, "message": str(n)} for n in range(5)])
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (503, "log_stream_full")
        assert answer.headers["retry-after"] == "1"
        assert (problem["accepted"], problem["not_taken"]) == (3, [4, 5])
        # What is written is taken from the stream a moment later.
        async with working(small), open_bus(small.redis_url.get_secret_value()) as bus:
            await logs.written(3)
            await drained(bus, stream.queue())
            assert (await logs.send(GOOD)).status_code == 202
            await logs.written(4)
            await drained(bus, stream.queue())
        # Many at once go to Redis together, and each is told of its own.
        answers = await asyncio.gather(*(logs.send(GOOD, GOOD) for _ in range(4)))
        assert sorted(one.status_code for one in answers) == [202, 503, 503, 503]
        taken = [one.json().get("accepted") for one in answers]
        assert sorted(taken) == [0, 0, 1, 2]
        async with working(small):
            await logs.written(7)
