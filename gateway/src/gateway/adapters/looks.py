"""Looks at targets, asked of a replica of their environment; nothing is sent to the tables."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import aiohttp
import orjson

from fleetkit import context
from ledger.domain.config import Mirror
from ledger.domain.tableview import TableView

CONNECT_S = 1.0
# A replica bounds its looks at 2 s; the rest is the way there and back.
ANSWER_S = 3.0
_OK = 200
_TIMES = ("bet_stop_at", "created_at")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a target showed, or why it could not be seen."""

    table: TableView | None
    failure: str | None = None


class Looks:
    """Asks the pools, through the inner Nginx."""

    def __init__(self, session: aiohttp.ClientSession, *, url: str, key: str) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    @classmethod
    @asynccontextmanager
    async def open(cls, *, url: str, key: str) -> AsyncIterator[Self]:
        timeout = aiohttp.ClientTimeout(total=ANSWER_S, sock_connect=CONNECT_S)
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            yield cls(session, url=url, key=key)

    async def at(self, environment: str, targets: Sequence[tuple[Mirror, str]]) -> list[Seen]:
        """Look at targets of one environment, each where it is served just now."""
        sights = [
            {
                "game_code": mirror.target.id,
                "served_by": served_by,
                "config_version": mirror.version,
            }
            for mirror, served_by in targets
        ]
        try:
            async with self._session.post(
                f"{self._url}/{environment.lower()}/looks",
                data=orjson.dumps(sights),
                headers={**self._headers, **context.headers()},
            ) as answer:
                body = await answer.read()
                if answer.status != _OK:
                    return _unseen(environment, targets)
                return [_seen(record) for record in orjson.loads(body)]
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError):
            return _unseen(environment, targets)


def _unseen(environment: str, targets: Sequence[tuple[Mirror, str]]) -> list[Seen]:
    return [Seen(None, f"No replica of {environment} answered.") for _ in targets]


def _seen(record: dict[str, Any]) -> Seen:
    table = record["table"]
    if table is None:
        return Seen(None, record["failure"])
    times = {
        name: datetime.fromisoformat(table[name]) for name in _TIMES if table[name] is not None
    }
    return Seen(TableView(**{**table, **times}))
