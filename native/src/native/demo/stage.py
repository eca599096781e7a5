"""Set the stage: the simulator's tables, the configuration, nothing left over; and clear it."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from native.demo import configuration, samples, script
from native.demo.gateway import Gateway
from native.demo.simulator import Simulator
from native.demo.views import ENDED, Round
from native.refusals import Refusal

_POLL_SECONDS: Final = 0.1
_LEFTOVER_SECONDS: Final = 6.0
_CLEAR_SECONDS: Final = 4.0


class Stage:
    """The fleet as the demo finds it and leaves it."""

    def __init__(
        self,
        gateway: Gateway,
        simulator: Simulator,
        environments: list[str],
        say: Callable[[str], None],
    ) -> None:
        self._gateway = gateway
        self._simulator = simulator
        self._environments = environments
        self._say = say

    async def set(self, simulator: str) -> None:
        """Refuse before anything is changed where a configuration is somebody's own."""
        found = await asyncio.gather(*map(self._gateway.environment, self._environments))
        wanted = [
            configuration.lay_over(one.document if one else None, environment, simulator)
            for one, environment in zip(found, self._environments, strict=True)
        ]
        if lifted := await self._simulator.clear_faults(self._environments):
            self._say(f"lifted {lifted} faults that stood in the simulator")
        open_ = await asyncio.gather(*map(self._set_up, self._targets()))
        left = await asyncio.gather(*(self._end_left_over(each.name) for each in script.TABLES))
        if any(open_) or any(left):
            await asyncio.gather(*map(self._sweep, self._targets()))
        news = [
            (document, one)
            for document, one in zip(wanted, found, strict=True)
            if one is None or one.document != document
        ]
        for document, one in news:
            await self._gateway.put_environment(document, one)
        names = " ".join(str(document["environment"]) for document, _ in news)
        self._say(f"configured {names}" if names else "the configuration stands already")
        if await self._gateway.log(samples.LINES):
            self._say(f"{len(samples.LINES)} lines of devices logged; find them at /logs?q=ball")

    async def clear(self) -> None:
        """After an interruption: mend what was broken, end what is open, as far as it goes fast."""
        with contextlib.suppress(Refusal, TimeoutError):
            async with asyncio.timeout(_CLEAR_SECONDS):
                await self._simulator.mend_all()
                await asyncio.gather(*(self._end_open(table.name) for table in script.TABLES))

    def _targets(self) -> list[tuple[str, script.Table, str]]:
        return [
            (environment, table, code)
            for environment in self._environments
            for table in script.TABLES
            for code in table.codes
        ]

    async def _set_up(self, target: tuple[str, script.Table, str]) -> bool:
        environment, table, code = target
        await self._simulator.set_up(environment, table, code)
        return await self._simulator.wake(environment, code)

    async def _sweep(self, target: tuple[str, script.Table, str]) -> None:
        environment, _, code = target
        if await self._simulator.end_left_over(environment, code):
            self._say(f"{environment} {code}: cancelled a round that only the simulator knew")

    async def _end_left_over(self, table: str) -> bool:
        """End an open round by the API, wait for what is under way; tell if there was any."""
        ended = await self._end_open(table)
        if ended is not None:
            self._say(f"{table}: ended round {ended.id}, which was left open")
        deadline, found = time.monotonic() + _LEFTOVER_SECONDS, ended is not None
        while time.monotonic() < deadline:  # what does not settle by then shows in the matrix
            unresolved = await self._gateway.find_unresolved(table)
            found = found or bool(unresolved)
            if all(left.settled for left in unresolved):
                break
            await asyncio.sleep(_POLL_SECONDS)
        return found

    async def _end_open(self, table: str) -> Round | None:
        left = await self._gateway.find_open(table)
        if left is None or left.state in ENDED:
            return None
        if left.state == "dealt" and left.settled:
            with contextlib.suppress(Refusal):  # no leg took the result: then it is cancelled
                return (await self._gateway.command(left.id, "finish", {})).round
        why = {"reason": "Left open by a demo that was interrupted."}
        return (await self._gateway.command(left.id, "cancel", why)).round
