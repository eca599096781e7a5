"""The simulator, as the demo sets it up, breaks it and asks what took effect."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import httpx

from native.demo import script
from native.demo.script import Table, Trouble
from native.refusals import Refusal

_OWN_NAMES: Final = {"auto-bet-stop": "bet-stop"}
"""What a table does by itself counts as what it stands for."""

_OPEN: Final = frozenset({"opened", "bet-stopped", "bet-txn-stopped"})

Effects = Counter[tuple[str, str]]
"""How often each operation took effect on each round, by the Table API's round id."""


class Simulator:
    """Its control API, and its Table API where a round was left open."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._armed: set[int] = set()

    async def set_up(self, environment: str, table: Table, code: str) -> None:
        wish = {
            "bet_period_s": table.bet_period_in(environment),
            "auto_bet_stop": environment != script.OWN_TIMER,
            "game_type": table.game,
        }
        await self._send("PUT", f"/control/tables/{environment}/{code}", wish)

    async def break_(self, environment: str, trouble: Trouble) -> int:
        """Make one command of a table fail from now on; give the fault's number."""
        fault = {**trouble.fault, "environment": environment, "table": trouble.table}
        number = int((await self._send("POST", "/control/faults", fault))["fault"])
        self._armed.add(number)
        return number

    async def mend(self, number: int) -> None:
        await self._send("DELETE", f"/control/faults/{number}")
        self._armed.discard(number)

    async def mend_all(self) -> None:
        """Lift what this run has broken."""
        for number in tuple(self._armed):
            await self.mend(number)

    async def clear_faults(self, environments: list[str]) -> int:
        """Lift each fault that could strike the demo's tables: an earlier run's, or anybody's."""
        codes = {code for table in script.TABLES for code in table.codes}
        faults = (await self._send("GET", "/control/faults"))["faults"]
        struck = [
            fault["fault"]
            for fault in faults
            if fault["environment"] in {None, *environments} and fault["table"] in {None, *codes}
        ]
        for number in struck:
            await self.mend(number)
        return len(struck)

    async def wake(self, environment: str, code: str) -> bool:
        """Give a table that knows no round one that is over; tell whether one is open.

        A simulator that was restarted has forgotten the rounds of before, and what the ledger still
        wants of them can only settle once the table shows that it has moved on.
        """
        table = await self._enter(environment, code)
        status = await table.read_status()
        if status == "unknown":
            await table.do("start")
            await table.do("cancel")
        return status in _OPEN

    async def end_left_over(self, environment: str, code: str) -> bool:
        """Cancel a round that only the simulator still has open, as after a wiped database."""
        table = await self._enter(environment, code)
        if await table.read_status() not in _OPEN:
            return False
        await table.do("cancel")
        return True

    async def _enter(self, environment: str, code: str) -> "_Entered":
        service = f"/{environment.lower()}/v2/service"
        who = {"gameCode": code, "role": "sdp"}
        session = await self._send("POST", f"{service}/sessions", who)
        cookie = {"cookie": f"accessToken={session['data']['token']}"}
        return _Entered(self._send, f"{service}/tables/{code}", cookie)

    async def count_effects(self, code: str) -> Effects:
        """Count what took effect, not what was called; repeats that changed nothing left out."""
        answer = await self._send("GET", f"/control/effects?table={code}")
        return Counter(
            (effect["round"], _OWN_NAMES.get(effect["operation"], effect["operation"]))
            for effect in answer["effects"]
            if not effect["repeat"]
        )

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        try:
            answer = await self._client.request(method, path, json=body, headers=headers)
            answer.raise_for_status()
            return cast("dict[str, Any]", answer.json())
        except (httpx.HTTPError, ValueError) as error:
            raise Refusal(
                f"The simulator did not do {method} {path} ({error}); "
                "look with: ./manage.sh logs simulator"
            ) from error


@dataclass(frozen=True, slots=True)
class _Entered:
    """A table of the Table API, with a session."""

    send: Callable[..., Awaitable[dict[str, Any]]]
    path: str
    cookie: Mapping[str, str]

    async def read_status(self) -> str:
        shown = await self.send("GET", self.path, headers=self.cookie)
        return str(shown["data"]["table"]["tableRound"]["status"])

    async def do(self, operation: str) -> None:
        await self.send("POST", f"{self.path}/{operation}", {}, headers=self.cookie)
