"""The door every route is behind: no answer without a key, and one run for one Idempotency-Key."""

import hashlib
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute

from fleetkit import ids
from fleetkit.service import JsonAnswer
from gateway.api import shapes
from gateway.api.access import Rule, authenticate
from gateway.domain import answers, sight
from gateway.services.idempotency import Idempotency, Kept, Work, check
from gateway.services.rounds import Rounds
from gateway.services.table_commands import TableCommands
from ledger.domain.actors import Actor
from ledger.domain.commands import Kind
from ledger.store.idempotency import Claim

Handle = Callable[[Request], Coroutine[Any, Any, Response]]

HEADER = "idempotency-key"
LONGEST_WAIT_MS = 30_000
USUAL_WAIT_MS = 2000


class Guarded(APIRoute):
    """A route that answers nobody without a key, not even that their body is wrong."""

    def get_route_handler(self) -> Handle:
        handle = super().get_route_handler()
        rule = Rule.of(self)

        async def guarded(request: Request) -> Response:
            actor = request.state.actor = await authenticate(request)
            await rule.check(actor, request)
            key = request.headers.get(HEADER)
            if key is None or request.method != "POST" or rule.once:
                request.state.command = ids.new()
                return await handle(request)
            return await _once(request, handle, check(key))

        return guarded


async def _once(request: Request, handle: Handle, key: str) -> Response:
    """Run the request unless the key has an answer already."""
    idempotency: Idempotency = request.state.idempotency
    rounds: Rounds = request.state.rounds
    table_commands: TableCommands = request.state.table_commands
    body = await request.body()
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    actor: Actor = request.state.actor
    claim = Claim(
        actor=actor.id,
        key=key,
        fingerprint=hashlib.sha256(asked + body).digest(),
        command_id=ids.new(),
    )

    async def run(command: str) -> Kept:
        request.state.command = command
        response = await handle(request)
        return Kept(response.status_code, bytes(response.body))

    async def recall(round_id: str, kind: Kind) -> Kept:
        if kind.of_table:
            command = await table_commands.get(round_id)
            shape = shapes.table_command(command)
            answer = JsonAnswer(shape, status_code=answers.of(command.outcome))
            return Kept(answer.status_code, bytes(answer.body))
        round_ = await rounds.get(round_id)
        shape = shapes.round_(sight.of_round(actor, round_), request.state.database.now())
        answer = JsonAnswer(shape, status_code=answers.status(round_, kind))
        return Kept(answer.status_code, bytes(answer.body))

    kept = await idempotency.answer(claim, Work(run, recall), wait=_wait(body))
    headers = {"idempotent-replay": "true"} if kept.replayed else None
    return Response(kept.body, kept.status, headers, media_type="application/json")


def _wait(body: bytes) -> timedelta:
    """Read how long the request may take; what is no such number is refused behind the door."""
    try:
        wait_ms = orjson.loads(body)["wait_ms"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        wait_ms = USUAL_WAIT_MS
    whole = type(wait_ms) is int and 0 <= wait_ms <= LONGEST_WAIT_MS
    return timedelta(milliseconds=wait_ms if whole else USUAL_WAIT_MS)
