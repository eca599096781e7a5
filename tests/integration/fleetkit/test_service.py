import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx

from fleetkit.testing import eventually, free_port

TOY = Path(__file__).with_name("toy_service.py")


class Server(Protocol):
    url: Any

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


@dataclass
class Toy:
    process: asyncio.subprocess.Process
    client: httpx.AsyncClient
    lines: list[dict[str, Any]] = field(default_factory=list)

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def find(self, message: str) -> dict[str, Any]:
        return next(line for line in self.lines if line["message"] == message)


@asynccontextmanager
async def running(database_url: str, redis_url: str) -> AsyncIterator[Toy]:
    port = free_port()
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("PITBOSS_")},
        "PITBOSS_DATABASE_URL": database_url,
        "PITBOSS_REDIS_URL": redis_url,
        "PITBOSS_BIND": f"127.0.0.1:{port}",
        "PITBOSS_INSTANCE": "toy-1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", str(TOY), env=environment, stdout=asyncio.subprocess.PIPE
    )
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        toy = Toy(process, client)
        reading = asyncio.create_task(toy.read())
        try:
            await eventually(lambda: client.get("/healthz"), within_s=60)
            yield toy
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await reading


async def test_readiness_follows_postgres_and_only_shows_redis(
    spare_postgres: Server, spare_valkey: Server
) -> None:
    async with running(spare_postgres.url(), spare_valkey.url) as toy:

        async def answers(status: int) -> bool:
            return (await toy.client.get("/readyz")).status_code == status

        async def whole() -> bool:
            ready = await toy.client.get("/readyz")
            assert ready.status_code == 200
            assert ready.json() == {
                "status": "ready",
                "in_flight": 0,
                "checks": {"postgres": {"ok": True}, "redis": {"ok": True}},
            }
            return True

        await eventually(whole)
        await spare_valkey.stop()
        try:
            without = await toy.client.get("/readyz")
            assert without.status_code == 200
            assert without.json()["checks"]["redis"]["ok"] is False
        finally:
            await spare_valkey.start()
        await spare_postgres.stop()
        try:
            away = await toy.client.get("/readyz")
            assert away.status_code == 503
            assert away.json()["status"] == "unready"
            assert "can't be reached" in away.json()["checks"]["postgres"]["reason"]
            assert (await toy.client.get("/healthz")).status_code == 200
        finally:
            await spare_postgres.start()
        await eventually(lambda: answers(200))


async def test_sigterm_finishes_what_runs_and_leaves_with_0(
    database_url: str, redis_url: str
) -> None:
    async with running(database_url, redis_url) as toy:
        call = asyncio.create_task(toy.client.get("/slow", params={"seconds": 1}))
        await eventually(lambda: toy.find("slow_started"))
        toy.process.send_signal(signal.SIGTERM)
        assert (await call).json() == {"slow": "done"}
        assert await asyncio.wait_for(toy.process.wait(), 60) == 0
        await eventually(lambda: toy.find("service_stopped"))


async def test_logs_are_json_lines_with_ids_and_no_local_variables(
    database_url: str, redis_url: str
) -> None:
    async with running(database_url, redis_url) as toy:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        headers = {"x-request-id": "req-7", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        answer = await toy.client.get("/boom?key=hidden", headers=headers)
        assert answer.status_code == 500
        assert answer.json()["code"] == "internal"
        assert answer.json()["trace_id"] == trace
        assert "boom" not in answer.json()["detail"]
        await toy.client.get("/metrics")
        failed = await eventually(lambda: toy.find("request_failed"))
        served = await eventually(lambda: toy.find("request_served"))
    for line in (failed, served):
        assert line["service.name"] == "toy"
        assert line["service.instance"] == "toy-1"
        assert line["trace.id"] == trace
        assert line["http.request.id"] == "req-7"
        assert line["@timestamp"].endswith("Z")
    assert failed["log.level"] == "error"
    assert failed["error.message"] == "boom of 13"
    assert "in boom" in failed["error.stack_trace"]
    assert served["url.path"] == "/boom"
    assert served["http.response.status_code"] == 500
    everything = json.dumps(toy.lines)
    assert "hidden" not in everything
    assert "planted-local" not in everything
    assert database_url not in everything
    assert not any(line.get("url.path") in {"/healthz", "/metrics"} for line in toy.lines)


async def test_a_busy_port_is_one_error_line_and_no_success() -> None:
    async with running("postgresql://x@127.0.0.1:1/x", "redis://127.0.0.1:1") as toy:
        second = await asyncio.create_subprocess_exec(
            sys.executable,
            str(TOY),
            env={
                "PITBOSS_DATABASE_URL": "postgresql://x@127.0.0.1:1/x",
                "PITBOSS_BIND": f"127.0.0.1:{toy.client.base_url.port}",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(second.communicate(), 60)
        assert second.returncode not in {0, None}
        assert err == b""
        assert b"address already in use" in out


async def test_a_misspelt_setting_is_refused() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(TOY),
        env={"PITBOSS_DATABASE_ULR": "postgresql://x:hidden@127.0.0.1/x", "PITBOSS_BIND": "here"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 2
    assert out == b""
    assert err.decode().splitlines() == [
        "PITBOSS_DATABASE_ULR is not a setting. Did you mean PITBOSS_DATABASE_URL?",
        "PITBOSS_DATABASE_URL is not set.",
        "PITBOSS_BIND is wrong: must be host:port, such as 127.0.0.1:8000.",
    ]
