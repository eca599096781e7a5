"""A reader of server-sent events, for tests: collects what comes, and knows its last id."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import httpx

from fleetkit import background
from fleetkit.testing import eventually


class Listening:
    """One stream, read in the background until it ends."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.events: list[dict[str, Any]] = []
        self.comments: list[str] = []
        self.retry: list[int] = []
        # Why it ended: None when its end was announced, as it should be.
        self.failure: Exception | None = None
        self.over = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls, client: httpx.AsyncClient, *, last: int | None = None, **query: str
    ) -> AsyncIterator[Self]:
        headers = {} if last is None else {"last-event-id": str(last)}
        timeout = httpx.Timeout(60)
        async with client.stream(
            "GET", "/v1/events", params=query, headers=headers, timeout=timeout
        ) as answer:
            listening = cls(answer)
            if answer.status_code != httpx.codes.OK:
                await answer.aread()
                raise AssertionError(f"{answer.status_code}: {answer.text}")
            reading = asyncio.create_task(listening._read())
            # Its first words: from then on nothing is missed.
            await eventually(lambda: listening.retry or listening.over, within_s=60)
            try:
                yield listening
            finally:
                await background.end(reading)

    @property
    def last(self) -> int | None:
        return self.events[-1]["id"] if self.events else None

    @property
    def ids(self) -> list[int]:
        return [event["id"] for event in self.events]

    async def wait_for(self, count: int, *, within_s: float = 60.0) -> list[dict[str, Any]]:
        await eventually(lambda: len(self.events) >= count or self.over, within_s=within_s)
        assert len(self.events) >= count, (self.comments, self.failure)
        return self.events

    async def wait_over(self, *, within_s: float = 60.0) -> None:
        await eventually(lambda: self.over, within_s=within_s)

    async def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            async for line in self.answer.aiter_lines():
                if not line:
                    self._take(fields)
                    fields = {}
                elif line.startswith(":"):
                    self.comments.append(line[1:].strip())
                else:
                    name, _, value = line.partition(": ")
                    fields[name] = value
        except httpx.HTTPError as error:
            self.failure = error
        finally:
            self.over = True

    def _take(self, fields: Mapping[str, str]) -> None:
        if "retry" in fields:
            self.retry.append(int(fields["retry"]))
        if "data" in fields:
            event = json.loads(fields["data"])
            assert (int(fields["id"]), fields["event"]) == (event["id"], event["type"])
            self.events.append(event)
