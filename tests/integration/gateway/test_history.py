import re
from datetime import UTC, datetime
from typing import Any

import pytest

from fleetkit.testing import eventually
from ledger.verify.running import Scope, verify

Studio = Any
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


async def played(studio: Studio) -> str:
    """Play a round whose result is answered late by one table."""
    round_id: str = (await studio.start())["round"]
    studio.fault("latency", "deal", ms=150)
    for command, body in (("bet-stop", {}), ("result", {"roulette": "17"}), ("finish", {})):
        answer = await studio.post(f"/v1/rounds/{round_id}/{command}", body)
        assert answer.status_code == 200, answer.text
    return round_id


async def test_the_history_of_a_round_is_all_of_it_in_order_and_chained(studio: Studio) -> None:
    round_id = await played(studio)
    answer = await studio.client.get(f"/v1/rounds/{round_id}/history")
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["round"], shown["sealed"], set(shown)) == (
        round_id,
        True,
        {"round", "events", "sealed"},
    )
    events = shown["events"]
    assert [one["number"] for one in events] == [*range(1, len(events) + 1)]
    assert [one["prev_hash"] for one in events] == [None, *(one["hash"] for one in events[:-1])]
    assert all(len(one["hash"]) == 64 for one in events)
    types = [one["type"] for one in events]
    wanted = ["round.started", "round.bet_stopped", "round.result", "round.finished"]
    assert [name for name in types if name.startswith("round.")] == wanted
    assert types.count("delivery.settled") == 8
    told = {name: one["data"][name] for one in events for name in one["data"] if name[-3:] == "_at"}
    assert {"opened_at", "bet_stop_at"} <= set(told)
    assert all(MOMENT.fullmatch(text) for text in told.values()), told
    again = (await studio.client.get(f"/v1/rounds/{round_id}/history")).json()
    assert again == shown


async def test_a_round_is_shown_as_it_was_after_each_event(studio: Studio) -> None:
    asked = await studio.conn.fetchval("SELECT date_trunc('milliseconds', clock_timestamp())")
    round_id = await played(studio)
    stands = (await studio.client.get(f"/v1/rounds/{round_id}")).json()
    events = (await studio.client.get(f"/v1/rounds/{round_id}/history")).json()["events"]
    states = []
    for event in events:
        answer = await studio.client.get(
            f"/v1/rounds/{round_id}/history", params={"at": event["at"]}
        )
        then = answer.json()
        assert then.pop("at") == event["at"]
        assert set(then) == set(stands)
        states.append((then["state"], then["result"]))
    assert states == sorted(
        states, key=lambda pair: ["open", "bet_stopped", "dealt", "finished"].index(pair[0])
    )
    assert {state for state, _ in states} == {"open", "bet_stopped", "dealt", "finished"}
    # The row and the event are written by one statement, each with a moment of its own.
    for shown in (stands, then):
        began = datetime.fromisoformat(shown["started_at"])
        assert asked <= began <= datetime.fromisoformat(events[1]["at"])
    assert {**then, "started_at": stands["started_at"]} == stands


@pytest.mark.parametrize(
    ("round_", "at", "status", "code"),
    [
        ("01JD0000000000000000000000", None, 404, "unknown_round"),
        ("nonsense", None, 422, "invalid"),
        (None, "2020-01-01T00:00:00Z", 404, "round_not_begun"),
        (None, "2999-01-01T00:00:00Z", 422, "not_yet"),
        (None, "yesterday", 422, "invalid"),
        (None, "2026-11-21T09:00:00", 422, "invalid"),
    ],
)
async def test_what_can_not_be_shown_is_refused(
    studio: Studio, round_: str | None, at: str | None, status: int, code: str
) -> None:
    round_ = round_ or (await studio.start())["round"]
    query = {"at": at} if at else {}
    answer = await studio.client.get(f"/v1/rounds/{round_}/history", params=query)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    studio.client.headers.pop("authorization")
    assert (await studio.client.get(f"/v1/rounds/{round_}/history")).status_code == 401


async def test_rounds_are_sealed_without_being_asked_for(studio: Studio) -> None:
    await played(studio)

    async def sealed() -> bool:
        left = await studio.rows(
            "SELECT id FROM events WHERE number IS NULL AND round_id IS NOT NULL"
        )
        return not left

    await eventually(sealed)


async def test_the_verifier_holds_and_agrees_with_the_simulator(studio: Studio) -> None:
    for _ in range(2):
        await played(studio)
    url = f"http://127.0.0.1:{studio.sim.port}"
    verdict = await verify(studio.conn, Scope(), simulator=url)
    assert [finding for finding in verdict.findings if not finding.ok] == []
    names = {finding.check.name for finding in verdict.findings}
    assert "one_effect_per_command" in names
    # Somebody else opens a round on a table of ours.
    studio.at_table().do("start")
    verdict = await verify(studio.conn, Scope(), simulator=url)
    broken = [finding.check.name for finding in verdict.findings if not finding.ok]
    assert broken == ["effect_has_a_delivery"]
    since = Scope(since=datetime.now(UTC))
    assert (await verify(studio.conn, since, simulator=url)).ok
