"""The real compose file on a real engine, in the order a fleet would live through it."""

import asyncio
import json
import signal
import subprocess
from pathlib import Path

import pytest

from compose.engine import Engine
from fleet.console import RESULTS, Console
from fleet.dealing import dealing
from fleet.dealing import patient as play
from fleet.floor import Floor
from fleet.rig import ENVIRONMENTS, ROOT, Fleet, Process
from fleet.tableapi import TableApi
from fleetkit.testing import eventually
from native.docker.engine import find_compose

POOLS = [f"table-service-{name.lower()}" for name in ENVIRONMENTS]
OTHERS = ("metrics-service", "log-service", "log-worker")
SLOW_S = 120.0


async def ready(fleet: Fleet) -> dict[str, int]:
    """Count the ready replicas of each service."""
    found = [one.service for one in (await fleet.status()).values() if one.state == "ready"]
    return {name: found.count(name) for name in found}


async def counted(fleet: Fleet, count: int) -> None:
    """Wait until the engine, too, has asked each replica for its health."""

    async def look() -> bool:
        found = await ready(fleet)
        return all(found.get(name) == count for name in POOLS)

    await eventually(look, within_s=SLOW_S)


async def one(fleet: Fleet, service: str) -> Process:
    return (await fleet.pool(service))[0]


def compose(fleet: Fleet, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run plain `docker compose`, as somebody without manage.sh would."""
    return subprocess.run(
        [*find_compose(), *arguments],
        env=fleet.environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


async def test_all_is_up_and_the_file_is_without_a_warning(fleet: Fleet) -> None:
    found = await fleet.status()
    assert {one.state for one in found.values()} == {"ready"}, found
    assert {one.service for one in found.values()} == {
        *("nginx", "gateway", "postgres", "redis", "simulator", *OTHERS),
        *POOLS,
    }
    assert all(one.container for one in found.values())
    shown = compose(fleet, "--profile", "*", "config", "--quiet")
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "", "")


async def test_nothing_runs_as_root_or_can_write_its_code(fleet: Fleet, engine: Engine) -> None:
    for each in (await fleet.status()).values():
        assert each.container
        shape = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}"
        assert engine.docker("inspect", "--format", shape, each.container).split() == [
            "true",
            "[ALL]",
            "[no-new-privileges:true]",
        ]
        assert engine.docker("exec", each.container, "id", "-u").strip() != "0", each


async def test_a_round_reaches_five_environments(
    console: Console, tables: TableApi, floor: Floor
) -> None:
    table = floor.take()
    round_ = await play(console, table)
    assert {leg.environment for leg in round_.legs} == set(ENVIRONMENTS)
    for environment in ENVIRONMENTS:
        happened = [each.operation for each in tables.effects(table, environment)]
        assert happened == ["start", "bet-stop", "deal", "finish"]


@pytest.mark.long
async def test_scaling_under_load_fails_no_request(fleet: Fleet, floor: Floor) -> None:
    async with dealing(fleet, floor, play) as load:
        await load.more(3)
        said = await fleet.manage("scale", "table-service=5")
        assert said.code == 0, said
        await counted(fleet, 5)
        await load.more(3)
        said = await fleet.manage("scale", "table-service=2", "gateway=2")
        assert said.code == 0, said
        await load.more(3)
        await counted(fleet, 2)
    assert load.failures == []
    shown = compose(fleet, "logs", "--no-log-prefix", "nginx")
    served = [line for line in shown.stdout.splitlines() if '"server.port":"8080"' in line]
    assert served
    assert not [line for line in served if '"http.response.status_code":"5' in line]


async def test_a_killed_replica_loses_nothing_and_comes_back(fleet: Fleet, floor: Floor) -> None:
    async with dealing(fleet, floor, play) as load:
        await load.more(1)
        killed = await one(fleet, "table-service-prd")
        killed.kill(signal.SIGKILL)
        await load.more(3)
    assert load.failures == []

    async def is_back() -> bool:
        now = (await fleet.status())[killed.instance]
        return now.restarts == 1 and now.state == "ready"

    await eventually(is_back, within_s=SLOW_S)


@pytest.mark.long
async def test_without_redis_rounds_go_on(fleet: Fleet, console: Console, floor: Floor) -> None:
    (await one(fleet, "redis")).kill(signal.SIGKILL)
    await play(console, floor.take())
    await fleet.whole(within_s=SLOW_S)


@pytest.mark.long
async def test_a_restarted_postgres_loses_nothing(
    fleet: Fleet, engine: Engine, console: Console, floor: Floor
) -> None:
    open_round = await console.opened(floor.take())
    server = await one(fleet, "postgres")
    assert server.container
    await asyncio.to_thread(engine.docker, "restart", "--time", "30", server.container)
    await fleet.whole(within_s=SLOW_S)
    answer = await console.result(open_round.round, **RESULTS["speed_roulette"])
    assert answer.status in (200, 202), answer
    settled = await console.settled(open_round.round, within_s=SLOW_S)
    assert set(settled.outcomes.values()) == {"accepted"}
    await play(console, floor.take())


@pytest.mark.long
async def test_an_environment_without_its_pool_moves_no_other(
    fleet: Fleet, console: Console, floor: Floor
) -> None:
    assert compose(fleet, "stop", "table-service-uat").returncode == 0
    answer = await console.start(floor.take())
    assert {leg.last.outcome for leg in answer.round.legs if leg.environment != "UAT"} == {
        "accepted"
    }
    assert answer.round.leg("UAT").last.outcome in ("pending", "not_sent")
    assert compose(fleet, "start", "table-service-uat").returncode == 0
    await fleet.whole(within_s=SLOW_S)


@pytest.mark.long
async def test_an_upgrade_under_load_fails_no_request(fleet: Fleet, floor: Floor) -> None:
    said = await fleet.manage("scale", "table-service=1", "gateway=1")
    assert said.code == 0, said
    before = {each.container for each in (await fleet.status()).values()}
    async with dealing(fleet, floor, play) as load:
        await load.more(1)
        said = await fleet.manage("upgrade")
        assert said.code == 0, said
        await load.more(2)
    assert load.failures == []
    now = (await fleet.status()).values()
    replicas = {each.container for each in now if each.service in ("gateway", *POOLS)}
    assert len(replicas) == 1 + len(POOLS)
    assert not replicas & before


@pytest.mark.long
async def test_a_backup_is_put_back_with_a_round_open_in_it(
    fleet: Fleet, console: Console, floor: Floor, tmp_path: Path
) -> None:
    file = str(tmp_path / "the backup.tar.gz")
    open_round = await console.opened(floor.take())
    said = await fleet.manage("backup", file)
    assert said.code == 0, said
    later = await console.opened(floor.take())
    said = await fleet.manage("restore", file, "--yes")
    assert said.code == 0, said
    assert (await console.ask("GET", f"/v1/rounds/{later.round}")).status == 404
    answer = await console.result(open_round.round, **RESULTS["speed_roulette"])
    assert answer.status in (200, 202), answer
    settled = await console.settled(open_round.round, within_s=SLOW_S)
    assert set(settled.outcomes.values()) == {"accepted"}


async def test_the_ledger_holds_after_all_that(fleet: Fleet) -> None:
    said = await fleet.manage("verify", "--json")
    broken = {check["name"] for check in json.loads(said.out)["checks"] if not check["ok"]}
    # A whole environment was away while bets were due there, and the machine may be slow.
    assert broken <= {"bets_stop_on_time"}, said.out
    said = await fleet.manage("psql", "-Atc", "SELECT count(*) > 0 FROM rounds")
    assert (said.code, said.out.strip()) == (0, "t"), said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PITBOSS_LOG_LEVEL", "loud"),
        ("PITBOSS_ENVIRONMENTS", "PRD,prd"),
        ("PITBOSS_BUS_URL", "http://bus"),
        ("MPS_WINDOW_SIZE", "0"),
        ("PITBOSS_ENVIRONMENTS", ""),
        ("PITBOSS_TLS_CERT", "/a/certificate.pem"),
    ],
)
def test_a_wrong_setting_is_one_sentence_at_the_start(fleet: Fleet, name: str, value: str) -> None:
    setting = f"{name}={value}"
    said = compose(fleet, "run", "--rm", "--no-deps", "--env", setting, "secrets")
    assert said.returncode == 2
    [sentence] = [line for line in said.stderr.splitlines() if line.startswith(name)]
    # An address is not repeated: it may hold a password.
    wrong = (f"{setting} is wrong", f"{name} is wrong", f"{name} and PITBOSS_TLS_KEY go together")
    assert sentence.startswith(wrong)


@pytest.mark.parametrize(
    ("service", "needed"),
    [("gateway", "ADMIN_KEY"), ("table-service-prd", "ENVIRONMENT"), ("log-service", "ADMIN_KEY")],
)
def test_an_unset_setting_is_one_sentence(fleet: Fleet, service: str, needed: str) -> None:
    unset = [f"--env=PITBOSS_{needed}{suffix}=" for suffix in ("", "_FILE")]
    said = compose(fleet, "run", "--rm", "--no-deps", *unset, service)
    assert said.returncode == 2
    sentences = [line for line in said.stderr.splitlines() if line.startswith("PITBOSS_")]
    assert sentences == [f"PITBOSS_{needed} is not set."]
