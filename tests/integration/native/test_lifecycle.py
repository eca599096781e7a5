import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from native import ports

Fleet = Any

ALL = {
    "nginx",
    "gateway-1",
    "log-service-1",
    "log-worker-1",
    "metrics-service-1",
    "table-service-cit-1",
    "table-service-prd-1",
    "simulator",
    "redis",
    "postgres",
}


def test_up_shows_all_ready_and_down_leaves_nothing_but_data(bare_fleet: Fleet) -> None:
    said = bare_fleet.run("up")
    assert said.code == 0, said
    assert f"The fleet is ready at http://127.0.0.1:{bare_fleet.port}" in said.out
    shown = bare_fleet.status()
    assert set(shown) == ALL == bare_fleet.ready()
    prd = shown["table-service-prd-1"]
    assert set(prd) == {
        *("service", "instance", "environment", "pid", "container", "port", "state"),
        *("in_flight", "uptime_s", "restarts"),
    }
    assert (prd["service"], prd["environment"]) == ("table-service-prd", "PRD")
    pids = [entry["pid"] for entry in shown.values()]
    again = bare_fleet.run("up")
    assert (again.code, again.out.strip()) == (
        0,
        f"The fleet runs already at http://127.0.0.1:{bare_fleet.port}.",
    )
    assert [entry["pid"] for entry in bare_fleet.status().values()] == pids
    assert bare_fleet.run("down").code == 0
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert (bare_fleet.state / "postgres" / "PG_VERSION").exists()
    second = bare_fleet.run("down")
    assert (second.code, second.out.strip()) == (0, "Nothing runs.")


def test_data_and_ports_are_there_again_after_a_restart(fleet: Fleet) -> None:
    before = fleet.status()
    made = fleet.run("psql", "-qc", "CREATE TABLE kept AS SELECT 42 AS it")
    assert made.code == 0, made
    assert fleet.run("restart").code == 0
    assert (
        fleet.run("psql", "-Atc", "SELECT it, current_user FROM kept").out == "42|pitboss_owner\n"
    )
    after = fleet.status()
    for name in ("postgres", "redis", "simulator"):
        assert after[name]["port"] == before[name]["port"]


def test_each_process_is_told_only_what_is_its_own(fleet: Fleet) -> None:
    def told(port: int, path: str) -> dict[str, str]:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        told: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])["told"]
        return told

    gateway = told(fleet.port, "/v1/x")
    assert gateway["PITBOSS_INNER_URL"] == f"http://127.0.0.1:{fleet.inner_port}"
    assert gateway["PITBOSS_ADMIN_KEY"] == "of-admin_key"
    assert "postgresql://pitboss_gateway:" in gateway["PITBOSS_DATABASE_URL"]
    replica = told(fleet.inner_port, "/prd/x")
    assert replica["PITBOSS_ENVIRONMENT"] == "PRD"
    assert replica["PITBOSS_INSTANCE"] == "table-service-prd-1"
    assert "PITBOSS_ADMIN_KEY" not in replica

    async def log_in() -> str:
        connection = await asyncpg.connect(replica["PITBOSS_DATABASE_URL"])
        try:
            return str(await connection.fetchval("SELECT current_user"))
        finally:
            await connection.close()

    assert asyncio.run(log_in()) == "pitboss_table_service"


def test_each_killed_process_is_back(fleet: Fleet, until: Callable[..., None]) -> None:
    # What others lean on dies alone, all others at once.
    for names in ({"nginx"}, {"postgres"}, {"redis"}, ALL - {"nginx", "postgres", "redis"}):
        before = fleet.status()
        killed = {name: before[name]["pid"] for name in names}
        for pid in killed.values():
            os.kill(pid, signal.SIGKILL)
        shown = fleet.status()
        assert not [name for name, pid in killed.items() if shown[name]["pid"] == pid]

        def are_back(killed: dict[str, int] = killed) -> bool:
            now = fleet.status()
            return all(
                now[name]["state"] == "ready" and now[name]["pid"] not in {None, pid}
                for name, pid in killed.items()
            )

        until(are_back, 90)
        after = fleet.status()
        assert not [name for name in names if after[name]["restarts"] < 1]
    until(lambda: fleet.ready() == ALL, 90)


async def test_a_killed_replica_costs_at_most_what_it_was_answering(
    fleet: Fleet, loading: Callable[..., Any]
) -> None:
    assert (await fleet.tell("scale", "table-service-prd=2")).code == 0
    victim = (await asyncio.to_thread(fleet.status))["table-service-prd-2"]["pid"]
    clients = 2
    async with loading([(fleet.inner_port, "/prd/x")], clients=clients) as load:
        await load.until(lambda: "table-service-prd-2" in load.answered)
        os.kill(victim, signal.SIGKILL)
        load.answered.clear()
        await load.until(lambda: load.answered.get("table-service-prd-2", 0) > 20)
    assert len(load.failures) <= 3 * clients, load.failures


def test_status_tells_of_a_process_that_keeps_dying(
    fleet: Fleet, until: Callable[..., None]
) -> None:
    port = fleet.status()["table-service-cit-1"]["port"]

    def is_back(deaths: int) -> bool:
        now = fleet.status()["table-service-cit-1"]
        return bool(now["restarts"] == deaths and now["state"] == "ready")

    for deaths in (1, 2):
        os.kill(fleet.status()["table-service-cit-1"]["pid"], signal.SIGKILL)
        until(partial(is_back, deaths), 90)
    assert fleet.status()["table-service-cit-1"]["port"] == port


def test_a_killed_supervisor_is_told_of_and_cleaned_up_after(fleet: Fleet) -> None:
    before = fleet.status()
    supervisor = psutil.Process(psutil.Process(before["nginx"]["pid"]).ppid())
    supervisor.kill()
    psutil.wait_procs([supervisor], 30)
    os.kill(before["nginx"]["pid"], signal.SIGKILL)  # its workers live on and hold the port
    said = fleet.run("status")
    assert said.code == 3
    assert "The supervisor is gone" in said.err
    assert "gateway-1" in said.out
    up = fleet.run("up")
    assert up.code == 0, up
    assert "cleaned up after a killed supervisor" in up.out
    after = fleet.status()
    assert fleet.ready() == ALL
    pids = {entry["pid"] for entry in before.values()}
    assert not pids & {entry["pid"] for entry in after.values()}
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_an_environment_is_added_to_a_running_fleet(fleet: Fleet) -> None:
    said = fleet.run("up", PITBOSS_ENVIRONMENTS="CIT,PRD,GLC")
    assert said.code == 0, said
    assert said.out.strip().endswith("added GLC.")
    assert "table-service-glc-1" in fleet.ready()


def test_a_rabbitmq_on_this_machine_comes_and_goes_with_the_fleet(bare_fleet: Fleet) -> None:
    port = ports.pick_free()
    bare_fleet.settings["PITBOSS_BUS_URL"] = f"amqp://guest:guest@localhost:{port}/"
    said = bare_fleet.run("up")
    assert said.code == 0, said
    shown = bare_fleet.status()["rabbitmq"]
    assert (shown["state"], shown["port"]) == ("ready", port)
    assert bare_fleet.run("down").code == 0
    assert ports.is_free(port)


def test_logs_show_what_a_service_said(fleet: Fleet) -> None:
    assert "gateway-1 listens on" in fleet.run("logs", "gateway").out
    everyone = fleet.run("logs").out
    assert "table-service-prd-1 " in everyone
    assert "| table-service-prd-1 listens on" in everyone
    wrong = fleet.run("logs", "foo")
    assert wrong.code == 2
    assert "No log of 'foo'; there are: " in wrong.err


def test_verbs_that_need_a_fleet_say_that_none_runs(bare_fleet: Fleet) -> None:
    for verb in (("status",), ("scale", "gateway=2"), ("psql",)):
        said = bare_fleet.run(*verb)
        assert said.code == 3, verb
        assert said.err.strip() == "The fleet is not running; start it with: ./manage.sh up"


def test_a_busy_port_is_named_with_its_holder_and_setting(bare_fleet: Fleet) -> None:
    for setting, port in (
        ("PITBOSS_PORT", bare_fleet.port),
        ("PITBOSS_INNER_PORT", bare_fleet.inner_port),
    ):
        with socket.create_server(("127.0.0.1", port)):
            said = bare_fleet.run("up")
        assert said.code == 5, said
        assert f"Port {port} is already in use by pid {os.getpid()}" in said.err
        assert f"set {setting} to another port" in said.err
        assert bare_fleet.run("status").code == 3
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        said = bare_fleet.run("up", PITBOSS_REDIS_PORT=str(port))
    assert said.code == 5
    assert "set PITBOSS_REDIS_PORT" in said.err


def test_wrong_settings_are_one_sentence(bare_fleet: Fleet) -> None:
    for name, text, sentence in (
        ("PITBOSS_PORT", "abc", "PITBOSS_PORT=abc is wrong"),
        ("PITBOSS_PORT", "70000", "set it to a number from 1 to 65534"),
        ("PITBOSS_INNER_PORT", str(bare_fleet.port), "as PITBOSS_PORT"),
        ("PITBOSS_ENVIRONMENTS", "CIT,,cit", "list each environment once"),
        ("PITBOSS_ENVIRONMENTS", "../x", "list each environment once"),
        ("PITBOSS_GATEWAYS", "0", "from 1 to 50"),
        ("PITBOSS_LOG_LEVEL", "loud", "use debug, info, warning or error"),
        ("PITBOSS_REPLICA", "2", "Did you mean PITBOSS_REPLICAS?"),
    ):
        said = bare_fleet.run("up", **{name: text})
        assert said.code == 2, (name, said)
        assert sentence in said.err
        assert len(said.err.strip().splitlines()) == 1
    assert not bare_fleet.state.exists()


def test_a_service_that_cannot_start_is_named(
    bare_fleet: Fleet, tmp_path: Path, until: Callable[..., None]
) -> None:
    broken = tmp_path / "broken" / "gateway"
    broken.mkdir(parents=True)
    (broken / "__init__.py").touch()
    (broken / "__main__.py").write_text("raise SystemExit('no way')\n")
    started = time.monotonic()
    path = os.pathsep.join([str(broken.parent), bare_fleet.environment()["PYTHONPATH"]])
    said = bare_fleet.run("up", PYTHONPATH=path)
    assert said.code == 1
    assert "gateway-1 did not get ready" in said.err
    assert "./manage.sh logs gateway" in said.err
    assert time.monotonic() - started < 50
    assert bare_fleet.status()["gateway-1"]["state"] == "failed"
    until(lambda: "table-service-prd-1" in bare_fleet.ready())
