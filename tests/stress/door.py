"""A console's own connection to the edge: asks, and reads what it is answered."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, Final

import aiohttp
import orjson

from native.demo.views import Round, read_round

_MOST_WAIT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request was answered."""

    status: int
    body: Mapping[str, Any]
    retry_after_s: float | None

    @property
    def round(self) -> Round | None:
        return read_round(self.body) if "legs" in self.body else None

    @property
    def settled(self) -> bool:
        """Tell whether nothing of the round is under way; an expired start stays `unknown`."""
        lasts = [leg["last"] or {} for leg in self.body["legs"]]
        return not any(
            one.get("outcome") == "pending"
            or (one.get("outcome") == "unknown" and one["next_attempt_at"] is not None)
            for one in lasts
        )

    @property
    def code(self) -> str:
        return str(self.body.get("code") or f"status {self.status}")


class Door:
    """Speaks for one key."""

    def __init__(self, url: str, key: str, trust: SSLContext | bool, timeout_s: float = 40) -> None:
        self._url = url
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=trust),
            headers={"authorization": f"Bearer {key}"},
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        )

    async def ask(
        self, method: str, path: str, body: object = None, key: str | None = None
    ) -> Reply:
        headers = {} if key is None else {"idempotency-key": key}
        sent = None if body is None else orjson.dumps(body)
        if sent is not None:
            headers["content-type"] = "application/json"
        async with self._session.request(
            method, self._url + path, data=sent, headers=headers
        ) as answer:
            text = await answer.read()
        return Reply(answer.status, _read(text), _wait(answer.headers.get("retry-after")))

    async def close(self) -> None:
        await self._session.close()


def _read(text: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"code": "no JSON"}
    return found if isinstance(found, dict) else {}


def _wait(text: str | None) -> float | None:
    return min(float(text), _MOST_WAIT_S) if text and text.isdigit() else None


def now() -> float:
    return time.monotonic()
