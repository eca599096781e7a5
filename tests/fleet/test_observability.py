import re
from collections.abc import AsyncIterator
from urllib.parse import urljoin

import httpx
import pytest

from fleet.console import Console
from fleet.floor import Floor
from fleet.rig import ENVIRONMENTS, Fleet
from fleetkit.testing import eventually


@pytest.fixture
async def direct() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        yield client


async def read_metrics(client: httpx.AsyncClient, port: int) -> dict[str, float]:
    answer = await client.get(f"http://127.0.0.1:{port}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    samples = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in samples)}


def total(samples: dict[str, float], name: str, **labels: str) -> float:
    wanted = {f'{label}="{value}"' for label, value in labels.items()}
    return sum(
        value
        for sample, value in samples.items()
        if re.fullmatch(rf"{name}(\{{.*\}})?", sample)
        and wanted <= set(re.findall(r'\w+="[^"]*"', sample))
    )


async def test_each_process_tells_its_health(fleet: Fleet, direct: httpx.AsyncClient) -> None:
    await fleet.whole()
    processes = (await fleet.status()).values()
    ours = [one for one in processes if one.service.startswith(("gateway", "table-service"))]
    assert {one.service for one in ours} == {
        "gateway",
        *(f"table-service-{name.lower()}" for name in ENVIRONMENTS),
    }
    assert {one.service for one in processes} >= {"nginx", "postgres", "redis", "simulator"}
    for one in ours:
        assert one.container is None
        assert one.environment == (one.service.partition("table-service-")[2].upper() or None)
        url = f"http://127.0.0.1:{one.port}"
        assert (await direct.get(f"{url}/healthz")).json() == {"status": "alive"}

        async def well() -> bool:
            ready = await direct.get(f"{url}/readyz")  # noqa: B023  # asked in its turn
            assert ready.status_code == 200
            return bool(ready.json()["checks"] == {"postgres": {"ok": True}, "redis": {"ok": True}})

        await eventually(well)
    edge = await direct.get(f"{fleet.url}/nginx-health")
    assert (edge.status_code, edge.json()) == (200, {"status": "ok"})


async def test_a_round_is_counted_where_it_was_carried(
    fleet: Fleet, console: Console, direct: httpx.AsyncClient, table: str
) -> None:
    await console.play(table)
    processes = (await fleet.status()).values()
    for environment in ENVIRONMENTS:
        pool = [one for one in processes if one.environment == environment]
        samples = [await read_metrics(direct, one.port) for one in pool]

        def count(name: str, **labels: str) -> float:
            return sum(total(each, name, **labels) for each in samples)  # noqa: B023  # used here

        where = {"environment": environment, "table_id": table}
        for operation in ("start", "bet-stop", "deal", "finish"):
            assert count("api_requests_total", **where, operation=operation) == 1
            seconds = count("api_request_duration_seconds_sum", **where, operation=operation)
            assert 0 < seconds < 5
        settled = {"environment": environment, "state": "accepted"}
        assert count("pitboss_deliveries_total", **settled) >= 4
        assert count("pitboss_result_delivery_seconds_count", environment=environment) >= 1
        for each in samples:
            assert f'active_connections{{environment="{environment}"}}' in each
    [door] = [one for one in processes if one.service == "gateway"]
    gateway = await read_metrics(direct, door.port)
    assert total(gateway, "http_requests_total", handler="/v1/tables/{table}/rounds") >= 1
    assert gateway["pitboss_round_skew_seconds_count"] >= 1
    owed = {f'pitboss_deliveries{{state="{state}"}}' for state in ("pending", "sending", "unknown")}
    assert owed <= set(gateway)


@pytest.mark.parametrize(
    ("address", "read"),
    [("/docs", "/v1/tables"), ("/metrics-api/docs", "/v1/alerts"), ("/logs/docs", "/devices")],
)
async def test_swagger_needs_no_internet_and_calls_what_it_shows(
    console: Console, fleet: Fleet, address: str, read: str
) -> None:
    page = (await console.client.get(address)).text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(assets) >= 3
    assert not [one for one in re.findall(r"https?://[^\s\"'<]+", page) if "127.0.0.1" not in one]
    for path in assets:
        answer = await console.client.get(urljoin(fleet.url + address, path))
        assert answer.status_code == 200
        assert answer.content
    document_url = urljoin(fleet.url + address, re.findall(r"url: '([^']+)'", page)[0])
    document = (await console.client.get(document_url)).json()
    server = document.get("servers", [{"url": "/"}])[0]["url"]
    called = urljoin(document_url, server).rstrip("/") + read
    assert read in document["paths"]
    key = {"authorization": f"Bearer {fleet.key}"}
    assert (await console.client.get(called, headers=key)).status_code == 200


BODILESS = {"/v1/logout", "/v1/batches/{batch}/cancel"}
"""The address says all there is to say."""


def is_exemplified(schema: object, schemas: dict[str, object]) -> bool:
    """Say whether an example stands in the schema or in one it is made of."""
    text = str(schema)
    named = re.findall(r"#/components/schemas/(\w+)", text)
    return "'example" in text or any(is_exemplified(schemas[name], schemas) for name in named)


async def test_each_call_has_an_example(console: Console) -> None:
    document = (await console.client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    calls = {
        (method, path): call
        for path, methods in document["paths"].items()
        for method, call in methods.items()
    }
    told = [
        (*where, content)
        for where, call in calls.items()
        for content in (call.get("requestBody"), *call["responses"].values())
        if content and "content" in content
    ]
    assert len(told) > len(calls)
    assert [one for one in told if not is_exemplified(one[2], schemas)] == []
    named = [
        (*where, parameter)
        for where, call in calls.items()
        for parameter in call.get("parameters", ())
        if parameter["in"] == "path"
    ]
    assert [one for one in named if "'example" not in str(one)] == []
    for (method, path), call in calls.items():
        assert call["summary"]
        if path.startswith("/v1/"):
            assert call.get("security") or path == "/v1/login"
            assert {"401", "503"} <= set(call["responses"])
            assert method != "post" or "requestBody" in call or path in BODILESS, path


async def test_a_request_is_found_in_every_log_it_went_through(
    fleet: Fleet, console: Console, table: str
) -> None:
    request, trace = f"find-me-{table}", "4bf92f3577b34da6a3ce929d0e0e4737"
    headers = {"x-request-id": request, "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    answer = await console.ask("POST", f"/v1/tables/{table}/rounds", {}, headers=headers)
    assert (answer.status, answer.headers["x-request-id"]) == (201, request)
    wanted = {"gateway", *(f"table-service-{name.lower()}" for name in ENVIRONMENTS)}

    def found() -> bool:
        return {
            name
            for name in wanted
            for line in fleet.log_lines(f"{name}-")
            if line.get("http.request.id") == request and line.get("trace.id") == trace
        } == wanted

    await eventually(found)


async def test_logs_are_events_with_their_place(fleet: Fleet, console: Console) -> None:
    await console.ask("GET", "/v1/rounds/01JD0000000000000000000000")
    lines = list(fleet.log_lines("gateway-")) + list(fleet.log_lines("table-service-"))
    assert lines
    for line in lines:
        assert {"@timestamp", "message", "log.level", "service.name", "service.instance"} <= set(
            line
        )


async def test_no_secret_is_told(fleet: Fleet, console: Console, floor: Floor) -> None:
    await console.play(floor.take())
    await console.client.get("/v1/tables", headers={"authorization": "Bearer mistyped"})
    status = fleet.run("status").out + fleet.run("status", "--json").out
    for name, secret in fleet.secrets.items():
        assert secret not in status, name
        for path in fleet.logs.iterdir():
            assert secret not in path.read_text(errors="replace"), (name, path.name)
        for url in ("/openapi.json", "/docs", "/readyz", "/v1/config/environments"):
            assert secret not in (await console.client.get(url)).text
