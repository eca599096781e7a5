"""Replicas that die, replicas that go, a database away: nothing is lost or happens twice."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from fleetkit import migrations
from fleetkit.testing import eventually
from ledger.domain.commands import Kind

Desk = Any
FOLDER = Path(__file__).resolve().parents[3] / "postgres" / "migrations"


async def test_what_a_killed_replica_had_in_flight_is_looked_at_by_another(desk: Desk) -> None:
    await desk.configure(timeouts={"start": 5000})
    doomed = await desk.launch(1)
    desk.fault("hang", "start", effect="after")
    desk.fault("hang", "start", "UNSENT")
    written = await desk.start("ARO-001", "UNSENT", lease_s=4)
    round_id = written.leases[0].round_id
    handing = asyncio.create_task(desk.hand(doomed.client, written.leases))
    await eventually(lambda: desk.asked("start") == 2)
    doomed.process.kill()
    came = (await asyncio.gather(handing, return_exceptions=True))[0]
    assert isinstance(came, httpx.TransportError)
    assert set((await desk.states(round_id, Kind.START)).values()) == {"sending"}
    async with desk.replica(2):
        states = await desk.settled(round_id, Kind.START)
    assert states == {"ARO-001": "accepted", "UNSENT": "accepted"}
    for code, operations in (("ARO-001", ["get"]), ("UNSENT", ["get", "start"])):
        made = await desk.attempts(round_id, Kind.START, code)
        assert [each["operation"] for each in made if each["operation"] != "sessions"] == operations
        assert {each["instance"] for each in made} == {"table-service-cit-2"}
        assert len(desk.effects("start", code)) == 1


async def test_told_to_go_a_replica_finishes_what_runs(desk: Desk) -> None:
    await desk.configure(timeouts={"start": 3000})
    leaving = await desk.launch(1)
    for code in ("HANDED", "CARRIED"):
        desk.fault("latency", "start", code, ms=1200)
    handed = await desk.start("HANDED", table="HANDED", lease_s=8)
    carried = await desk.start("CARRIED", table="CARRIED", lease_s=8)
    handing = asyncio.create_task(desk.hand(leaving.client, handed.leases))
    await desk.give_to_courier(carried)
    await eventually(lambda: desk.asked("start") == 2)
    leaving.process.send_signal(signal.SIGTERM)
    answer = await handing
    assert (answer.status_code, answer.json()) == (200, {"settled": 1})
    assert await asyncio.wait_for(leaving.process.wait(), 60) == 0
    for written in (handed, carried):
        states = await desk.states(written.leases[0].round_id, Kind.START)
        assert set(states.values()) == {"accepted"}
    assert len(desk.effects("start", "HANDED")) == len(desk.effects("start", "CARRIED")) == 1


async def test_a_database_that_goes_away_loses_nothing(
    make_desk: Callable[..., Awaitable[Desk]], spare_postgres: Any, redis_url: str
) -> None:
    await migrations.apply(spare_postgres.url(), FOLDER)
    owner, service = (spare_postgres.url(role=f"pitboss_{r}") for r in ("owner", "table_service"))
    desk = await make_desk(owner, service, redis_url)
    await desk.configure(timeouts={"start": 5000})
    desk.fault("latency", "start", ms=2500)
    written = await desk.start("ARO-001", "QUICK", lease_s=6)
    round_id = written.leases[0].round_id
    async with desk.replica() as client:
        handing = asyncio.create_task(desk.hand(client, written.leases))

        async def quick() -> bool:
            states = await desk.states(round_id, Kind.START)
            return bool(states["QUICK"] == "accepted")

        await eventually(quick)
        await spare_postgres.stop()
        try:
            answer = await handing
            assert answer.status_code == 503
            assert answer.headers["content-type"].startswith("application/problem+json")
        finally:
            await spare_postgres.start()
        again = await make_desk(owner, service, redis_url)
        desk.conn = again.conn
        states = await desk.settled(round_id, Kind.START)
    assert states == {"ARO-001": "accepted", "QUICK": "accepted"}
    assert len(desk.effects("start")) == len(desk.effects("start", "QUICK")) == 1
    made = await desk.attempts(round_id, Kind.START)
    assert made[-1]["operation"] == "get"
