"""Health: `/healthz` tells that the process lives, `/readyz` whether work may be sent to it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import orjson
from fastapi import APIRouter, Request, Response
from starlette.datastructures import State

from fleetkit import errors, logs
from fleetkit.load import Load

log = logs.get(__name__)

TIMEOUT_S: Final = 1.0

Probe: TypeAlias = Callable[[State], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Check:
    """One dependency by name.

    The probe gets the state that the lifespan yielded; it fails by raising or answering False.
    A check that is not degrading is shown, but does not make the process unready.
    """

    name: str
    probe: Probe
    degrading: bool = True


class Readiness:
    """Whether this process wants work: it does not once it was told to stop."""

    def __init__(self, checks: Sequence[Check], load: Load | None = None) -> None:
        self.checks = tuple(checks)
        self._load = load or Load()
        self.draining = False

    async def examine(self, state: State) -> tuple[bool, dict[str, object]]:
        found = await asyncio.gather(*(_examine(check, state) for check in self.checks))
        shown = dict(zip((check.name for check in self.checks), found, strict=True))
        ready = all(shown[check.name]["ok"] or not check.degrading for check in self.checks)
        if self.draining:
            return False, self._shape("draining", shown)
        return ready, self._shape("ready" if ready else "unready", shown)

    def _shape(self, status: str, checks: Mapping[str, object]) -> dict[str, object]:
        return {"status": status, "in_flight": self._load.read(), "checks": checks}


async def _examine(check: Check, state: State) -> dict[str, object]:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            passed = await check.probe(state)
    except TimeoutError:
        return {"ok": False, "reason": f"No answer within {TIMEOUT_S:g} s."}
    except errors.PitbossError as error:
        return {"ok": False, "reason": error.detail}
    except Exception as error:
        log.exception("check_failed", check=check.name)
        return {"ok": False, "reason": f"It failed with {type(error).__name__}."}
    if passed is False:
        return {"ok": False, "reason": "It does not answer."}
    return {"ok": True}


def _answer(status: int, body: Mapping[str, Any]) -> Response:
    return Response(
        orjson.dumps(body),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


_READY: Final = {"status": "ready", "in_flight": 3, "checks": {"postgres": {"ok": True}}}
_UNREADY: Final = {
    "status": "unready",
    "in_flight": 0,
    "checks": {"postgres": {"ok": False, "reason": "No answer within 1 s."}},
}


def _show(examples: Mapping[int, object]) -> dict[int | str, dict[str, Any]]:
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {"application/json": {"example": example}},
        }
        for status, example in examples.items()
    }


def router(readiness: Readiness) -> APIRouter:
    routes = APIRouter(tags=["health"])

    @routes.get(
        "/healthz", summary="Is the process alive?", responses=_show({200: {"status": "alive"}})
    )
    async def healthz() -> Response:
        return _answer(200, {"status": "alive"})

    @routes.get(
        "/readyz",
        summary="May work be sent to it?",
        responses=_show({200: _READY, 503: _UNREADY}),
    )
    async def readyz(request: Request) -> Response:
        ready, body = await readiness.examine(request.state)
        return _answer(200 if ready else 503, body)

    return routes
