import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleetkit.testing import eventually
from integration.nginx.doors import Doors, echo, opened, serving
from native import nginx, ports


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with serving() as port:
        pools: dict[str, list[int]] = {
            "gateway": [port],
            "table-service-prd": [port],
            "table-service-cit": [],
            "table-service-uat": [ports.pick_free()],
        }
        async with opened(tmp_path, pools) as opened_doors:
            yield opened_doors


async def test_both_doors_answer_for_themselves(doors: Doors) -> None:
    for door in (doors.edge, doors.inner):
        answer = await door.get("/nginx-health")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_the_inner_door_strips_the_environment(doors: Doors) -> None:
    answer = await doors.inner.post("/prd/deliveries/a%20b?x=1%202", content="{}")
    told = answer.json()
    assert (told["path"], told["body"]) == ("/deliveries/a%20b?x=1%202", "{}")


async def test_ids_are_passed_on_or_made(doors: Doors) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    given = {"X-Request-Id": "mine-1", "traceparent": trace}
    for door, path in ((doors.edge, "/v1/x"), (doors.inner, "/prd/x")):
        told = (await door.post(path, headers=given)).json()["headers"]
        assert (told["x-request-id"], told["traceparent"]) == ("mine-1", trace)
        told = (await door.post(path, headers={"X-Request-Id": "no id"})).json()["headers"]
        assert len(told["x-request-id"]) == 32
        assert "connection" not in told


async def test_the_edge_explains_itself_as_problem_json(doors: Doors) -> None:
    await nginx.reload(doors.server, doors.master, {"gateway": []})
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"X-Request-Id": "mine", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    for path, content, status, code in (
        ("/v1/x", "{}", 502, "gateway_unreachable"),
        ("/v1/x", "x" * (1024 * 1024 + 1), 413, "body_too_large"),
        ("/metrics", "", 404, "not_found"),
    ):
        answer = await doors.edge.post(path, content=content, headers=headers)
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-request-id"] == "mine"
        assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
        assert problem["trace_id"] == trace
        assert set(problem) == {"type", "title", "status", "code", "detail", "trace_id"}
    answer = await doors.edge.get("/v1/x", headers={"X-Long": "y" * 70_000})
    assert (answer.status_code, answer.json()["code"]) == (431, "headers_too_large")


async def test_logs_go_to_their_own_service(tmp_path: Path) -> None:
    async with (
        serving() as port,
        opened(tmp_path, {"gateway": [], "log-service": [port]}) as doors,
    ):
        for path in ("/logs", "/logs/batch?strict=true", "/logs/tail", "/devices"):
            told = (await doors.edge.post(path, content="{}")).json()
            assert told["path"] == path
        assert (await doors.edge.get("/logsome")).json()["code"] == "gateway_unreachable"
        begun = (await doors.edge.get("/logs", headers={"X-Request-Id": "mine"})).json()["headers"]
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", begun["traceparent"])
        await nginx.reload(doors.server, doors.master, {"gateway": [port]})
        gone = await doors.edge.post("/logs", content="{}")
        assert (gone.status_code, gone.json()["code"]) == (503, "log_service_unreachable")
        assert gone.headers["retry-after"] == "1"


async def test_figures_come_from_their_own_service(tmp_path: Path) -> None:
    async with (
        serving() as port,
        opened(tmp_path, {"gateway": [], "metrics-service": [port]}) as doors,
    ):
        for path in ("/v1/metrics/realtime/gateway", "/v1/metrics/history?step=60", "/v1/alerts"):
            for asked in (path, f"/metrics-api{path}"):
                assert (await doors.edge.get(asked)).json()["path"] == path
        assert (await doors.edge.get("/v1/alertsome")).json()["code"] == "gateway_unreachable"
        await nginx.reload(doors.server, doors.master, {"gateway": [port]})
        gone = await doors.edge.get("/v1/alerts")
        assert (gone.status_code, gone.json()["code"]) == (503, "metrics_service_unreachable")


async def test_an_answer_of_the_gateway_is_not_replaced(tmp_path: Path) -> None:
    async def refuse(_: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nours")

    async with serving(refuse) as port, opened(tmp_path, {"gateway": [port]}) as doors:
        answer = await doors.edge.post("/v1/x", content="{}")
        assert (answer.status_code, answer.text) == (502, "ours")


async def test_the_inner_door_tells_whether_anything_was_sent(tmp_path: Path) -> None:
    async def hang_up(_: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with serving(hang_up) as port:
        pools = {"table-service-cit": [], "table-service-uat": [1], "table-service-prd": [port]}
        async with opened(tmp_path, pools) as doors:
            for pool in ("cit", "uat"):
                answer = await doors.inner.post(f"/{pool}/deliveries", content="{}")
                assert answer.status_code == 502
                assert answer.json()["code"] == "upstream_unreachable"
                assert answer.json()["bytes_sent"] == "0"
            answer = await doors.inner.post("/prd/deliveries", content="{}")
            assert answer.json()["code"] == "upstream_unreachable"
            assert int(answer.json()["bytes_sent"]) > 0


async def test_an_unknown_environment_has_no_pool(doors: Doors) -> None:
    for path in ("/glc/deliveries", "/", "/prd", "/PRD/deliveries"):
        answer = await doors.inner.post(path, content="{}")
        assert (answer.status_code, answer.json()) == (404, {"code": "no_pool"})


async def test_a_post_goes_to_the_next_replica_only_while_nothing_was_sent(tmp_path: Path) -> None:
    reached: list[str] = []

    async def hang_up(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        reached.append(request["method"])
        writer.close()

    dead = ports.pick_free()
    async with serving(hang_up) as first, serving(hang_up) as second, serving() as fine:
        pools = {"table-service-prd": [first, second], "table-service-cit": [dead, fine]}
        async with opened(tmp_path, pools) as doors:
            assert (await doors.inner.post("/prd/x", content="{}")).status_code == 502
            assert reached == ["POST"]
            for _ in range(6):
                assert (await doors.inner.post("/cit/x", content="{}")).status_code == 200


async def test_events_are_not_buffered(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def stream(_: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        writer.write(head + b"data: one\n\n")
        await writer.drain()
        await go.wait()
        writer.write(b"data: two\n\n")
        writer.close()

    async with (
        serving(stream) as port,
        opened(tmp_path, {"gateway": [port]}) as doors,
        doors.edge.stream("GET", "/v1/events?table=ARO-001") as answer,
    ):
        parts = answer.aiter_text()
        assert await anext(parts) == "data: one\n\n"
        go.set()
        assert await anext(parts) == "data: two\n\n"


async def test_the_access_log_is_json_with_ids(doors: Doors) -> None:
    await doors.inner.post("/prd/x", headers={"X-Request-Id": 'a"b'})
    await doors.edge.get("/v1/y?secret=1", headers={"X-Request-Id": "mine"})

    # Written once the answer is out.
    def written() -> list[dict[str, str]]:
        text = doors.server.access_log.read_text()
        found = [json.loads(line) for line in text.splitlines()]
        return found if len(found) >= len(("inner", "edge")) else []

    lines = sorted(await eventually(written), key=lambda line: line["pool"], reverse=True)
    assert [line["url.path"] for line in lines] == ["/x", "/v1/y"]
    assert (lines[0]["pool"], lines[1]["http.request.id"]) == ("table-service-prd", "mine")
    assert lines[1]["http.response.status_code"] == "200"


async def test_a_reload_closes_kept_connections_with_an_answer(doors: Doors) -> None:
    (doors.server.run / "closing").touch()
    for door, path in ((doors.edge, "/v1/x"), (doors.inner, "/prd/x"), (doors.inner, "/uat/x")):
        answer = await door.post(path, content="kept whole")
        assert answer.headers["connection"] == "close"
        if answer.status_code == 200:
            assert answer.json()["body"] == "kept whole"
    (doors.server.run / "closing").unlink()
    assert (await doors.edge.post("/v1/x")).headers["connection"] == "keep-alive"


async def test_a_reload_waits_for_answers_that_do_not_announce_it(tmp_path: Path) -> None:
    came, release = asyncio.Queue[str](), asyncio.Event()

    async def hold(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        came.put_nowait(request["path"])
        if request["path"] != "/v1/quick":
            await release.wait()
        await echo(request, writer)

    async with serving(hold) as port, opened(tmp_path, {"gateway": [port]}) as doors:

        async def owed() -> int:
            return (await doors.inner.get("/nginx-announced")).status_code

        streamed = asyncio.create_task(doors.edge.get("/v1/events"))
        assert await came.get() == "/v1/events"
        assert await owed() == 204
        held = asyncio.create_task(doors.edge.post("/v1/slow"))
        assert await came.get() == "/v1/slow"
        assert await owed() == 409
        near = asyncio.create_task(nginx.reload(doors.server, doors.master, {"gateway": [port]}))
        await eventually((doors.server.run / "closing").exists)
        assert (await doors.edge.post("/v1/quick")).headers["connection"] == "close"
        assert await owed() == 409
        release.set()
        assert (await held).headers["connection"] == "keep-alive"
        await near
        assert (await streamed).status_code == 200
        assert await owed() == 204


async def test_a_pool_refilled_by_a_reload_serves_at_once(doors: Doors) -> None:
    async with serving() as port:
        for members in ([port], [], [port]):
            await nginx.reload(doors.server, doors.master, {"table-service-cit": members})
            answer = await doors.inner.post("/cit/x", content="{}")
            assert answer.status_code == (200 if members else 502)


async def test_the_rendered_configuration_is_checked(tmp_path: Path) -> None:
    server = nginx.Server(tmp_path / "a b", tmp_path, tmp_path / "access.log", 1, 2)
    nginx.render(server, {"gateway": [1, 2], "table-service-prd": []})
    await nginx.check(server, tmp_path / "nginx.log")
