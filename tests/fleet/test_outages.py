"""Parts of the fleet die or stop in the middle of work: nothing vanishes, nothing comes twice."""

import asyncio
import signal
from functools import partial

import psutil
import pytest

from fleet.console import RESULTS, Answer, Console, new_key
from fleet.floor import Floor
from fleet.rig import ENVIRONMENTS, Fleet
from fleet.tableapi import TableApi
from fleetkit.testing import eventually

ONCE = dict.fromkeys(ENVIRONMENTS, 1)
ACCEPTED = dict.fromkeys(ENVIRONMENTS, "accepted")
RED = RESULTS["speed_roulette"]
OPERATIONS = ("start", "bet-stop", "deal", "finish")


@pytest.fixture(autouse=True)
async def _whole(fleet: Fleet, console: Console) -> None:
    assert console
    await fleet.whole()


async def finish(console: Console, tables: TableApi, round_id: str) -> None:
    """Bring a round to its end and find each effect once."""
    before = await console.settled(round_id, within_s=90)
    if before.result is None:
        assert (await console.result(round_id, **RED)).status in (200, 202, 207)
        await console.settled(round_id, within_s=90)
    assert (await console.finish(round_id)).status in (200, 202, 207)
    done = await console.settled(round_id, within_s=90)
    assert (done.state, done.outcome, done.outcomes) == ("finished", "complete", ACCEPTED)
    for environment in ENVIRONMENTS:
        happened = tables.effects(done.table, environment)
        assert tuple(one.operation for one in happened) == OPERATIONS
        assert {one.round for one in happened} == {done.leg(environment).external_round_id}


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("name", ["start", "result"])
async def test_a_replica_killed_with_calls_in_flight(
    fleet: Fleet, console: Console, tables: TableApi, floor: Floor, *, name: str, side: str
) -> None:
    """Whether the calls had taken effect or not, each takes effect once in the end."""
    names, pool = [floor.take() for _ in range(3)], await fleet.pool("table-service-stg")
    operation = "deal" if name == "result" else "start"
    rounds = {} if name == "start" else {one: (await console.opened(one)).round for one in names}
    for one in rounds.values():
        assert (await console.bet_stop(one)).status == 200
    faults = [
        tables.fail("hang", environment="STG", table=one, operation=operation, effect=side)
        for one in names
    ]
    asking = [
        asyncio.create_task(
            console.start(one, deadline_ms=60_000, wait_ms=500)
            if name == "start"
            else console.result(rounds[one], wait_ms=500, **RED)
        )
        for one in names
    ]
    await eventually(lambda: all(map(tables.struck, faults)))
    for process in pool:
        process.kill()
    tables.heal()
    for answer in await asyncio.gather(*asking):
        assert answer.status in (202, 207), answer.content
        assert answer.round.leg("STG").last.outcome in ("pending", "unknown")
        done = await console.settled(answer.round.round, within_s=60)
        assert done.outcomes == ACCEPTED
        assert tables.counts(done.table, operation) == ONCE
        await finish(console, tables, done.round)


async def all_but_uat(console: Console, round_id: str) -> bool:
    return (await console.read(round_id)).outcomes == {**ACCEPTED, "UAT": "pending"}


async def test_a_pool_that_is_down_altogether(
    fleet: Fleet, console: Console, tables: TableApi, floor: Floor
) -> None:
    """The others are served as ever; what is meant for it is sent when it is back."""
    dealt, free = (await console.opened(floor.take())).round, floor.take()
    pool = await fleet.pool("table-service-uat")
    for process in pool:
        process.kill(signal.SIGSTOP)
    try:
        answer = await console.result(dealt, wait_ms=1000, **RED)
        started = await console.start(free, wait_ms=1000, deadline_ms=20_000)
        assert {answer.status, started.status} <= {202, 207}
        for round_id in (dealt, started.round.round):
            await eventually(partial(all_but_uat, console, round_id))
        assert tables.counts(free, "start") == {**ONCE, "UAT": 0}
    finally:
        for process in pool:
            process.kill(signal.SIGCONT)
    done = await console.settled(dealt)
    assert done.outcomes == ACCEPTED
    assert tables.counts(done.table, "deal") == ONCE
    await finish(console, tables, dealt)
    # the start had a deadline: it is adopted, or it did not take place
    late = await console.settled(started.round.round)
    took = late.leg("UAT").last.outcome == "accepted"
    assert tables.counts(free, "start")["UAT"] == int(took)
    assert (await console.cancel(late.round)).status in (200, 207)


async def test_a_pool_that_is_killed_again_and_again(
    fleet: Fleet, console: Console, tables: TableApi, table: str
) -> None:
    round_ = (await console.opened(table)).round
    assert (await console.bet_stop(round_)).status == 200
    for process in await fleet.pool("table-service-cit"):
        process.kill()
    answer = await console.result(round_, wait_ms=200, **RED)
    assert answer.status in (202, 207)
    assert answer.round.leg("CIT").last.outcome == "pending"
    for _ in range(2):
        for process in await fleet.pool("table-service-cit"):
            if process.pid is not None:
                process.kill()
    await fleet.whole()
    await finish(console, tables, round_)


async def test_all_that_a_restart_could_forget_is_remembered(
    fleet: Fleet, console: Console, tables: TableApi, table: str
) -> None:
    """The round, its result and the pending bet-stop outlive every process that knew of them."""
    tables.arrange_all(table, bet_period_s=3)
    round_ = await console.opened(table)
    for service in ("gateway", "table-service-prd"):
        for process in await fleet.pool(service):
            process.kill()
    await eventually(lambda: tables.counts(table, "bet-stop") == ONCE, within_s=60)
    await fleet.whole()
    assert (await console.in_state(round_.round, "bet_stopped")).states["PRD"] == "bet_stopped"
    await finish(console, tables, round_.round)


async def test_a_gateway_killed_with_a_command_under_way(
    fleet: Fleet, console: Console, tables: TableApi, table: str
) -> None:
    round_ = (await console.opened(table)).round
    assert (await console.bet_stop(round_)).status == 200
    gateway = await fleet.one("gateway")
    fault = tables.fail("latency", table=table, operation="deal", ms=1800)
    key = new_key()
    asking = asyncio.create_task(console.result(round_, key=key, **RED))
    await eventually(lambda: tables.struck(fault) == len(ENVIRONMENTS))
    gateway.kill()
    assert (await asking).status == 502

    answers: list[Answer] = []

    async def again() -> bool:
        answers.append(await console.result(round_, key=key, **RED))
        return answers[-1].status in (200, 202, 207)

    await eventually(again, within_s=60)
    assert answers[-1].round.result == RED
    await fleet.whole()
    await finish(console, tables, round_)


async def test_postgres_killed(
    fleet: Fleet, console: Console, tables: TableApi, floor: Floor
) -> None:
    """Without the ledger nothing is sent and a sentence says so; then all goes on by itself."""
    running, idle = (await console.opened(floor.take())).round, floor.take()
    before = {p.instance: p.pid for p in (await fleet.status()).values()}
    postgres = await fleet.one("postgres")
    postgres.kill(signal.SIGSTOP)  # away for as long as the test wants
    for child in psutil.Process(postgres.pid).children():
        child.kill()
    sent = tables.sent()
    try:
        answer = await console.start(idle)
        assert (answer.status, answer.headers["retry-after"] >= "1") == (503, True)
        assert answer.problem.detail.endswith(".")
        refused = await console.result(running, **RED)
        assert refused.status == 503
        assert tables.sent() == sent
    finally:
        postgres.kill(signal.SIGKILL)

    answers: list[Answer] = []

    async def goes_on() -> bool:
        answers.append(await console.start(idle, deadline_ms=60_000))
        assert answers[-1].status in (503, 201, 202, 207), answers
        return answers[-1].status != 503

    await eventually(goes_on, within_s=60)
    await finish(console, tables, answers[-1].round.round)
    await finish(console, tables, running)
    await fleet.whole()
    after = {p.instance: p.pid for p in (await fleet.status()).values()}
    assert {name for name in before if before[name] != after[name]} == {"postgres"}


async def test_valkey_killed(
    fleet: Fleet, console: Console, tables: TableApi, floor: Floor
) -> None:
    """Stopped, which is worse than dead, then killed: commands work all the same."""
    known, fresh = floor.take(), floor.take()
    await console.play(known)
    valkey = await fleet.one("redis")
    valkey.kill(signal.SIGSTOP)
    try:
        await console.play(known)
        await console.play(fresh)
        gateway = await fleet.one("gateway")
        assert gateway.state == "ready"
    finally:
        valkey.kill(signal.SIGKILL)
    await console.play(known)
    assert tables.counts(known, "finish") == dict.fromkeys(ENVIRONMENTS, 3)
    assert tables.counts(fresh, "start") == ONCE


async def test_nginx_worker_killed(
    fleet: Fleet, console: Console, tables: TableApi, floor: Floor
) -> None:
    """Connections break, so a console asks again under its key; nothing is done twice."""
    names = [floor.take() for _ in range(4)]
    master = psutil.Process((await fleet.one("nginx")).pid)
    keys = {name: new_key() for name in names}
    faults = [tables.fail("latency", table=one, operation="start", ms=500) for one in names]

    async def start(name: str) -> Answer:
        async def ask() -> Answer:
            answer = await console.start(name, key=keys[name])
            assert answer.status in (201, 202, 207), answer
            return answer

        return await eventually(ask, within_s=60)

    asking = [asyncio.create_task(start(name)) for name in names]
    await eventually(lambda: all(map(tables.struck, faults)))
    for worker in master.children():
        worker.kill()
    for answer in await asyncio.gather(*asking):
        await console.settled(answer.round.round)
        assert tables.counts(answer.round.table, "start") == ONCE
        tables.heal()
        await finish(console, tables, answer.round.round)
    assert master.is_running()
