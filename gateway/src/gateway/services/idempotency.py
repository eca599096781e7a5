"""The same request under the same key: run once, answered alike however often it comes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from fastapi.exceptions import RequestValidationError

from fleetkit import errors, logs
from fleetkit.database import Database
from ledger.domain.commands import Kind
from ledger.store import idempotency
from ledger.store.idempotency import Claim, Earlier

log = logs.get(__name__)

LONGEST_KEY = 255
# What a request may take beyond its own wait before whoever ran it is taken for dead.
GRACE = timedelta(seconds=3)
_REFUSALS = (errors.PitbossError, RequestValidationError)


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, byte for byte."""

    status: int
    body: bytes
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """What to do under a key: run the request, or answer for a command already written."""

    run: Callable[[str], Awaitable[Kept]]
    recall: Callable[[str, Kind], Awaitable[Kept]]


def check(key: str) -> str:
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise errors.Malformed(
            f"An Idempotency-Key has 1 to {LONGEST_KEY} printable ASCII characters.",
            code="bad_idempotency_key",
        )
    return key


class Idempotency:
    """The keys of all actors."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def answer(self, claim: Claim, work: Work, *, wait: timedelta) -> Kept:
        running_for = wait + GRACE
        async with self._database.connection() as conn:
            ours = await idempotency.claim(conn, claim, running_for=running_for)
            earlier = None if ours else await idempotency.get(conn, claim.actor, claim.key)
        if ours:
            return await self._run(claim, work, claim.command_id)
        if earlier is None:
            raise _running()
        if earlier.fingerprint != claim.fingerprint:
            raise errors.Invalid(
                "This Idempotency-Key was used for another request: take a new one.",
                code="idempotency_key_reused",
                field="header.idempotency-key",
            )
        if earlier.status is not None and earlier.answer is not None:
            return Kept(earlier.status, earlier.answer, replayed=True)
        return await self._after(claim, earlier, work, running_for)

    async def _run(self, claim: Claim, work: Work, command_id: str) -> Kept:
        try:
            kept = await work.run(command_id)
        except _REFUSALS as refusal:
            if isinstance(refusal, errors.Unavailable):
                await self._leave(claim)
            else:
                # Refused before anything was written: the key is free again.
                async with self._database.connection() as conn:
                    await idempotency.forget(conn, claim.actor, claim.key)
            raise
        except Exception:
            await self._leave(claim)
            raise
        await self._keep(claim, kept)
        return kept

    async def _after(
        self, claim: Claim, earlier: Earlier, work: Work, running_for: timedelta
    ) -> Kept:
        """Wait for the one that runs, or step in for one that died."""
        if self._database.now() < earlier.running_until:
            raise _running()
        async with self._database.connection() as conn:
            if not await idempotency.take_over(
                conn, earlier, claim.actor, claim.key, running_for=running_for
            ):
                raise _running()
            written = await idempotency.written(conn, earlier.command_id)
        if written is None:
            # Under the first one's id, so that it can't be written twice even if that one wakes up.
            return await self._run(claim, work, earlier.command_id)
        kept = await work.recall(*written)
        await self._keep(claim, kept)
        return kept

    async def _leave(self, claim: Claim) -> None:
        """Let the next one look whether the command was written: it may have been."""
        async with self._database.connection() as conn:
            await idempotency.leave(conn, claim.actor, claim.key)

    async def _keep(self, claim: Claim, kept: Kept) -> None:
        try:
            async with self._database.connection() as conn:
                await idempotency.keep(
                    conn, claim.actor, claim.key, status=kept.status, answer=kept.body
                )
        except errors.Unavailable:
            # The command is written; a repeat will find it and answer for it.
            log.warning("answer_not_kept", key=claim.key)


def _running() -> errors.Conflict:
    return errors.Conflict(
        "The same request is still running: ask again in a moment.",
        code="still_running",
        retry_after_s=1,
    )
