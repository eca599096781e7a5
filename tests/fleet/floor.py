"""The studio's floor: enough tables of each kind that each test has some that are its own."""

from collections.abc import Iterator
from typing import Final

import httpx

from fleet.rig import ENVIRONMENTS
from fleet.tableapi import TableApi

TYPES: Final = {
    "roulette": "speed_roulette",
    "vip": "vip_roulette",
    "sicbo": "sicbo",
    "baccarat": "baccarat",
    "double": "speed_roulette",
    "driver": "speed_roulette",
    "closing": "speed_roulette",
    "pair": "speed_roulette",
    "backed": "speed_roulette",
    "lasting": "speed_roulette",
    "batch": "speed_roulette",
}
COUNTS: Final = {"backed": 14, "roulette": 200, "vip": 5, "sicbo": 12, "baccarat": 12, "batch": 50}
FEW: Final = 8
OPTIONS: Final[dict[str, dict[str, object]]] = {
    "driver": {"bet_stop": "driver"},
    "closing": {"finish_policy": "auto"},
    "lasting": {"finish_policy": "auto", "deal_to_finish_ms": 4000},
}


def names(kind: str) -> list[str]:
    return [f"{kind.upper()}-{number:03}" for number in range(1, COUNTS.get(kind, FEW) + 1)]


def address(environment: str, port: int) -> str:
    return f"http://127.0.0.1:{port}/{environment.lower()}/v2/service"


def targets(environment: str, port: int) -> Iterator[dict[str, object]]:
    for kind, game in TYPES.items():
        if kind == "pair" and environment not in ("PRD", "CIT"):
            continue
        for name in names(kind):
            target = {"id": name, "table": name, "type": game, **OPTIONS.get(kind, {})}
            if kind == "backed":
                target["backups"] = [f"{name}-B", address(f"{environment}-B", port)]
            yield target
            if kind == "double":
                yield {"id": f"{name}-2", "table": name, "type": game, "priority": 2}


def document(environment: str, port: int) -> dict[str, object]:
    return {
        "environment": environment,
        "primary": environment == "PRD",
        "base_url": address(environment, port),
        "tables": list(targets(environment, port)),
    }


def furnish(client: httpx.Client, tables: TableApi) -> None:
    """Configure every table in every environment, and the games they play."""
    for environment in ENVIRONMENTS:
        path = f"/v1/config/environments/{environment}"
        answer = client.put(path, json=document(environment, tables.port))
        assert answer.status_code == 201, answer.content
        for kind in ("vip", "sicbo", "baccarat"):
            for name in names(kind):
                tables.arrange(environment, name, game_type=TYPES[kind])


class Floor:
    """Hands out tables, each once."""

    def __init__(self) -> None:
        self._left = {kind: iter(names(kind)) for kind in TYPES}

    def take(self, kind: str = "roulette") -> str:
        return next(self._left[kind])
