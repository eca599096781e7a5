"""The environments' configuration for the demo, laid over what stands there."""

import re
from collections.abc import Mapping
from typing import Final, cast

from native.demo import script
from native.refusals import Refusal

Document = dict[str, object]

_CALLS: Final = ("start", "bet-stop", "deal", "finish", "cancel")


def base_url(environment: str, simulator: str) -> str:
    return f"{simulator}/{environment.lower()}/v2/service"


def is_simulated(environment: str, url: object) -> bool:
    """Tell whether the address is a simulator's, of this run or, on another port, of an earlier."""
    path = re.escape(f"/{environment.lower()}/v2/service")
    return re.fullmatch(rf"http://(127\.0\.0\.1|simulator):[0-9]+{path}/?", str(url)) is not None


def lay_over(standing: Mapping[str, object] | None, environment: str, simulator: str) -> Document:
    """Give the document that is wanted; what the demo does not need stays as it stands.

    An environment that calls anything but the simulator is somebody's own: it is refused.
    """
    kept: Document = dict(standing or {})
    if standing is not None and not is_simulated(environment, standing.get("base_url")):
        raise Refusal(
            f"{environment} is configured for {standing.get('base_url')}, not for the simulator, "
            "and the demo does not overwrite that; give it a PITBOSS_STATE_DIR of its own."
        )
    timeouts = cast("Document", kept.get("timeouts_ms") or {})
    return {
        **kept,
        "environment": environment,
        "base_url": base_url(environment, simulator),
        "primary": environment == script.REQUIRED,
        "timeouts_ms": {**timeouts, **dict.fromkeys(_CALLS, script.CALL_TIMEOUT_MS)},
        "tables": _lay_over_tables(cast("list[Document]", kept.get("tables") or [])),
    }


def _lay_over_tables(standing: list[Document]) -> list[Document]:
    wanted = {
        code: {
            "id": code,
            "table": table.name,
            "type": table.game,
            "enabled": True,
            "deal_to_finish_ms": table.deal_to_finish_ms,
        }
        for table in script.TABLES
        for code in table.codes
    }
    laid = [{**each, **wanted.pop(str(each.get("id")), {})} for each in standing]
    return [*laid, *wanted.values()]
