import asyncio
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import asyncpg
import pytest

from ledger.domain.commands import Kind
from ledger.domain.feed import Wanted
from ledger.store import breakers, events, feed, repairs
from ledger.store.breakers import Target

Ledger = Any
EVERYTHING = 1_000_000


async def _write(ledger: Ledger, number: int, **of: Any) -> None:
    await events.publish(ledger.conn, type="config.changed", data={"number": number}, **of)


async def _numbers(ledger: Ledger) -> list[Any]:
    found = await feed.read(ledger.conn, after=0, until=EVERYTHING)
    assert [event.seq for event in found] == [*range(1, len(found) + 1)]
    return [event.data["number"] for event in found]


async def test_what_commits_late_is_told_late_and_not_left_out(ledger: Ledger) -> None:
    held, gateway = await ledger.another(), await ledger.another("pitboss_gateway")
    late = held.conn.transaction()
    await late.start()
    await _write(held, 1)
    await _write(ledger, 2)
    assert await feed.publish(gateway.conn) == 1
    assert await _numbers(gateway) == [2]
    await _write(ledger, 3)
    assert await feed.publish(gateway.conn) == 2
    assert await feed.publish(gateway.conn) is None
    await late.commit()
    assert await feed.publish(gateway.conn) == 3
    assert await _numbers(gateway) == [2, 3, 1]
    assert await feed.publish(gateway.conn) is None


async def test_what_is_rolled_back_leaves_no_hole(ledger: Ledger) -> None:
    given_up = ledger.conn.transaction()
    await given_up.start()
    await _write(ledger, 1)
    await given_up.rollback()
    await _write(ledger, 2)
    assert await feed.publish(ledger.conn) == 1
    assert await _numbers(ledger) == [2]


async def test_two_relays_at_once_number_each_event_once_and_in_order(ledger: Ledger) -> None:
    """Each writer's own order is kept, whatever commits beside it and however late."""
    relays = [await ledger.another("pitboss_gateway") for _ in range(2)]
    writers = [await ledger.another() for _ in range(6)]
    writing = True

    async def write(name: int, writer: Ledger) -> None:
        random = Random(name)
        for part in range(12):
            async with writer.conn.transaction():
                for number in range(random.randrange(1, 4)):
                    await _write(writer, name * 10_000 + part * 100 + number)
                    await asyncio.sleep(random.random() / 200)

    async def relay(ours: Ledger) -> None:
        while writing:
            await feed.publish(ours.conn)
            await asyncio.sleep(0)

    publishing = [asyncio.create_task(relay(one)) for one in relays]
    await asyncio.gather(*(write(name, one) for name, one in enumerate(writers, 1)))
    writing = False
    await asyncio.gather(*publishing)
    await feed.publish(ledger.conn)
    told = await _numbers(ledger)
    rows = await ledger.rows("SELECT (data ->> 'number')::int AS number FROM events")
    assert sorted(told) == sorted(row["number"] for row in rows)
    for name in range(1, 7):
        own = [number for number in told if number // 10_000 == name]
        assert own == sorted(own)


async def test_events_from_before_the_feed_are_taken_in_by_the_upgrade(ledger: Ledger) -> None:
    round_id = await ledger.opened()
    await ledger.conn.execute("UPDATE events SET xid = NULL; DELETE FROM feed_state")
    before = await ledger.rows("SELECT type FROM events ORDER BY id")
    assert await ledger.conn.fetchval("SELECT refill_feed()") == len(before)
    await ledger.advance(Kind.BET_STOP, round_id)
    assert await feed.publish(ledger.conn) == len(before) + 1
    found = await feed.read(ledger.conn, after=0, until=EVERYTHING)
    assert [event.type for event in found[:-1]] == [row["type"] for row in before]
    assert (found[-1].type, found[-1].round_id) == ("round.bet_stopped", round_id)


async def test_a_ledger_read_in_from_a_dump_goes_on(ledger: Ledger) -> None:
    gateway = await ledger.another("pitboss_gateway")
    await _write(ledger, 1)
    await feed.publish(gateway.conn)
    assert not await feed.is_foreign(gateway.conn)
    # Another cluster, whose transactions are numbered lower than those of the dump.
    await ledger.conn.execute(
        "UPDATE feed_state SET cluster = 1, snapshot = '900000000:900000000:'"
    )
    await _write(ledger, 2)
    assert await feed.publish(gateway.conn) is None
    assert await feed.is_foreign(gateway.conn)
    await feed.refill(gateway.conn)
    assert not await feed.is_foreign(gateway.conn)
    await _write(ledger, 3)
    assert await feed.publish(gateway.conn) == 3
    assert await _numbers(ledger) == [1, 2, 3]


async def test_one_holds_the_relay_until_its_lease_is_over(ledger: Ledger) -> None:
    conn = (await ledger.another("pitboss_gateway")).conn
    lease = timedelta(minutes=1)
    assert await feed.hold(conn, "gateway-1", lease)
    assert not await feed.hold(conn, "gateway-2", lease)
    assert await feed.hold(conn, "gateway-1", lease)
    await feed.release(conn, "gateway-2")
    assert not await feed.hold(conn, "gateway-2", lease)
    await feed.release(conn, "gateway-1")
    assert await feed.hold(conn, "gateway-2", -lease)
    assert await feed.hold(conn, "gateway-1", lease)


async def test_repairs_are_told_as_what_they_make_of_a_delivery(ledger: Ledger) -> None:
    written = await ledger.start()
    (lease,) = written.leases
    await ledger.settle(lease, "rejected", code="x")
    repair = repairs.Repair(command="01JD0000000000000000000009", actor="op", reason="tried")
    await repairs.reopen(ledger.conn, [lease.id], repair)
    await repairs.skip(ledger.conn, [lease.id], repair)
    await feed.publish(ledger.conn)
    found = await feed.read(ledger.conn, after=1, until=EVERYTHING)
    assert [(event.type, event.data["state"]) for event in found] == [
        ("delivery.settled", "rejected"),
        ("delivery.deferred", "unknown"),
        ("delivery.settled", "skipped"),
    ]
    history = await ledger.rows("SELECT type FROM events ORDER BY id")
    assert [row["type"] for row in history][-2:] == ["leg.retried", "leg.skipped"]


async def test_only_what_is_asked_for_is_read(ledger: Ledger) -> None:
    for number, (table, environment) in enumerate(
        [("ARO-001", None), ("ARO-001", "PRD"), ("ARO-002", "PRD"), (None, "CIT"), (None, None)]
    ):
        await _write(ledger, number, table=table, environment=environment)
    await feed.publish(ledger.conn)
    every = await feed.read(ledger.conn, after=0, until=EVERYTHING)
    for wanted, expected in (
        (Wanted(), [0, 1, 2, 3, 4]),
        (Wanted(tables=frozenset({"ARO-001"})), [0, 1]),
        (Wanted(environments=frozenset({"PRD"})), [0, 1, 2]),
        (Wanted(environments=frozenset({"CIT"})), [0, 3]),
        (Wanted(types=frozenset({"alert.raised"})), []),
        (Wanted(frozenset({"ARO-002"}), frozenset({"PRD", "CIT"})), [2]),
    ):
        found = await feed.read(ledger.conn, after=0, until=EVERYTHING, wanted=wanted)
        assert [event.data["number"] for event in found] == expected
        assert [event for event in every if wanted.takes(event)] == found


async def test_a_type_that_is_none_is_not_written(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match=r"leg\.skipped"):
        await events.publish(ledger.conn, type="leg.skipped")


async def test_the_feed_is_written_by_its_function_only(ledger: Ledger) -> None:
    for role in ("pitboss_gateway", "pitboss_table_service"):
        other = await ledger.another(role)
        for statement in (
            "INSERT INTO feed VALUES (1, 1, 'x')",
            "DELETE FROM feed",
            "UPDATE feed SET seq = 9",
            "UPDATE feed_state SET seq = 9",
            "UPDATE events SET xid = NULL",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await other.conn.execute(statement)


async def test_a_breaker_that_many_notice_is_told_once(ledger: Ledger) -> None:
    replicas = [await ledger.another("pitboss_table_service") for _ in range(4)]
    target = Target("PRD", "ARO-001", "ARO-001")
    began = datetime.now(UTC)

    async def open_all(at: datetime) -> None:
        await asyncio.gather(
            *(
                breakers.note_open(one.conn, target, opened_at=at, instance=f"table-service-{n}")
                for n, one in enumerate(replicas)
            )
        )

    async def close_all(at: datetime) -> None:
        await asyncio.gather(*(breakers.note_closed(one.conn, target, at=at) for one in replicas))

    await close_all(began)
    await open_all(began)
    await open_all(began)
    await close_all(began + timedelta(seconds=5))
    # One that has not heard of the closing confirms what it knows.
    await open_all(began + timedelta(seconds=1))
    await open_all(began + timedelta(seconds=9))
    gateway = await ledger.another("pitboss_gateway")
    await breakers.forget(gateway.conn, unseen_for=timedelta(hours=1))
    await breakers.forget(gateway.conn, unseen_for=timedelta(seconds=-1))
    rows = await ledger.rows("SELECT * FROM events ORDER BY id")
    assert [row["type"] for row in rows] == ["breaker.opened", "breaker.closed"] * 2
    assert {(row["table_id"], row["environment"]) for row in rows} == {("ARO-001", "PRD")}
