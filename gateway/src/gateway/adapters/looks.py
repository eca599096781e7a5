"""Looks at targets, asked of a replica of their environment; nothing is sent to the tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from fleetkit import context
from gateway.adapters.inner import Inner, NoAnswerError, NotConnectedError
from ledger.domain.config import Mirror
from ledger.domain.tableview import TableView

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

    def __init__(self, inner: Inner) -> None:
        self._inner = inner

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
            said = await self._inner.post(
                f"/{environment.lower()}/looks",
                orjson.dumps(sights),
                context.headers(),
                within_s=ANSWER_S,
            )
            if said.status != _OK:
                return _unseen(environment, targets)
            return [_seen(record) for record in orjson.loads(said.body)]
        except (NotConnectedError, NoAnswerError, orjson.JSONDecodeError):
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
