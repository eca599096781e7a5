"""The routes of batches: asked for, looked at, followed as they go, cancelled."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Request, Response

from fleetkit import problems
from fleetkit.clock import rfc3339
from fleetkit.service import JsonAnswer
from fleetkit.streaming import MEDIA_TYPE, EventStream
from gateway.api.access import TheActor, least
from gateway.api.batch_models import BatchAnswer, BatchBody
from gateway.api.door import Guarded
from gateway.api.models import Ulid
from gateway.deps import TheBatches
from gateway.services.batches import Batches, Wish
from ledger.domain.actors import Actor, Role
from ledger.domain.batches import LEFT, Batch, Item

ACCEPTED: Final = 202
OK: Final = 200
HEARTBEAT_S: Final = 15.0
# Another gateway goes on with the batch: whoever follows it comes back to that one.
DRAINING: Final = b": this gateway is going; look at the batch again\nretry: 1000\n\n"

BatchId = Annotated[Ulid, Path(examples=["01JD0000000000000000000009"])]


class Followed(Guarded):
    """A route that goes on as a stream where that is asked for, once it is answered."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def followed(request: Request) -> Response:
            answer = await handle(request)
            if answer.status_code not in (OK, ACCEPTED):
                return answer
            batch = orjson.loads(bytes(answer.body))["batch"]
            if MEDIA_TYPE in request.headers.get("accept", ""):
                batches: Batches = request.state.batches
                answer = EventStream(_lines(request, batches, batch), asyncio.Event())
            # Here and not where the batch is made: of what is kept under a key, only the body is.
            answer.headers["location"] = f"/v1/batches/{batch}"
            return answer

        return followed


router = APIRouter(prefix="/v1/batches", tags=["batches"], route_class=Guarded)
streaming = APIRouter(prefix="/v1/batches", tags=["batches"], route_class=Followed)

_EXAMPLE: Final = """event: table
data: {"batch":"01JD0000000000000000000009","table":"ARO-001","outcome":"complete","status":201}

event: summary
data: {"batch":"01JD0000000000000000000009","state":"finished","progress":{"total":1,"done":1}}

"""
_STREAM: Final[dict[str, Any]] = {
    "content": {
        "application/json": {},
        MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLE},
    }
}


@streaming.post(
    "",
    status_code=ACCEPTED,
    summary="Run one command on many tables",
    openapi_extra=least(Role.DEALER),
    response_model=BatchAnswer,
    responses={ACCEPTED: _STREAM, **problems.responses(400, 401, 403, 409, 413, 422, 503)},
)
async def create(
    request: Request, batches: TheBatches, actor: TheActor, body: BatchBody
) -> Response:
    """Check all of it, then run the command on each table, so many at once as the load allows.

    A table that is slow keeps none of the others waiting for longer than `wait_ms`. When
    `timeout_ms` is over, what is done is reported and the rest is `pending`; nothing more is begun.
    With `Accept: text/event-stream` a `table` event comes for each table that is done with, and a
    `summary` at the end.
    """
    command, given = body.of_command()
    wish = Wish(
        id=request.state.command,
        command=command,
        tables=body.tables,
        body=given,
        max_concurrent=body.max_concurrent,
        wait=timedelta(milliseconds=body.wait_ms),
        time=timedelta(milliseconds=body.timeout_ms),
    )
    batch = await batches.create(wish, actor)
    return JsonAnswer(shape(batch), status_code=ACCEPTED)


@streaming.get(
    "/{batch}",
    summary="Look at a batch",
    openapi_extra=least(Role.VIEWER),
    response_model=BatchAnswer,
    responses={OK: _STREAM, **problems.responses(401, 403, 404, 422, 503)},
)
async def read(batches: TheBatches, actor: TheActor, batch: BatchId) -> Response:
    """Look at how far it is, on any gateway; `Accept: text/event-stream` follows it to its end."""
    found = await batches.get(batch)
    if not any(actor.sees_table(item.table) for item in found.items):
        actor.check_table(found.items[0].table)
    return JsonAnswer(shape(found, actor))


@router.post(
    "/{batch}/cancel",
    summary="Cancel a batch",
    openapi_extra=least(Role.DEALER),
    response_model=BatchAnswer,
    responses=problems.responses(401, 403, 404, 409, 422, 503),
)
async def cancel(batches: TheBatches, actor: TheActor, batch: BatchId) -> Response:
    """Begin nothing more; what runs goes on. A batch that is over stays as it is."""
    return JsonAnswer(shape(await batches.cancel(batch, actor)))


@router.delete(
    "/{batch}",
    summary="Cancel a batch",
    openapi_extra=least(Role.DEALER),
    response_model=BatchAnswer,
    responses=problems.responses(401, 403, 404, 409, 422, 503),
)
async def delete(batches: TheBatches, actor: TheActor, batch: BatchId) -> Response:
    """Begin nothing more; as `cancel`. What a batch did is not taken back, and stays to be read."""
    return JsonAnswer(shape(await batches.cancel(batch, actor)))


def shape(batch: Batch, actor: Actor | None = None) -> dict[str, object]:
    items = [item for item in batch.items if actor is None or actor.sees_table(item.table)]
    return {
        **_head(batch),
        "max_concurrent": batch.order.max_concurrent,
        "created_at": rfc3339(batch.created_at),
        "deadline_at": rfc3339(batch.deadline_at),
        "tables": [_table(item) for item in items],
    }


def _head(batch: Batch) -> dict[str, object]:
    counts = batch.count()
    total = len(batch.items)
    done = sum(count for state, count in counts.items() if state not in ("waiting", "running"))
    return {
        "batch": batch.order.id,
        "command": batch.order.command,
        "state": batch.state,
        "finished_at": None if batch.finished_at is None else rfc3339(batch.finished_at),
        "progress": {"total": total, "done": done, **counts},
    }


def _table(item: Item) -> dict[str, object]:
    lasted = None
    if item.begun_at is not None and item.finished_at is not None:
        lasted = round((item.finished_at - item.begun_at).total_seconds() * 1000, 1)
    return {
        "table": item.table,
        "outcome": item.state,
        "begun": item.begun_at is not None,
        "status": item.status,
        "code": item.code,
        "detail": item.detail,
        "round": item.round_id,
        "command": item.command_id,
        "begun_at": None if item.begun_at is None else rfc3339(item.begun_at),
        "finished_at": None if item.finished_at is None else rfc3339(item.finished_at),
        "duration_ms": lasted,
    }


async def _lines(request: Request, batches: Batches, batch_id: str) -> AsyncIterator[bytes]:
    """Write a line for each table that is done with, and a summary that names what is left."""
    actor: Actor = request.state.actor
    told: set[int] = set()

    def ended() -> bool:
        draining: bool = request.app.state.readiness.draining
        return draining

    yield f": batch {batch_id}\n\n".encode()
    async for batch in batches.watch(batch_id, every_s=HEARTBEAT_S, ended=ended):
        news = [
            item
            for item in batch.items
            if item.finished and item.state not in LEFT and item.position not in told
        ]
        lines = [
            _line("table", {"batch": batch_id, **_table(item)})
            for item in _sorted(news)
            if actor.sees_table(item.table)
        ]
        told |= {item.position for item in news}
        yield b"".join(lines) or b": still here\n\n"
        if batch.finished_at is not None:
            yield _line("summary", {**_head(batch), **_left(batch, actor)})
            return
    yield DRAINING


def _left(batch: Batch, actor: Actor) -> dict[str, object]:
    """Name the tables of which not all is well, by what became of them."""
    named: dict[str, list[str]] = {}
    for item in batch.items:
        if item.state != "complete" and actor.sees_table(item.table):
            named.setdefault(item.state, []).append(item.table)
    return {"tables": named}


def _sorted(items: list[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (item.finished_at is None, item.finished_at))


def _line(event: str, data: dict[str, object]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event.encode(), orjson.dumps(data))
