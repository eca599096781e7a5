"""The stage of a run: tables and keys of its own, added before and taken away after."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from native.demo.cli import Fleet
from native.demo.configuration import Document, base_url, is_simulated
from native.demo.gateway import Gateway, Standing
from native.demo.script import CALL_TIMEOUT_MS, REQUIRED
from native.refusals import Refusal

GAMES: Final = ("speed_roulette", "vip_roulette", "sicbo", "baccarat")
_CALLS: Final = ("start", "bet-stop", "deal", "finish", "cancel")
_IN_FORCE_S: Final = 20.0
_LONGER: Final = timedelta(hours=1)
_TRIES: Final = 5
_AT_ONCE: Final = 8


class Stage:
    """What a run needs of the running fleet."""

    def __init__(self, fleet: Fleet, client: httpx.AsyncClient, tag: str, count: int) -> None:
        self._fleet = fleet
        self._client = client
        self._gateway = Gateway(client)
        self._tag = tag
        self._keys: list[str] = []
        self._configured: list[str] = []
        self.tables = {
            f"STRESS-{tag}-{number:04}": GAMES[number % len(GAMES)]
            for number in range(1, count + 1)
        }

    async def set(self, seconds: float) -> dict[str, str]:
        """Add the tables and make the keys; give each table's key."""
        standing = await self._find_simulated()
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._fleet.simulator_port}", trust_env=False, timeout=30
        ) as simulator:
            for environment in standing:
                await self._arrange(simulator, environment)
        for environment in standing:
            self._configured.append(environment)
            await self._change(environment, with_ours=True)
        await self._wait_in_force()
        return await self._make_keys(seconds)

    async def clear(self) -> list[str]:
        """Take away what was added; say what could not be."""
        left = []
        for environment in self._configured:
            try:
                await self._change(environment, with_ours=False)
            except Refusal as refusal:
                left.append(str(refusal))
        for chunk in _chunks(self._keys, _AT_ONCE):
            answers = await asyncio.gather(
                *(self._client.delete(f"/v1/keys/{one}") for one in chunk), return_exceptions=True
            )
            left += [
                f"The key {one} could not be revoked; it ends within two hours."
                for one, answer in zip(chunk, answers, strict=True)
                if isinstance(answer, BaseException) or answer.is_error
            ]
        return left

    async def _find_simulated(self) -> dict[str, Standing | None]:
        found = {name: await self._gateway.environment(name) for name in self._fleet.environments}
        ours = {
            name: one
            for name, one in found.items()
            if one is None or is_simulated(name, one.document.get("base_url"))
        }
        if not ours:
            raise Refusal(
                "Every environment calls a Table API that is not the simulator, and a stress run "
                "plays against nothing else; give it a PITBOSS_STATE_DIR of its own."
            )
        return ours

    async def _arrange(self, simulator: httpx.AsyncClient, environment: str) -> None:
        for chunk in _chunks(list(self.tables), _AT_ONCE):
            await asyncio.gather(
                *(
                    simulator.put(
                        f"/control/tables/{environment}/{name}",
                        json={"game_type": self.tables[name]},
                    )
                    for name in chunk
                )
            )

    async def _change(self, environment: str, *, with_ours: bool) -> None:
        """Lay our tables over the newest version, or take them out of it."""
        for attempt in range(1, _TRIES + 1):
            over = await self._gateway.environment(environment)
            document: Document = dict(over.document) if over else self._fresh(environment)
            shown: Any = document.get("tables") or []
            kept = [one for one in shown if one["id"] not in self.tables]
            document["tables"] = [*kept, *(self._targets() if with_ours else ())]
            try:
                await self._gateway.put_environment(document, over)
            except Refusal as refusal:
                if "answered 412" not in str(refusal) or attempt == _TRIES:
                    raise
            else:
                return

    def _fresh(self, environment: str) -> Document:
        return {
            "environment": environment,
            "base_url": base_url(environment, self._fleet.simulator),
            "primary": environment == REQUIRED,
            "timeouts_ms": dict.fromkeys(_CALLS, CALL_TIMEOUT_MS),
        }

    def _targets(self) -> list[Document]:
        return [{"id": name, "table": name, "type": game} for name, game in self.tables.items()]

    async def _wait_in_force(self) -> None:
        until = time.monotonic() + _IN_FORCE_S
        while time.monotonic() < until:
            status = await self._ask("GET", "/v1/config/status")
            shown = {one["environment"]: one["in_force"] for one in status["environments"]}
            if all(shown.get(name) is not False for name in self._configured):
                return
            await asyncio.sleep(0.1)
        raise Refusal(
            f"The configuration was not in force on every replica after {_IN_FORCE_S:g} s; "
            "see: ./manage.sh config status"
        )

    async def _make_keys(self, seconds: float) -> dict[str, str]:
        end = (datetime.now(UTC) + timedelta(seconds=seconds) + _LONGER).isoformat()
        secrets: dict[str, str] = {}
        for chunk in _chunks(list(self.tables), _AT_ONCE):
            made = await asyncio.gather(*(self._make_key(name, end) for name in chunk))
            secrets |= dict(zip(chunk, made, strict=True))
        return secrets

    async def _make_key(self, table: str, end: str) -> str:
        wanted = {"name": table.lower(), "role": "dealer", "tables": [table], "expires_at": end}
        made = await self._ask("POST", "/v1/keys", wanted)
        self._keys.append(str(made["id"]))
        return str(made["key"])

    async def _ask(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        try:
            answer = await self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise Refusal(f"The fleet gave no answer to {method} {path}: {error!r}") from error
        if answer.is_error:
            raise Refusal(f"{method} {path} was answered {answer.status_code}: {answer.text[:200]}")
        found: dict[str, Any] = answer.json()
        return found


def _chunks(names: list[str], size: int) -> list[list[str]]:
    return [names[start : start + size] for start in range(0, len(names), size)]
