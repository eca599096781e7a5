"""The replicas of an environment, reached through the inner Nginx; it picks one."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import Self

import aiohttp
import orjson

from fleetkit import context, logs
from ledger.domain.deliveries import Lease

log = logs.get(__name__)

CONNECT_S = 1.0
ANSWER_S = 30.0
_OK = 200


class Handover(Enum):
    """What is known of leases that were handed over."""

    CARRIED = auto()
    UNSENT = auto()  # nothing reached a replica: the leases may be given back at once
    UNANSWERED = auto()  # something may have: the leases run out, then the courier looks


class Replicas:
    """Hands leases over, once.

    Each handover has a connection of its own: a kept one may be closed by an Nginx that reloads in
    the moment it is used, and then nobody could tell whether the leases arrived.
    """

    def __init__(self, session: aiohttp.ClientSession, *, url: str, key: str) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    @classmethod
    @asynccontextmanager
    async def open(cls, *, url: str, key: str) -> AsyncIterator[Self]:
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        timeout = aiohttp.ClientTimeout(total=ANSWER_S, sock_connect=CONNECT_S)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            yield cls(session, url=url, key=key)

    async def hand_over(self, environment: str, leases: Sequence[Lease]) -> Handover:
        url = f"{self._url}/{environment.lower()}/deliveries"
        headers = {**self._headers, **context.headers()}
        try:
            async with self._session.post(
                url, data=orjson.dumps(leases), headers=headers
            ) as answer:
                body = await answer.read()
        except aiohttp.ClientConnectorError as error:
            log.warning("pool_unreachable", environment=environment, reason=str(error))
            return Handover.UNSENT
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("handover_unanswered", environment=environment, reason=repr(error))
            return Handover.UNANSWERED
        if answer.status == _OK:
            return Handover.CARRIED
        handover = Handover.UNSENT if _nothing_sent(answer.status, body) else Handover.UNANSWERED
        log.warning(
            "handover_failed", environment=environment, status=answer.status, sent=handover.name
        )
        return handover


def _nothing_sent(status: int, body: bytes) -> bool:
    """Say whether Nginx (or the replica's own door) answered before anything was carried out."""
    try:
        problem = orjson.loads(body)
        code, sent = problem["code"], problem.get("bytes_sent", "")
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False
    if code == "upstream_unreachable":
        # One figure per replica tried, "-" or 0 where the connection was refused.
        return all(part.strip() in ("", "-", "0") for part in str(sent).split(","))
    return code in ("no_pool", "unauthenticated", "malformed") and status < 500  # noqa: PLR2004
