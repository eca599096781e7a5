"""How often a key may ask, on all gateways together."""

from collections.abc import Callable
from itertools import cycle
from typing import Any

import httpx

from fleetkit.testing import free_port
from integration.access.conftest import ADMIN, Gate

# So slow that what comes back during a test is a few at most.
SLOW = {"rate_per_second": 0.1, "rate_burst": 10}
MAY_COME_BACK = 4


async def _ask(clients: list[httpx.AsyncClient], headers: dict[str, str]) -> list[httpx.Response]:
    turn = cycle(clients)
    return [await next(turn).get("/v1/session", headers=headers) for _ in range(40)]


def _taken(answers: list[httpx.Response]) -> int:
    return sum(answer.status_code == 200 for answer in answers)


async def test_all_gateways_draw_from_one_bucket(gate: Gate) -> None:
    clients = [gate.client, await gate.another()]
    answers = await _ask(clients, await gate.key("viewer", **SLOW))
    assert 10 <= _taken(answers) <= 10 + MAY_COME_BACK
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "rate_limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 10
    # Nobody else is the slower for it.
    assert _taken(await _ask(clients, await gate.key("viewer"))) == 40


async def test_without_redis_each_gateway_counts_by_itself(
    make_gate: Callable[[str], Any],
) -> None:
    gate = await make_gate(f"redis://127.0.0.1:{free_port()}/0")
    headers = await gate.key("viewer", **SLOW)
    for client in (gate.client, await gate.another()):
        assert 10 <= _taken(await _ask([client], headers)) <= 10 + MAY_COME_BACK


async def test_the_rate_is_a_setting_and_the_admin_key_has_its_own(gate: Gate) -> None:
    told = {"rate_per_second": 0.1, "rate_burst": 5, "admin_rate_per_second": 0.5}
    client = await gate.another(**told)
    headers = await gate.key("viewer")
    assert 5 <= _taken(await _ask([client], headers)) <= 5 + MAY_COME_BACK
    assert _taken(await _ask([client], ADMIN)) < 40
    assert _taken(await _ask([gate.client], ADMIN)) == 40


async def test_a_request_takes_one_token_of_many_drawn_at_once(gate: Gate) -> None:
    headers = await gate.key("viewer", rate_per_second=1000, rate_burst=1000)
    assert _taken(await _ask([gate.client], headers)) == 40
