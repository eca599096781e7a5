"""`./manage.sh verify`: what the ledger promises, checked on the running fleet's own rows."""

import json
from typing import Any

import pytest

from fleet.console import RESULTS, Console
from fleet.floor import Floor
from fleet.rig import Fleet
from fleet.tableapi import TableApi

RED = RESULTS["speed_roulette"]
NO_ROUND = "01JD0000000000000000000000"


async def round_with_trouble(console: Console, tables: TableApi, table: str) -> str:
    """Play a round of which one answer was lost and one leg was cancelled late."""
    tables.fail("reset_after", environment="CIT", table=table, operation="start", count=1)
    round_ = await console.settled((await console.start(table)).round.round)
    answer = await console.repair("cancel", f"UAT/{table}", round_.round, reason="Camera is out.")
    assert answer.status in (200, 202), answer.content
    for name, body in (("bet-stop", {}), ("result", RED), ("finish", {})):
        assert (await console.command(name, round_.round, **body)).status in (200, 207)
    assert (await console.settled(round_.round)).state == "finished"
    return round_.round


async def shown(fleet: Fleet, *arguments: str) -> tuple[int, dict[str, Any]]:
    said = await fleet.manage("verify", "--json", *arguments)
    found: dict[str, Any] = json.loads(said.out)
    return said.code, found


async def sql(fleet: Fleet, statement: str) -> None:
    said = await fleet.manage("psql", "-v", "ON_ERROR_STOP=1", "-c", statement)
    assert said.code == 0, said


async def test_all_that_was_played_holds(
    fleet: Fleet, console: Console, tables: TableApi, floor: Floor
) -> None:
    await console.play(floor.take())
    round_id = await round_with_trouble(console, tables, floor.take())
    said = await fleet.manage("verify")
    assert (said.code, said.err) == (0, ""), said
    lines = said.out.splitlines()
    assert {line[:4] for line in lines[:-1]} == {"ok  "}
    assert lines[-1].endswith("all checks hold.")

    code, found = await shown(fleet, "--round", round_id)
    assert (code, found["ok"], found["rounds"]) == (0, True, 1)
    assert all(check["ok"] and check["rows"] == [] for check in found["checks"])


async def test_the_tables_own_account_agrees(
    fleet: Fleet, console: Console, tables: TableApi, table: str
) -> None:
    round_id = await round_with_trouble(console, tables, table)
    simulator = f"http://127.0.0.1:{tables.port}"
    for scope in (("--round", round_id), ("--since", "2020-01-01T00:00:00Z")):
        code, found = await shown(fleet, "--simulator", simulator, *scope)
        broken = [check for check in found["checks"] if not check["ok"]]
        assert (code, broken) == (0, [])
        compared = {check["name"] for check in found["checks"]}
        assert {"one_effect_per_command", "accepted_took_effect", "effects_in_order"} <= compared


@pytest.mark.parametrize(
    ("check", "tamper", "mend"),
    [
        (
            "chain_is_whole",
            """UPDATE events SET data = data || '{"tampered": true}'
               WHERE round_id = '{}' AND number = 1""",
            "UPDATE events SET data = data - 'tampered' WHERE round_id = '{}' AND number = 1",
        ),
        (
            "rows_follow_from_history",
            "UPDATE rounds SET state = 'cancelled' WHERE id = '{}'",
            "UPDATE rounds SET state = 'finished' WHERE id = '{}'",
        ),
        (
            "one_result_per_round",
            """UPDATE deliveries SET body = '{"roulette": "8"}'
               WHERE round_id = '{}' AND kind = 'result' AND environment = 'CIT'""",
            """UPDATE deliveries SET body = '{"roulette": "17"}'
               WHERE round_id = '{}' AND kind = 'result' AND environment = 'CIT'""",
        ),
    ],
)
async def test_what_was_tampered_with_is_named(
    fleet: Fleet, console: Console, table: str, *, check: str, tamper: str, mend: str
) -> None:
    round_id = (await console.play(table)).round
    assert await console.history(round_id), "its events are sealed"
    assert (await shown(fleet, "--round", round_id))[0] == 0
    await sql(fleet, tamper.replace("'{}'", f"'{round_id}'"))
    try:
        said = await fleet.manage("verify", "--round", round_id)
        assert said.code == 1, said
        failed = [line for line in said.out.splitlines() if line.startswith("FAIL")]
        assert any(check in line for line in failed), said.out
        assert "do not hold" in said.out.splitlines()[-1]
        code, found = await shown(fleet)
        assert (code, found["ok"]) == (1, False)
        [broken] = [one for one in found["checks"] if one["name"] == check]
        assert not broken["ok"]
        assert round_id in json.dumps(broken["rows"])
    finally:
        await sql(fleet, mend.replace("'{}'", f"'{round_id}'"))
    assert (await shown(fleet))[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--round", "x"),
        ("--round", NO_ROUND),
        ("--round", NO_ROUND.lower()),
        ("--since", "yesterday"),
        ("--simulator", "127.0.0.1:1"),
        ("--simulator", "ftp://127.0.0.1:1"),
        ("--none",),
        ("one",),
    ],
)
async def test_wrong_use_is_refused(fleet: Fleet, arguments: tuple[str, ...]) -> None:
    said = await fleet.manage("verify", *arguments)
    assert (said.code, said.out) == (2, ""), said
    assert said.err


async def test_a_simulator_that_is_away(fleet: Fleet) -> None:
    said = await fleet.manage("verify", "--simulator", "http://127.0.0.1:1")
    assert (said.code, said.out) == (3, ""), said
