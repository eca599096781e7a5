import asyncio
import hashlib
from typing import Any

import asyncpg
import pytest

from ledger.domain.commands import Kind
from ledger.store import config
from ledger.store.rounds import conclude

Ledger = Any

TABLES = (
    "config_versions",
    "keys",
    "rounds",
    "commands",
    "idempotency",
    "legs",
    "deliveries",
    "attempts",
    "events",
    "logins",
    "audit",
)
FORBIDDEN = {
    "pitboss_gateway": [
        "INSERT INTO attempts (delivery_id) VALUES ('x')",
        "UPDATE attempts SET fenced = true",
        "DELETE FROM attempts",
        "UPDATE events SET data = '{}'",
        "DELETE FROM events",
        "UPDATE config_versions SET author = 'x'",
        "DELETE FROM config_versions",
        "UPDATE commands SET body = '{}'",
        "DELETE FROM rounds",
        "DELETE FROM deliveries",
        "DELETE FROM keys",
        "UPDATE keys SET role = 'admin'",
        "UPDATE keys SET tables = NULL",
        "UPDATE audit SET actor = 'x'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "UPDATE logins SET key_hash = hash",
        "TRUNCATE events",
        "CREATE TABLE mine (id int)",
    ],
    "pitboss_log_service": [
        "UPDATE logs SET message = 'x'",
        "DELETE FROM logs",
        "TRUNCATE logs",
        "DROP TABLE logs",
        "CREATE TABLE logs_mine PARTITION OF logs DEFAULT",
        "UPDATE keys SET role = 'admin'",
        "INSERT INTO keys (id) VALUES ('x')",
        "SELECT actor FROM audit",
        "SELECT body FROM commands",
        "SELECT state FROM deliveries",
        "SELECT document FROM config_versions",
        "UPDATE rounds SET state = 'finished'",
    ],
    "pitboss_table_service": [
        "INSERT INTO config_versions (environment) VALUES ('CIT')",
        "UPDATE config_versions SET author = 'x'",
        "DELETE FROM config_versions",
        "SELECT hash FROM keys",
        "INSERT INTO keys (id) VALUES ('x')",
        "SELECT hash FROM logins",
        "SELECT actor FROM audit",
        "INSERT INTO audit (actor) VALUES ('x')",
        "UPDATE keys SET role = 'admin'",
        "INSERT INTO commands (id) VALUES ('x')",
        "INSERT INTO rounds (id) VALUES ('x')",
        "INSERT INTO legs (round_id) VALUES ('x')",
        "SELECT answer FROM idempotency",
        "UPDATE attempts SET fenced = true",
        "DELETE FROM attempts",
        "UPDATE events SET data = '{}'",
        "DELETE FROM events",
        "DELETE FROM deliveries",
        "DROP TABLE deliveries",
    ],
}
ILLEGAL = [
    ("deliveries", "state = 'pending'"),
    ("deliveries", "state = 'accepted'"),
    ("deliveries", "token = NULL"),
    ("deliveries", "lease_until = NULL"),
    ("deliveries", "settled_at = now()"),
    ("deliveries", "state = 'rejected', token = NULL, lease_until = NULL"),
    ("deliveries", "state = 'unknown', token = NULL, lease_until = NULL, settled_at = now()"),
    ("deliveries", "state = 'lost'"),
    ("rounds", "state = 'dealt'"),
    ("rounds", "state = 'finished', ended_at = now()"),
    ("rounds", "state = 'cancelled'"),
    ("rounds", "ended_at = now()"),
    ("legs", "state = 'opened'"),
    ("legs", "state = 'bet_stopped'"),
]


async def test_the_whole_way_of_a_round_needs_no_more_than_the_two_roles(ledger: Ledger) -> None:
    gateway = await ledger.another("pitboss_gateway")
    replica = await ledger.another("pitboss_table_service")
    target = ledger.target(finish_policy="auto")
    written = await gateway.start(target)
    await replica.accept_start(written.leases[0], bets_s=60)
    round_id = written.leases[0].round_id
    result = await gateway.advance(Kind.RESULT, round_id)
    await replica.settle(result.leases[0])
    while leases := await replica.claim():
        await replica.settle(leases[0], alert=True)
    await conclude(replica.conn, [round_id])
    assert (await gateway.round(round_id))["state"] == "finished"
    assert await replica.conn.fetchval("SELECT seal_events($1)", round_id) > 0
    assert await replica.conn.fetchval("SELECT ensure_partitions()") == 0


@pytest.mark.parametrize("role", sorted(FORBIDDEN))
async def test_a_role_may_do_its_own_work_only(ledger: Ledger, role: str) -> None:
    service = await ledger.another(role)
    for statement in FORBIDDEN[role]:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            pytest.fail(f"{role} did: {statement} {await service.conn.execute(statement)}")


async def test_the_gateway_reads_all_of_the_ledger(ledger: Ledger) -> None:
    gateway = await ledger.another("pitboss_gateway")
    for name in TABLES:
        await gateway.rows(f"SELECT * FROM {name}")  # noqa: S608


async def test_no_row_claims_what_it_lacks(ledger: Ledger) -> None:
    await ledger.start()
    for table, change in ILLEGAL:
        with pytest.raises(asyncpg.CheckViolationError):
            pytest.fail(await ledger.conn.execute(f"UPDATE {table} SET {change}"))  # noqa: S608


async def test_one_delivery_of_a_target_is_in_flight_at_most(ledger: Ledger) -> None:
    await ledger.start(ledger.target("CIT", "A"), table="A")
    second = await ledger.start(ledger.target("CIT", "A"), table="B")
    assert second.leases == ()
    with pytest.raises(asyncpg.UniqueViolationError, match="deliveries_one_in_flight"):
        await ledger.conn.execute(
            """UPDATE deliveries SET state = 'sending', token = gen_random_uuid(),
                      lease_until = now() WHERE state = 'pending'"""
        )


async def test_a_round_has_one_result_whoever_writes_it(ledger: Ledger) -> None:
    round_id = await ledger.dealt()
    with pytest.raises(asyncpg.UniqueViolationError, match="commands_once"):
        await ledger.conn.execute(
            """INSERT INTO commands (id, round_id, table_id, kind, body, actor, deadline_at)
               VALUES ('x', $1, 'ARO-001', 'result', '{}', 'x', now())""",
            round_id,
        )


async def verify(ledger: Ledger, round_id: str) -> int:
    """Recompute the chain of a round from its rows alone; gives how many events it holds."""
    rows = await ledger.rows(
        """SELECT number, prev_hash, hash,
                  concat_ws('|', number, round_id, type, extract(epoch FROM at), data::text) AS said
           FROM events WHERE round_id = $1 ORDER BY number""",
        round_id,
    )
    before: bytes | None = None
    for place, row in enumerate(rows, 1):
        assert row["number"] == place
        assert row["prev_hash"] == before
        before = hashlib.sha256((before or b"") + row["said"].encode()).digest()
        assert row["hash"] == before
    return len(rows)


async def test_sealed_events_make_a_chain_without_a_gap(ledger: Ledger) -> None:
    round_id = await ledger.dealt()
    assert await ledger.conn.fetchval("SELECT seal_events($1)", round_id) == 6
    finish = await ledger.advance(Kind.FINISH, round_id)
    await ledger.settle(finish.leases[0])
    assert await ledger.conn.fetchval("SELECT seal_events($1)", round_id) == 2
    assert await ledger.conn.fetchval("SELECT seal_events($1)", round_id) == 0
    assert await verify(ledger, round_id) == 8


async def test_a_changed_event_breaks_the_chain(ledger: Ledger) -> None:
    round_id = await ledger.dealt()
    await ledger.conn.fetchval("SELECT seal_events($1)", round_id)
    await ledger.conn.execute(
        """UPDATE events SET data = data || '{"roulette": "8"}' WHERE type = 'round.result'"""
    )
    with pytest.raises(AssertionError):
        await verify(ledger, round_id)


async def test_sealers_that_race_with_writers_leave_one_whole_chain(ledger: Ledger) -> None:
    round_id = await ledger.opened()
    sealers = [await ledger.another("pitboss_gateway") for _ in range(3)]
    writers = [await ledger.another("pitboss_table_service") for _ in range(3)]

    async def write(writer: Ledger) -> None:
        for number in range(20):
            await writer.conn.execute(
                """INSERT INTO events (round_id, table_id, type, data)
                   VALUES ($1, 'ARO-001', 'alert.raised', jsonb_build_object('n', $2::int))""",
                round_id,
                number,
            )

    async def seal(sealer: Ledger) -> int:
        return sum(
            [await sealer.conn.fetchval("SELECT seal_events($1)", round_id) for _ in range(15)]
        )

    await asyncio.gather(*map(write, writers), *map(seal, sealers))
    await seal(sealers[0])
    assert await verify(ledger, round_id) == 2 + 60


async def test_configuration_is_versioned_and_two_writers_do_not_overwrite(ledger: Ledger) -> None:
    gateway = await ledger.another("pitboss_gateway")
    document = ledger.target("CIT").environment
    first = await config.put(gateway.conn, document, author="a", reason=None, expected=None)
    second = await config.put(gateway.conn, document, author="a", reason="r", expected=1)
    stale = await config.put(gateway.conn, document, author="b", reason=None, expected=1)
    assert (first, second, stale) == (1, 2, None)
    newest = await config.get(gateway.conn, "CIT")
    assert newest is not None
    assert (newest.version, newest.reason, newest.document) == (2, "r", document)
    old = await config.get(gateway.conn, "CIT", 1)
    assert old is not None
    assert old.reason is None
    assert await config.get(gateway.conn, "CIT", 9) is None
    assert await config.numbers(gateway.conn) == {"CIT": 2}
    assert [version.version for version in await config.latest(gateway.conn)] == [2]
