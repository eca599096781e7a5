"""The verifier holds on what the ledger writes, and names what is broken behind its back."""

# ruff: noqa: E501  # SQL keeps its own lines

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleetkit import ids
from ledger.domain.commands import Kind
from ledger.domain.deliveries import Attempt, Opened
from ledger.store import events, rounds
from ledger.verify.running import Scope, Verdict, verify

Ledger = Any


async def broken(ledger: Ledger, scope: Scope | None = None) -> set[str]:
    verdict: Verdict = await verify(ledger.conn, scope or Scope())
    return {finding.check.name for finding in verdict.findings if not finding.ok}


async def finished(ledger: Ledger) -> str:
    """Play a whole round on two legs, one of which failed; seal it."""
    written = await ledger.start(ledger.target("CIT"), ledger.target("UAT"), ledger.target("STG"))
    cit, uat, stg = written.leases
    await ledger.accept_start(cit, bets_s=0.05)
    await ledger.accept_start(uat, bets_s=60)
    await ledger.settle(stg, "rejected", code="13007", detail="paused")
    for kind in (Kind.BET_STOP, Kind.RESULT, Kind.FINISH):
        for lease in (await ledger.advance(kind, cit.round_id)).leases:
            await ledger.settle(lease)
    await rounds.conclude(ledger.conn, [cit.round_id])
    await events.seal(ledger.conn, cit.round_id)
    round_id: str = cit.round_id
    return round_id


async def test_all_holds_on_what_the_ledger_writes(ledger: Ledger) -> None:
    await finished(ledger)
    round_id = await ledger.opened(ledger.target("CIT"), bets_s=60, number="r2")
    cancel = await ledger.advance(Kind.CANCEL, round_id)
    await ledger.settle(cancel.leases[0])
    late = await ledger.start(ledger.target("CIT"))
    (lease,) = late.leases
    opened = Opened("late", 15, None, auto_bet_stop=True)
    await ledger.settle(lease, "expired", code="late_start", opened=opened, cancel_late=True)
    await rounds.conclude(ledger.conn, [lease.round_id])
    verdict = await verify(ledger.conn, Scope())
    assert [finding for finding in verdict.findings if not finding.ok] == []
    assert {finding.check.invariant for finding in verdict.findings} == {*range(1, 11)}
    assert verdict.rounds == 3
    assert verdict.unsealed > 0


TAMPERED = [
    (
        "result_meets_every_leg",
        "DELETE FROM deliveries WHERE kind = 'result' AND environment = 'CIT'",
    ),
    (
        "leg_state_was_accepted",
        "DELETE FROM deliveries WHERE kind = 'finish' AND environment = 'CIT'",
    ),
    (
        "undelivered_result_says_why",
        "UPDATE deliveries SET state = 'expired' WHERE kind = 'result' AND environment = 'CIT'",
    ),
    (
        "accepted_once",
        """INSERT INTO attempts SELECT at + interval '1 ms', delivery_id, operation, instance, outcome, cause,
                  http_status, code, detail, latency_ms, true
           FROM attempts WHERE operation = 'finish'""",
    ),
    (
        "late_start_is_answered_for",
        "UPDATE legs SET external_round_id = 'r7' WHERE environment = 'STG'",
    ),
    (
        "no_start_begun_late",
        "UPDATE deliveries SET deadline_at = deadline_at - interval '1 minute' WHERE kind = 'start'",
    ),
    (
        "table_round_belongs_to_one_leg",
        """INSERT INTO legs (round_id, environment, game_code, served_by, config_version, position, required,
                  bet_stop, finish_policy, deal_to_finish_ms, timecode_offset_ms, external_round_id)
           SELECT round_id, environment, 'other', served_by, 1, 9, false, 'auto', 'manual', 0, 0,
                  external_round_id FROM legs WHERE environment = 'CIT'""",
    ),
    (
        "looked_before_sending_again",
        """INSERT INTO attempts SELECT at - interval '1 ms', delivery_id, operation, instance, 'unknown', 'timeout',
                  null, null, null, 1, false
           FROM attempts WHERE operation = 'finish'""",
    ),
    (
        "legs_go_in_order",
        """UPDATE deliveries SET settled_at = settled_at + interval '1 minute'
           WHERE kind = 'result' AND environment = 'CIT'""",
    ),
    (
        "no_result_before_its_start",
        "UPDATE deliveries SET settled_at = settled_at + interval '1 minute' WHERE kind = 'start'",
    ),
    (
        "nothing_sent_after_a_cancel",
        """UPDATE deliveries SET kind = 'cancel', rank = 4, settled_at = settled_at - interval '1 minute'
           WHERE kind = 'finish'""",
    ),
    ("one_result_per_round", """UPDATE rounds SET result = '{"roulette": "8"}'"""),
    (
        "one_result_per_round",
        """UPDATE deliveries SET body = '{"roulette": "8"}' WHERE kind = 'result' AND environment = 'CIT'""",
    ),
    (
        "retries_stay_in_budget",
        """INSERT INTO attempts SELECT clock_timestamp() + n * interval '10 ms', id, 'deal', 'r1', 'not_sent',
                  'refused', null, null, null, 1, false
           FROM deliveries, generate_series(1, 11) n WHERE kind = 'result' AND environment = 'CIT'""",
    ),
    ("numbers_have_no_gap", "DELETE FROM events WHERE number = 3"),
    ("chain_is_whole", "DELETE FROM events WHERE number = 3"),
    ("chain_is_whole", 'UPDATE events SET data = data || \'{"actor": "x"}\' WHERE number = 1'),
    ("chain_is_whole", "UPDATE events SET at = at + interval '1 us' WHERE number = 2"),
    ("chain_is_whole", "UPDATE events SET hash = sha256('x') WHERE number = 4"),
    (
        "chain_is_whole",
        """UPDATE events e SET hash = o.hash FROM events o
           WHERE e.number IN (2, 3) AND o.number = 5 - e.number""",
    ),
    ("rows_follow_from_history", "DELETE FROM events"),
    ("rows_follow_from_history", "DELETE FROM events WHERE type = 'round.finished'"),
    ("rows_follow_from_history", "UPDATE legs SET state = 'dealt' WHERE environment = 'CIT'"),
    (
        "rows_follow_from_history",
        "UPDATE legs SET external_round_id = 'x' WHERE environment = 'CIT'",
    ),
    ("rows_follow_from_history", "UPDATE rounds SET state = 'cancelled'"),
    ("rows_follow_from_history", "UPDATE events SET data = '{}' WHERE number = 1"),
    (
        "settled_with_evidence",
        "DELETE FROM attempts a USING deliveries d WHERE d.id = a.delivery_id AND d.kind = 'result'",
    ),
    (
        "settled_with_evidence",
        """WITH gone AS (DELETE FROM attempts a USING deliveries d
                         WHERE d.id = a.delivery_id AND d.environment = 'STG')
           DELETE FROM events WHERE environment = 'STG'""",
    ),
    (
        "bets_stop_on_time",
        """UPDATE legs SET bet_stop_at = bet_stop_at - interval '9 s', opened_at = opened_at - interval '9 s';
           UPDATE deliveries SET created_at = created_at - interval '9 s'""",
    ),
    (
        "environments_do_not_wait",
        """UPDATE deliveries SET created_at = created_at - interval '5 s' WHERE kind = 'start';
           UPDATE deliveries SET settled_at = first_sent_at - interval '50 ms',
                                 first_sent_at = created_at + interval '1 ms'
           WHERE kind = 'start' AND environment = 'CIT';
           UPDATE attempts SET latency_ms = 4900""",
    ),
]


@pytest.mark.parametrize(("name", "tampering"), TAMPERED)
async def test_what_breaks_an_invariant_is_named(ledger: Ledger, name: str, tampering: str) -> None:
    await finished(ledger)
    assert await broken(ledger) == set()
    await ledger.conn.execute(tampering)
    assert name in await broken(ledger)


async def test_a_bet_stop_that_never_came_is_named(ledger: Ledger) -> None:
    round_id = await ledger.opened(ledger.target("CIT", bet_stop="driver"), bets_s=0)
    await ledger.conn.execute("UPDATE deliveries SET created_at = created_at - interval '1 s'")
    await ledger.conn.execute(
        "UPDATE legs SET bet_stop_at = now() - interval '1 s', opened_at = now() - interval '2 s'"
    )
    assert await broken(ledger) == {"bets_stop_on_time"}
    await ledger.make_due(round_id)
    (lease,) = await ledger.claim()
    await ledger.settle(lease, "pending", cause="breaker", code="breaker_open")
    assert await broken(ledger) == set()


async def test_retries_of_a_minute_ago_and_new_sessions_spend_no_budget(ledger: Ledger) -> None:
    written = await ledger.start(deadline_s=600)
    (lease,) = written.leases
    began = datetime.now(UTC) - timedelta(minutes=20)
    calls = [
        Attempt(
            began + timedelta(seconds=30 * n + shift),
            name,
            "not_sent",
            "timeout",
            None,
            None,
            None,
            1.0,
        )
        for n in range(20)
        for shift, name in ((0, "start"), (1, "get"), (2, "sessions"), (3, "start"))
    ]
    await ledger.settle(lease, "pending", cause="timeout", attempts=tuple(calls))
    assert await broken(ledger) == set()


async def test_one_round_or_those_since_a_time_are_checked(ledger: Ledger) -> None:
    first = await finished(ledger)
    second = await ledger.opened(ledger.target("CIT"), bets_s=60, number="r2")
    await ledger.conn.execute("UPDATE legs SET served_by = 'x' WHERE round_id = $1", first)
    begun = (await ledger.round(second))["started_at"]
    assert await broken(ledger, Scope(round_id=second)) == set()
    assert await broken(ledger, Scope(since=begun)) == set()
    assert await broken(ledger, Scope(round_id=first)) == {"rows_follow_from_history"}
    assert await broken(ledger, Scope(since=begun - timedelta(minutes=1))) != set()


def run(url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "ledger.verify", *arguments],
        env={**os.environ, "PITBOSS_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_the_command_line_tells_by_its_words_and_its_exit_code(
    ledger: Ledger, database_url_as: Callable[[str], str]
) -> None:
    url = database_url_as("pitboss_gateway")
    round_id = await finished(ledger)
    fine = run(url)
    assert (fine.returncode, fine.stderr) == (0, "")
    assert fine.stdout.endswith("all checks hold.\n")
    await ledger.conn.execute("UPDATE rounds SET result = '{}'")
    bad = run(url, "--round", round_id, "--json")
    assert bad.returncode == 1
    shown = json.loads(bad.stdout)
    checks = {check["name"]: check for check in shown["checks"]}
    assert not shown["ok"]
    assert checks["one_result_per_round"]["count"] == 3
    assert checks["one_result_per_round"]["rows"][0]["round"] == round_id
    assert checks["chain_is_whole"]["ok"]
    text = run(url).stdout
    assert "FAIL  6 one_result_per_round" in text
    assert f"round={round_id}" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["--round", "x"],
        ["--round", ids.new()],
        ["--since", "yesterday"],
        ["--simulator", "localhost"],
        ["--nonsense"],
    ],
)
async def test_wrong_use_is_refused(
    database_url_as: Callable[[str], str], arguments: list[str]
) -> None:
    refused = run(database_url_as("pitboss_gateway"), *arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr


async def test_a_database_or_a_simulator_that_is_away_is_said(
    database_url_as: Callable[[str], str],
) -> None:
    assert run("postgresql://a:b@127.0.0.1:1/pitboss").returncode == 3
    nobody = run(database_url_as("pitboss_gateway"), "--simulator", "http://127.0.0.1:1")
    assert nobody.returncode == 3
    assert "simulator" in nobody.stderr
