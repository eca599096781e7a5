"""A request as it came off the wire, and the Table API call it stands for."""

from dataclasses import dataclass
from urllib.parse import unquote

import orjson

from simulator.domain.calls import ACTS, Body, Call
from simulator.domain.refusals import TurnedAwayError
from simulator.domain.world import World

LONGEST_CALLER = 200
SERVICE = ["v2", "service"]
READ = {"GET": "get", "PATCH": "patch"}


@dataclass(slots=True)
class Request:
    """Method, target, the few headers that matter, and the body."""

    method: str
    path: str
    query: str
    body: bytes
    keep_alive: bool
    cookie: str | None
    signature: str | None
    caller: str


def read_call(world: World, request: Request) -> Call:
    """Find the operation a path and method stand for, or raise TurnedAwayError."""
    parts = request.path.split("/")
    if len(parts) < 5 or parts[2:4] != SERVICE:  # noqa: PLR2004 "", environment, v2, service, resource
        raise TurnedAwayError(404, "no such path")
    environment = world.environment(parts[1].upper())
    body = _read_body(request.body)
    match parts[4:]:
        case ["sessions"]:
            operation, method, code = "sessions", "POST", (body or {}).get("gameCode")
        case ["tables", code] if code:
            operation, method = READ.get(request.method, ""), request.method
        case ["tables", code, operation] if code and operation in ACTS and operation != "patch":
            method = "POST"
        case _:
            raise TurnedAwayError(404, "no such path")
    if request.method != method or not operation:
        raise TurnedAwayError(405, f"{request.method} is not allowed here")
    code = code if isinstance(code, str) else ""
    return Call(
        operation,
        environment,
        unquote(code) if "%" in code else code,
        body,
        _read_token(request.cookie),
        request.signature,
        request.caller[:LONGEST_CALLER],
    )


def _read_body(raw: bytes) -> Body | None:
    """Give the JSON object, {} for no body at all, None for anything else."""
    if not raw:
        return {}
    try:
        body = orjson.loads(raw)
        # What is stored must be renderable inside a table, and orjson reads deeper than it writes.
        orjson.dumps([[[[body]]]])
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    return body if isinstance(body, dict) else None


def _read_token(cookie: str | None) -> str | None:
    if cookie is None:
        return None
    for pair in cookie.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == "accessToken":
            return value
    return None
