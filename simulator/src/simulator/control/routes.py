"""The routes of the control API."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from typing import Protocol
from urllib.parse import unquote

import orjson

from simulator.control.faults import read_fault, show_fault
from simulator.control.reading import (
    Fields,
    WrongInputError,
    check_name,
    read_query,
    read_since,
)
from simulator.control.settings import (
    read_environment,
    read_own_port,
    read_table,
    show_environment,
    show_table,
)
from simulator.domain.effects import Effect
from simulator.domain.instants import read_clock, render
from simulator.domain.refusals import TurnedAwayError
from simulator.domain.world import World

PAGE = 500
Reply = tuple[int, object]
Handler = Callable[[list[str], str, bytes], Awaitable[Reply]]


class Doors(Protocol):
    """The listeners, as far as control needs them."""

    async def open_own(self, environment: str, port: int) -> None: ...

    def close_own(self, environment: str) -> None: ...

    def port_of(self, environment: str) -> int | None: ...

    async def settle(self) -> None: ...


class Control:
    """Everything under /control."""

    def __init__(self, world: World, doors: Doors) -> None:
        self._world = world
        self._doors = doors
        self._handlers: dict[tuple[str, str, int], Handler] = {
            ("GET", "health", 0): self._show_health,
            ("PUT", "environments", 1): self._put_environment,
            ("PUT", "tables", 2): self._put_table,
            ("POST", "faults", 0): self._add_fault,
            ("GET", "faults", 0): self._list_faults,
            ("DELETE", "faults", 0): self._clear_faults,
            ("DELETE", "faults", 1): self._remove_fault,
            ("GET", "effects", 0): self._list_effects,
            ("DELETE", "effects", 0): self._clear_effects,
            ("GET", "requests", 1): self._count_requests,
            ("POST", "reset", 0): self._reset,
        }

    async def handle(self, method: str, path: str, query: str, body: bytes) -> Reply:
        noun, *rest = [unquote(part) for part in path.removeprefix("/control/").split("/")]
        handler = self._handlers.get((method, noun, len(rest)))
        if handler is None:
            return 404, {"message": f"Control has no {method} {path[:200]}."}
        try:
            return await handler(rest, query, body)
        except WrongInputError as error:
            return 400, {"message": str(error)}
        except TurnedAwayError as error:
            return error.status, {"message": error.message}

    async def _show_health(self, _rest: list[str], _query: str, _body: bytes) -> Reply:
        return 200, {"status": "ok", "tables": sum(1 for _ in self._world.tables())}

    async def _put_environment(self, rest: list[str], _query: str, body: bytes) -> Reply:
        name = check_name(rest[0], "environment name").upper()
        fields = Fields(body)
        known = self._world.environment(name)
        wanted = read_environment(fields, known)
        moves = "own_port" in fields
        port = read_own_port(fields)
        fields.end()
        if moves and port is None:
            self._doors.close_own(name)
        elif moves and port is not None:
            try:
                await self._doors.open_own(name, port)
            except OSError as error:
                raise WrongInputError(f"Port {port} can't be listened on: {error}.") from error
        self._world.put_environment(wanted)
        return 200, show_environment(wanted, self._doors.port_of(name))

    async def _put_table(self, rest: list[str], _query: str, body: bytes) -> Reply:
        name = check_name(rest[0], "environment name").upper()
        code = check_name(rest[1], "table code")
        fields = Fields(body)
        visibility = fields.take_choice("visibility", ["visible", "disabled"])
        known = self._world.find_table(name, code)
        settings = read_table(fields, known.settings if known else self._world.default_settings())
        fields.end()
        self._world.environment(name)
        table = self._world.make_table(name, code)
        table.settings = settings
        table.visibility = visibility or table.visibility
        return 200, show_table(table)

    async def _add_fault(self, _rest: list[str], _query: str, body: bytes) -> Reply:
        number = self._world.faults.add(read_fault(body))
        await self._doors.settle()
        return 201, {"fault": number}

    async def _list_faults(self, _rest: list[str], _query: str, _body: bytes) -> Reply:
        return 200, {"faults": [show_fault(armed) for armed in self._world.faults]}

    async def _clear_faults(self, _rest: list[str], query: str, _body: bytes) -> Reply:
        given = read_query(query, ("environment",)).get("environment")
        removed = self._world.faults.clear(given and given.upper())
        await self._doors.settle()
        return 200, {"removed": removed}

    async def _remove_fault(self, rest: list[str], _query: str, _body: bytes) -> Reply:
        number = rest[0]
        if not (number.isascii() and number.isdigit() and len(number) < 19):  # noqa: PLR2004 as since
            raise WrongInputError(f"{number[:80]!r} is no fault's number.")
        if not self._world.faults.remove(int(number)):
            return 404, {"message": f"No fault {number} is in force; it may have struck its count."}
        await self._doors.settle()
        return 200, {"removed": 1}

    async def _list_effects(self, _rest: list[str], query: str, _body: bytes) -> Reply:
        given = read_query(query, ("environment", "table", "since"))
        now_ms = read_clock()
        for table in self._world.tables():
            self._world.settle(table, now_ms)
        effects = self._world.effects
        environment = given.get("environment")
        selected = effects.select(
            environment and environment.upper(),
            given.get("table"),
            read_since(given.get("since", "0")),
        )
        return 200, {
            "effects": await _show_effects(selected),
            "dropped": effects.dropped,
        }

    async def _clear_effects(self, _rest: list[str], _query: str, _body: bytes) -> Reply:
        self._world.effects.clear()
        return 200, {}

    async def _count_requests(self, rest: list[str], _query: str, _body: bytes) -> Reply:
        if rest != ["count"]:
            return 404, {"message": "Did you mean /control/requests/count?"}
        counts: dict[str, dict[str, int]] = {}
        total = 0
        for (environment, operation), count in self._world.effects.requests.items():
            counts.setdefault(environment, {})[operation] = count
            total += count
        return 200, {"total": total, "environments": counts}

    async def _reset(self, _rest: list[str], _query: str, _body: bytes) -> Reply:
        self._world.reset()
        await self._doors.settle()
        return 200, {}


async def _show_effects(effects: Iterator[Effect]) -> orjson.Fragment:
    """Render in pages, so that a long ledger does not hold up the tables."""
    pages = []
    while page := [_show_effect(effect) for effect in islice(effects, PAGE)]:
        pages.append(orjson.dumps(page)[1:-1])
        await asyncio.sleep(0)
    return orjson.Fragment(b"[" + b",".join(pages) + b"]")


def _show_effect(effect: Effect) -> dict[str, object]:
    return {
        "n": effect.n,
        "at": render(effect.at_ms),
        "environment": effect.environment,
        "table": effect.table,
        "operation": effect.operation,
        "round": effect.round_id,
        "result": effect.result,
        "caller": effect.caller,
        "repeat": effect.repeat,
    }
