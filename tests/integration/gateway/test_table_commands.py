import asyncio
from typing import Any

import pytest

from fleetkit.testing import eventually

Studio = Any
WARNING = {"type": "warning", "audience": "players", "content": "The dealer changes."}


def lasts(answer: Any) -> dict[str, str]:
    return {leg["environment"]: leg["last"]["outcome"] for leg in answer.json()["legs"]}


async def settled(studio: Studio, command: str) -> dict[str, str]:
    async def look() -> dict[str, str] | None:
        states: dict[str, str] = await studio.shown(command)
        return None if {"pending", "sending", "unknown"} & set(states.values()) else states

    found: dict[str, str] | None = await eventually(look)
    assert found is not None
    return found


async def test_a_pause_and_a_resume_reach_every_target(studio: Studio) -> None:
    paused = await studio.ask("pause", {"reason": "Shuffling"})
    assert paused.status_code == 200, paused.text
    body = paused.json()
    assert (body["table"], body["kind"], body["outcome"]) == ("ARO-001", "pause", "complete")
    assert [(leg["environment"], leg["required"]) for leg in body["legs"]] == [
        ("PRD", True),
        ("CIT", False),
    ]
    assert studio.at_table("CIT").get().table["pause"]["reason"] == "Shuffling"
    resumed = await studio.ask("resume", {"environments": ["PRD"]})
    assert lasts(resumed) == {"PRD": "accepted"}
    assert studio.at_table("PRD").get().table["pause"] is None
    assert studio.at_table("CIT").get().table["pause"] is not None
    events = await studio.rows("SELECT * FROM events WHERE table_id IS NOT NULL ORDER BY id")
    assert {event["table_id"] for event in events} == {"ARO-001"}
    told = [(event["type"], event["environment"]) for event in events]
    assert sorted(told) == [
        ("delivery.settled", "CIT"),
        ("delivery.settled", "PRD"),
        ("delivery.settled", "PRD"),
        ("table.paused", "CIT"),
        ("table.paused", "PRD"),
        ("table.resumed", "PRD"),
    ]
    reason = next(event["data"] for event in events if event["type"] == "table.paused")["reason"]
    assert reason == "Shuffling"


async def test_a_table_is_hidden_and_shown(studio: Studio) -> None:
    for word in ("disabled", "visible"):
        assert (await studio.ask("visibility", {"visibility": word})).status_code == 200
        assert studio.at_table().get().table["visibility"] == word


async def test_a_broadcast_is_said_once_in_a_moment(studio: Studio) -> None:
    first = await studio.ask("broadcast", WARNING)
    assert (first.status_code, first.json()["suppressed"]) == (200, False), first.text
    again = await studio.ask("broadcast", {**WARNING, "content": "Really."})
    assert (again.status_code, again.json()["suppressed"]) == (200, True)
    assert again.json()["command"] == first.json()["command"]
    assert lasts(again) == {"PRD": "accepted", "CIT": "accepted"}
    other = await studio.ask("broadcast", {**WARNING, "type": "info"})
    assert (other.status_code, other.json()["suppressed"]) == (200, False)
    assert len(studio.effects("broadcast")) == 2
    await studio.conn.execute("UPDATE deliveries SET created_at = now() - interval '11 s'")
    assert (await studio.ask("broadcast", WARNING)).json()["suppressed"] is False
    (body,) = await studio.rows("SELECT body FROM commands WHERE id = $1", first.json()["command"])
    assert body["body"] == {
        "content": "The dealer changes.",
        "metadata": {
            **dict.fromkeys(("title", "description", "code", "suggestion"), ""),
            "signalType": "warning",
            "audience": "players",
            "afterSeconds": 0,
        },
    }


async def test_of_many_broadcasts_at_once_one_is_sent(studio: Studio) -> None:
    answers = await asyncio.gather(*(studio.ask("broadcast", WARNING) for _ in range(5)))
    assert sorted(answer.json()["suppressed"] for answer in answers) == [False, *[True] * 4]
    assert len(studio.effects("broadcast")) == 1


async def test_a_broadcast_that_failed_may_be_said_again(studio: Studio) -> None:
    studio.fault("status", "broadcast", status=400, code=13011)
    first = await studio.ask("broadcast", WARNING)
    assert (first.status_code, lasts(first)) == (207, {"PRD": "rejected", "CIT": "accepted"})
    again = await studio.ask("broadcast", WARNING)
    assert (again.json()["suppressed"], lasts(again)) == (False, {"PRD": "accepted"})
    assert len(studio.effects("broadcast", "CIT")) == 1


async def test_a_broadcast_whose_answer_is_lost_stays_unknown_and_is_not_repeated(
    studio: Studio,
) -> None:
    studio.fault("reset_after", "broadcast")
    said = await studio.ask("broadcast", WARNING)
    assert (said.status_code, lasts(said)) == (207, {"PRD": "unknown", "CIT": "accepted"})
    assert len(studio.effects("broadcast")) == 1
    (row,) = await studio.rows("SELECT * FROM deliveries WHERE environment = 'PRD'")
    assert (row["state"], row["code"], row["attempts"]) == ("expired", "unknown_for_good", 1)


async def test_a_pause_whose_answer_is_lost_is_found_by_looking(studio: Studio) -> None:
    studio.fault("reset_after", "pause")
    paused = await studio.ask("pause", {"reason": "Shuffling", "wait_ms": 0})
    told = (paused.status_code, paused.json()["outcome"])
    assert told in ((202, "pending"), (207, "partial")), "CIT may be done already"
    states = await settled(studio, paused.json()["command"])
    assert states == {"PRD": "accepted", "CIT": "accepted"}
    assert len(studio.effects("pause")) == 1
    made = await studio.rows(
        """SELECT a.operation FROM attempts a JOIN deliveries d ON d.id = a.delivery_id
           WHERE d.environment = 'PRD' AND a.operation <> 'sessions' ORDER BY a.at"""
    )
    assert [row["operation"] for row in made] == ["pause", "get"]


async def test_a_pause_that_was_not_sent_is_sent_again(studio: Studio) -> None:
    studio.fault("status", "pause", status=429)
    studio.fault("session_expired", "pause", "CIT", count=2)
    paused = await studio.ask("pause", {"reason": "Shuffling", "wait_ms": 20_000})
    assert paused.status_code in (200, 207), paused.text
    assert lasts(paused)["CIT"] == "accepted"


async def test_a_later_resume_makes_a_pause_that_waits_pointless(studio: Studio) -> None:
    studio.fault("status", "pause", status=503, count=50)
    studio.fault("status", "get", status=503, count=50)
    paused = await studio.ask("pause", {"reason": "Shuffling", "wait_ms": 4000})
    assert paused.status_code == 207
    resumed = await studio.ask("resume", {"wait_ms": 10_000})
    assert resumed.json()["legs"][0]["last"]["outcome"] in ("accepted", "pending"), resumed.text
    states = await settled(studio, paused.json()["command"])
    assert states == {"PRD": "superseded", "CIT": "accepted"}
    studio.heal()
    assert (await settled(studio, resumed.json()["command"]))["PRD"] == "accepted"
    assert studio.at_table().get().table["pause"] is None


async def test_a_command_of_the_table_leaves_the_round_as_it_is(studio: Studio) -> None:
    started = await studio.start()
    for command, body in (
        ("pause", {"reason": "x"}),
        ("broadcast", WARNING),
        ("visibility", {"visibility": "visible"}),
        ("resume", {}),
    ):
        assert (await studio.ask(command, body)).status_code == 200
    dealt = await studio.post(f"/v1/rounds/{started['round']}/result", {"roulette": "7"})
    assert (dealt.status_code, dealt.json()["state"]) == (200, "dealt"), dealt.text
    finished = await studio.post(f"/v1/rounds/{started['round']}/finish")
    assert finished.json()["state"] == "finished"


async def test_a_round_waits_for_a_hanging_pause_and_goes_on_at_once(studio: Studio) -> None:
    studio.fault("latency", "visibility", ms=1200)
    patient = {"visibility": "visible", "wait_ms": 20_000}
    shown = asyncio.create_task(studio.ask("visibility", patient))

    async def in_flight() -> bool:
        found = await studio.rows("SELECT FROM deliveries WHERE state = 'sending'")
        return len(found) > 0

    await eventually(in_flight)
    started = await studio.start(deadline_ms=20_000, wait_ms=20_000)
    assert started["outcome"] == "complete", started
    assert (await shown).status_code == 200


async def test_the_same_request_under_one_key_runs_once(studio: Studio) -> None:
    first = await studio.ask("pause", {"reason": "x"}, key="k1")
    again = await studio.ask("pause", {"reason": "x"}, key="k1")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replay"] == "true"
    await studio.conn.execute(
        "UPDATE idempotency SET status = NULL, answer = NULL, running_until = now()"
    )
    recalled = await studio.ask("pause", {"reason": "x"}, key="k1")
    assert recalled.json()["command"] == first.json()["command"]
    assert len(studio.effects("pause")) == 1


@pytest.mark.parametrize(
    ("command", "body", "status", "field"),
    [
        ("pause", {}, 422, "body.reason"),
        ("pause", {"reason": ""}, 422, "body.reason"),
        ("pause", {"reason": "x", "environments": ["STG"]}, 422, "body.environments"),
        ("resume", {"reason": "x"}, 422, "body.reason"),
        ("visibility", {"visibility": "hidden"}, 422, "body.visibility"),
        ("broadcast", {"type": "warning"}, 422, "body.audience"),
        ("broadcast", {**WARNING, "after_seconds": 3601}, 422, "body.after_seconds"),
        ("broadcast", {**WARNING, "after_seconds": 0}, 422, "body.after_seconds"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_written(
    studio: Studio, command: str, body: dict[str, Any], status: int, field: str
) -> None:
    answer = await studio.ask(command, body)
    assert answer.status_code == status
    problem = answer.json()
    named = [problem.get("field"), *(each["field"] for each in problem.get("errors") or ())]
    assert field in named, problem
    assert await studio.rows("SELECT FROM commands") == []


async def test_a_table_that_is_not_there_is_not_found(studio: Studio) -> None:
    assert (await studio.post("/v1/tables/NONE/resume")).status_code == 404


async def test_a_command_that_waits_for_another_is_written_and_done_after_it(
    studio: Studio,
) -> None:
    studio.fault("latency", "visibility", ms=1200)
    patient = {"visibility": "visible", "wait_ms": 20_000}
    shown = asyncio.create_task(studio.ask("visibility", patient))

    async def in_flight() -> bool:
        found = await studio.rows("SELECT FROM deliveries WHERE state = 'sending'")
        return len(found) > 0

    await eventually(in_flight)
    paused = await studio.ask("pause", {"reason": "Shuffling", "wait_ms": 20_000})
    assert paused.status_code == 200, paused.text
    assert set(lasts(paused).values()) == {"accepted"}
    assert (await shown).status_code == 200
