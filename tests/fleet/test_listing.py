import asyncio
from datetime import UTC, datetime

from fleet.console import RESULTS, Console
from fleet.floor import Floor, document
from fleet.rig import ENVIRONMENTS
from fleet.tableapi import TableApi

RED = RESULTS["speed_roulette"]


async def test_rounds_are_listed_by_table_and_state(console: Console, table: str) -> None:
    done = await console.play(table)
    gone = await console.opened(table)
    assert (await console.cancel(gone.round)).status == 200
    now = await console.opened(table)
    assert [one.round for one in await console.rounds(table=table)] == [
        now.round,
        gone.round,
        done.round,
    ]
    for state, expected in (
        ("finished", [done.round]),
        ("cancelled", [gone.round]),
        ("open", [now.round]),
        ("bet_stopped", []),
        ("dealt", []),
    ):
        assert [one.round for one in await console.rounds(table=table, state=state)] == expected
    assert (await console.bet_stop(now.round)).status == 200
    assert [one.round for one in await console.rounds(table=table, state="bet_stopped")] == [
        now.round
    ]
    assert await console.rounds(table=table, state="open") == []
    assert (await console.result(now.round, **RED)).status == 200
    assert [one.round for one in await console.rounds(table=table, state="dealt")] == [now.round]


async def test_rounds_are_listed_by_time(console: Console, table: str) -> None:
    first, second = await console.play(table), await console.play(table)
    middle = second.started_at.isoformat()
    assert [r.round for r in await console.rounds(table=table, since=middle)] == [second.round]
    assert [r.round for r in await console.rounds(table=table, until=middle)] == [first.round]
    assert await console.rounds(table=table, since="2100-01-01T00:00:00Z") == []
    assert await console.rounds(table=table, until="2000-01-01T00:00:00Z") == []


async def test_rounds_come_in_pages(console: Console, table: str) -> None:
    played = [(await console.opened(table, environments=["CIT"])).round]
    for _ in range(4):
        assert (await console.cancel(played[-1])).status == 200
        played.append((await console.opened(table, environments=["CIT"])).round)
    seen: list[str] = []
    query: dict[str, str | int] = {"table": table, "limit": 2}
    while True:
        page = (await console.client.get("/v1/rounds", params=query)).json()
        assert len(page["rounds"]) <= 2
        seen += [one["round"] for one in page["rounds"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == played[::-1]


async def test_unresolved_rounds_are_listed(console: Console, tables: TableApi, table: str) -> None:
    round_ = await console.opened(table)
    assert await console.rounds(table=table, unresolved="true") == []
    fault = tables.fail("status", environment="STG", table=table, operation="deal", status=503)
    answer = await console.result(round_.round, **RED)
    assert (answer.status, answer.round.outcome) == (207, "partial")
    assert answer.round.leg("STG").last.outcome in ("pending", "unknown")
    [listed] = await console.rounds(table=table, unresolved="true")
    assert listed.round == round_.round
    tables.end(fault)
    done = await console.settled(round_.round)
    assert done.outcome == "complete"
    assert await console.rounds(table=table, unresolved="true") == []
    assert [r.round for r in await console.rounds(table=table, unresolved="false")] == [
        round_.round
    ]
    assert tables.counts(table, "deal") == dict.fromkeys(ENVIRONMENTS, 1)


async def test_tables_show_their_targets_and_whether_a_round_can_begin(
    console: Console, tables: TableApi, floor: Floor
) -> None:
    table = floor.take("pair")
    url = f"/v1/tables/{table}"
    shown = (await console.client.get(url)).json()
    assert shown == {
        "table": table,
        "type": "speed_roulette",
        "open_round": None,
        "readiness": {"light": "go", "without": [], "why": []},
        "targets": [
            {
                "environment": environment,
                "game_code": table,
                "required": environment == "PRD",
                "priority": 1,
                "version": target["version"],
            }
            for environment, target in zip(("PRD", "CIT"), shown["targets"], strict=True)
        ],
    }
    round_ = await console.opened(table)
    assert (await console.client.get(url)).json()["open_round"] == round_.round
    assert (await console.cancel(round_.round)).status == 200
    for environment, light in (("CIT", "go_without"), ("PRD", "hold")):
        paused = tables.target(environment, table)
        assert paused.do("pause", reason="Shuffling").status == 200
        answer = await console.start(table)
        assert (answer.status, answer.round.outcome) == (207, "partial")
        leg = answer.round.leg(environment)
        assert (leg.last.outcome, leg.last.code) == ("rejected", "13007")
        assert "Shuffling" in (leg.last.detail or "")
        readiness = (await console.client.get(url)).json()["readiness"]
        assert (readiness["light"], readiness["without"]) == (light, [f"{environment}/{table}"])
        assert "Shuffling" in readiness["why"][0]
        assert paused.do("resume").status == 200
        assert (await console.cancel(answer.round.round)).status == 200
    listed = (await console.client.get("/v1/tables")).json()["tables"]
    assert [one["table"] for one in listed] == sorted(one["table"] for one in listed)
    assert table in [one["table"] for one in listed]


async def test_no_leg_accepted_is_a_502_with_the_reasons(
    console: Console, tables: TableApi, table: str
) -> None:
    for environment in ENVIRONMENTS:
        assert tables.target(environment, table).do("pause", reason="Cleaning").status == 200
    answer = await console.start(table)
    assert (answer.status, answer.round.outcome) == (502, "failed")
    assert answer.round.outcomes == dict.fromkeys(ENVIRONMENTS, "rejected")
    assert answer.round.state == "cancelled"
    assert (await console.client.get(f"/v1/tables/{table}")).json()["open_round"] is None
    refused = await console.result(answer.round.round, **RED)
    assert (refused.status, refused.problem.code) == (409, "round_cancelled")
    assert tables.effects(table, operation="deal") == []


async def test_configuration_is_versioned(console: Console, tables: TableApi) -> None:
    url = "/v1/config/environments/VRS"
    made = document("VRS", tables.port) | {"tables": [{"id": "VRS-001", "type": "sic-bo"}]}
    missing = await console.ask("GET", url)
    assert (missing.status, missing.problem.code) == (404, "unknown_environment")
    first = await console.ask("PUT", url, made)
    assert (first.status, first.headers["etag"]) == (201, '"1"')
    second = await console.ask("PUT", url, made, headers={"if-match": '"1"'})
    assert (second.status, second.headers["etag"]) == (200, '"2"')
    stale = await console.ask("PUT", url, made, headers={"if-match": '"1"'})
    assert (stale.status, stale.problem.code) == (412, "stale_version")
    got = await console.client.get(url)
    assert (got.status_code, got.headers["etag"]) == (200, '"2"')
    body = got.json()
    assert (body["environment"], body["version"], body["author"]) == ("VRS", 2, "admin")
    assert body["config"]["timeouts_ms"]["bet-stop"] == 2000
    target = body["config"]["tables"][0]
    assert (target["table"], target["type"]) == ("VRS-001", "sicbo")
    raced = await asyncio.gather(
        *(console.ask("PUT", url, made, headers={"if-match": '"2"'}) for _ in range(5))
    )
    assert sorted(one.status for one in raced) == [200, 412, 412, 412, 412]
    listed = (await console.client.get("/v1/config/environments")).json()["environments"]
    names = [one["environment"] for one in listed]
    assert names == sorted(names)
    assert {*ENVIRONMENTS, "VRS"} <= {*names}
    # taken out again: it has no pool here
    emptied = await console.ask("PUT", url, made | {"tables": []})
    assert emptied.status == 200
    assert (await console.start("VRS-001")).status == 404


async def test_a_new_table_is_there_at_once(console: Console, tables: TableApi) -> None:
    name = f"NEW-{datetime.now(UTC):%H%M%S%f}"
    for environment in ("CIT", "UAT"):
        url = f"/v1/config/environments/{environment}"
        config = (await console.client.get(url)).json()["config"]
        config["tables"].append({"id": name, "type": "speed_roulette"})
        assert (await console.ask("PUT", url, config)).status == 200
    round_ = await console.play(name)
    assert [leg.environment for leg in round_.legs] == ["CIT", "UAT"]
    assert len(tables.effects(name)) == 8
