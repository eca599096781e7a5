"""Events through nginx: whatever dies or leaves, a reader that comes back has them all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx

from fleet.console import Console
from fleet.rig import Fleet
from fleetkit import background
from fleetkit.testing import eventually
from ledger.domain.feed import TYPES
from listening import Listening

PUBLIC = {"leg.skipped": "delivery.settled", "leg.retried": "delivery.deferred"}


class Follower:
    """A reader that comes back with its last id each time its stream ends."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.events: list[dict[str, Any]] = []
        self.connected = 0
        self._client = client

    @property
    def last(self) -> int | None:
        return self.events[-1]["id"] if self.events else None

    async def run(self) -> None:
        while True:
            with suppress(httpx.HTTPError, AssertionError):
                async with Listening.open(self._client, last=self.last or 0) as listening:
                    self.connected += 1
                    taken = 0
                    while not (listening.over and taken == len(listening.events)):
                        self.events += listening.events[taken:]
                        taken = len(listening.events)
                        await asyncio.sleep(0.02)
            await asyncio.sleep(0.1)  # as a browser waits before it connects again

    async def reach(self, last: int) -> None:
        await eventually(lambda: (self.last or 0) >= last, within_s=60)


@asynccontextmanager
async def following(fleet: Fleet) -> AsyncIterator[tuple[httpx.AsyncClient, Follower]]:
    headers = {"authorization": f"Bearer {fleet.key}"}
    async with httpx.AsyncClient(
        base_url=fleet.url, headers=headers, timeout=20, trust_env=False
    ) as client:
        follower = Follower(client)
        async with background.running(follower.run()):
            await eventually(lambda: follower.connected, within_s=20)
            yield client, follower


async def newest(client: httpx.AsyncClient, round_id: str) -> int:
    """Give the number of the event that ended the round."""
    async with Listening.open(client, last=0, types="round.finished") as listening:
        await eventually(lambda: round_id in {one["round"] for one in listening.events})
        return next(int(one["id"]) for one in listening.events if one["round"] == round_id)


async def test_a_reader_that_comes_back_has_all_events_whoever_dies_or_leaves(
    fleet: Fleet, console: Console, table: str
) -> None:
    assert (await fleet.manage("scale", "gateway=2")).code == 0
    played = []
    async with following(fleet) as (client, follower):
        try:
            for trouble in ("none", "kill", "leave"):
                if trouble == "kill":
                    (await fleet.one("gateway")).kill()
                    await fleet.whole()
                elif trouble == "leave":
                    assert (await fleet.manage("scale", "gateway=1")).code == 0
                played.append((await console.play(table)).round)
        finally:
            assert (await fleet.manage("scale", "gateway=1")).code == 0
        await follower.reach(await newest(client, played[-1]))
        assert follower.connected > 1
        for round_id in played:
            history = (await client.get(f"/v1/rounds/{round_id}/history")).json()["events"]
            types = [PUBLIC.get(event["type"], event["type"]) for event in history]
            wanted = sorted(one for one in types if one in TYPES)

            def has_all() -> bool:
                told = (one["type"] for one in follower.events if one["round"] == round_id)  # noqa: B023  # asked in its turn
                return sorted(told) == wanted  # noqa: B023

            await eventually(has_all)
        have = list(follower.events)
        async with Listening.open(client, last=0) as whole:
            await whole.wait_for(len(have))
            assert whole.events[: len(have)] == have
        assert [event["id"] for event in have] == [*range(1, len(have) + 1)]
