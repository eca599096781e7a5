"""A dealer's console: the public API with its answers read as the contract has them."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import httpx
from pydantic import BaseModel, ConfigDict

from fleetkit.testing import eventually

ULID: Final = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"
UNSETTLED: Final = ("pending", "unknown")
RESULTS: Final[dict[str, dict[str, Any]]] = {
    "speed_roulette": {"roulette": "17"},
    "vip_roulette": {"roulette": "0"},
    "sicbo": {"sicBo": [6, 1, 3]},
    "baccarat": {"baccarat": ["D2", "S10", "HK", "C5", "S7", "H4"]},
}

Outcome = Literal[
    "accepted", "rejected", "not_sent", "unknown", "pending", "expired", "superseded", "skipped"
]


class View(BaseModel):
    """An answer holds these fields, all of them and no other."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Last(View):
    """The newest command of a leg."""

    command: Literal["start", "bet-stop", "result", "finish", "cancel"]
    outcome: Outcome
    code: str | None
    detail: str | None
    attempts: int
    latency_ms: float | None
    next_attempt_at: datetime | None


class Leg(View):
    """A target's part in a round."""

    environment: str
    game_code: str
    served_by: str
    required: bool
    state: Literal["pending", "opened", "bet_stopped", "dealt", "finished", "cancelled", "failed"]
    external_round_id: str | None
    bet_period: int | None
    bet_stop_at: datetime | None
    last: Last


class Round(View):
    """The matrix of a round."""

    round: str
    table: str
    type: str
    state: Literal["open", "bet_stopped", "dealt", "finished", "cancelled"]
    outcome: Literal["complete", "partial", "failed", "pending"]
    result: dict[str, object] | None
    started_at: datetime
    skew_ms: float | None
    command: str
    legs: tuple[Leg, ...]

    def leg(self, environment: str) -> Leg:
        [found] = [leg for leg in self.legs if leg.environment == environment]
        return found

    @property
    def outcomes(self) -> dict[str, Outcome]:
        return {leg.environment: leg.last.outcome for leg in self.legs}

    @property
    def states(self) -> dict[str, str]:
        return {leg.environment: leg.state for leg in self.legs}

    @property
    def is_settled(self) -> bool:
        return not any(leg.last.outcome in UNSETTLED for leg in self.legs)


class Problem(BaseModel):
    """An error; some carry more than these fields."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to one request."""

    status: int
    headers: httpx.Headers
    content: bytes

    @property
    def round(self) -> Round:
        assert self.headers["content-type"] == "application/json", self
        assert self.headers["x-request-id"], self
        return Round.model_validate_json(self.content)

    @property
    def problem(self) -> Problem:
        assert self.headers["content-type"] == "application/problem+json", self
        assert self.headers["x-request-id"], self
        return Problem.model_validate_json(self.content)

    @property
    def replayed(self) -> bool:
        return "true" in self.headers.get_list("idempotent-replay")


class Console:
    """One console with its own connections."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        sent = dict(headers or {})
        if key is not None:
            sent["idempotency-key"] = key
        response = await self.client.request(method, path, json=body, headers=sent)
        return Answer(response.status_code, response.headers, response.content)

    async def start(self, table: str, *, key: str | None = None, **body: Any) -> Answer:
        return await self.ask("POST", f"/v1/tables/{table}/rounds", body, key=key)

    async def command(
        self, name: str, round_id: str, *, key: str | None = None, **body: Any
    ) -> Answer:
        return await self.ask("POST", f"/v1/rounds/{round_id}/{name}", body, key=key)

    async def bet_stop(self, round_id: str, **body: Any) -> Answer:
        return await self.command("bet-stop", round_id, **body)

    async def result(self, round_id: str, *, key: str | None = None, **body: Any) -> Answer:
        return await self.command("result", round_id, key=key, **body)

    async def finish(self, round_id: str, **body: Any) -> Answer:
        return await self.command("finish", round_id, **body)

    async def cancel(self, round_id: str, **body: Any) -> Answer:
        return await self.command("cancel", round_id, **body)

    async def read(self, round_id: str) -> Round:
        answer = await self.ask("GET", f"/v1/rounds/{round_id}")
        assert answer.status == 200, answer
        return answer.round

    async def opened(self, table: str, **body: Any) -> Round:
        """Start a round that must open everywhere, however long it takes."""
        answer = await self.start(table, **{"deadline_ms": 20_000, "wait_ms": 20_000, **body})
        assert answer.status == 201, answer.content
        return answer.round

    async def settled(self, round_id: str, *, within_s: float = 60.0) -> Round:
        """Wait until nothing of the round's newest commands is pending."""

        async def look() -> Round | None:
            found = await self.read(round_id)
            return found if found.is_settled else None

        found: Round | None = await eventually(look, within_s=within_s)
        assert found is not None
        return found

    async def history(self, round_id: str) -> list[dict[str, Any]]:
        """Read a round's events in order, each with its type and data."""
        answer = await self.client.get(f"/v1/rounds/{round_id}/history")
        assert answer.status_code == 200, answer.content
        events: list[dict[str, Any]] = answer.json()["events"]
        return events

    async def told(self, round_id: str, kind: str) -> list[dict[str, Any]]:
        """Give what a round's events of one type tell."""
        return [one["data"] for one in await self.history(round_id) if one["type"] == kind]

    async def repair(
        self, name: str, leg: str, round_id: str, *, key: str | None = None, **body: Any
    ) -> Answer:
        return await self.ask("POST", f"/v1/rounds/{round_id}/legs/{leg}/{name}", body, key=key)

    async def in_state(self, round_id: str, state: str, *, within_s: float = 60.0) -> Round:
        async def look() -> Round | None:
            found = await self.read(round_id)
            return found if found.state == state else None

        found: Round | None = await eventually(look, within_s=within_s)
        assert found is not None
        return found

    async def rounds(self, **query: str | int) -> list[Round]:
        answer = await self.client.get("/v1/rounds", params=query)
        assert answer.status_code == 200, answer.content
        return [Round.model_validate(one) for one in answer.json()["rounds"]]

    async def play(self, table: str, game: str = "speed_roulette") -> Round:
        """Play one full round that must go well everywhere."""
        round_ = await self.opened(table)
        for name, body in (("bet-stop", {}), ("result", RESULTS[game]), ("finish", {})):
            answer = await self.command(name, round_.round, wait_ms=20_000, **body)
            assert answer.status == 200, (name, answer.content)
            round_ = answer.round
            assert round_.outcome == "complete", round_
        return round_


def new_key() -> str:
    return f"key-{secrets.token_hex(8)}"


@asynccontextmanager
async def opened_console(url: str, key: str) -> AsyncIterator[Console]:
    headers = {"authorization": f"Bearer {key}"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=40, limits=limits, trust_env=False
    ) as client:
        yield Console(client)
