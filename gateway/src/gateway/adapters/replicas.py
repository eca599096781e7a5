"""The replicas of an environment, reached through the inner Nginx; it picks one."""

from collections.abc import Sequence
from enum import Enum, auto

import orjson

from fleetkit import context, logs
from gateway.adapters.inner import Inner, NoAnswerError, NotConnectedError, Said
from ledger.domain.deliveries import Lease

log = logs.get(__name__)

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

    def __init__(self, inner: Inner) -> None:
        self._inner = inner

    async def hand_over(self, environment: str, leases: Sequence[Lease]) -> Handover:
        path = f"/{environment.lower()}/deliveries"
        try:
            said = await self._inner.post(
                path, orjson.dumps(leases), context.headers(), within_s=ANSWER_S
            )
        except NotConnectedError as error:
            log.warning("pool_unreachable", environment=environment, reason=str(error))
            return Handover.UNSENT
        except NoAnswerError as error:
            log.warning("handover_unanswered", environment=environment, reason=str(error))
            return Handover.UNANSWERED
        if said.status == _OK:
            return Handover.CARRIED
        handover = Handover.UNSENT if _nothing_sent(said) else Handover.UNANSWERED
        log.warning(
            "handover_failed", environment=environment, status=said.status, sent=handover.name
        )
        return handover


def _nothing_sent(said: Said) -> bool:
    """Say whether Nginx (or the replica's own door) answered before anything was carried out."""
    try:
        problem = orjson.loads(said.body)
        code, sent = problem["code"], problem.get("bytes_sent", "")
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False
    if code == "upstream_unreachable":
        # One figure per replica tried, "-" or 0 where the connection was refused.
        return all(part.strip() in ("", "-", "0") for part in str(sent).split(","))
    return code in ("no_pool", "unauthenticated", "malformed") and said.status < 500  # noqa: PLR2004
