"""Commands by stream, second half: each table's in order, by whichever gateway has room."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final, Protocol

import orjson
from prometheus_client import Counter

from fleetkit import background, errors, logs, problems
from fleetkit.bus import Bus
from fleetkit.database import Database
from gateway.adapters.own_door import OwnDoor, Reply
from gateway.domain.stream_entries import GOES_STALE, STALE_AFTER_MS, path
from gateway.services.idempotency import GRACE
from gateway.services.stream_intake import Intake
from gateway.services.stream_replies import Replies
from ledger.domain.commands import Kind
from ledger.store import stream_commands
from ledger.store.stream_commands import Taken

log = logs.get(__name__)

LANES: Final = 8
LOOK_EVERY_S: Final = 0.5
AGAIN_AFTER: Final = timedelta(seconds=0.5)
# A moment longer than the key counts as taken, so that whoever steps in finds it free.
LEASE_GRACE: Final = GRACE + timedelta(seconds=1)
# What is refused for the moment is asked again for so long, and then answered as it stands.
PATIENCE: Final = timedelta(seconds=30)
FOR_NOW: Final = frozenset({429, 503})
STILL_RUNNING: Final = "still_running"
GOODBYE_S: Final = 3.0

ANSWERED: Final = Counter(
    "pitboss_stream_commands_answered", "Commands of the stream by their answer.", ["status"]
)


class Door(Protocol):
    """What REST's clients come through."""

    async def post(self, path: str, body: bytes, *, key: str, key_hash: bytes) -> Reply: ...


class StreamCommands:
    """The lanes of one gateway; a lane works off one table until nothing of it is left."""

    def __init__(
        self, *, database: Database, door: Door, replies: Replies, draining: Callable[[], bool]
    ) -> None:
        self._database = database
        self._door = door
        self._replies = replies
        self._draining = draining
        self._lanes: set[asyncio.Task[None]] = set()
        self._look = asyncio.Event()

    def look(self) -> None:
        """Look for work now."""
        self._look.set()

    async def run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._look.wait()
            self._look.clear()
            room = LANES - len(self._lanes)
            if room <= 0 or self._draining():
                continue
            try:
                async with self._database.connection() as conn:
                    taken = await stream_commands.take(conn, most=room, grace=LEASE_GRACE)
            except errors.Unavailable:
                continue
            except Exception:
                log.exception("stream_commands_not_taken")
                continue
            for one in taken:
                lane = asyncio.create_task(self._work_off(one))
                self._lanes.add(lane)
                lane.add_done_callback(self._left)

    async def finish(self) -> None:
        """Let what is under way be answered; what is cut off another gateway goes on with."""
        if self._lanes:
            _, late = await asyncio.wait(self._lanes, timeout=GOODBYE_S)
            await background.end(*late)

    def _left(self, lane: asyncio.Task[None]) -> None:
        self._lanes.discard(lane)
        self._look.set()

    async def _work_off(self, first: Taken) -> None:
        taken: Taken | None = first
        try:
            while taken is not None:
                if not await self._carry_out(taken) or self._draining():
                    return
                async with self._database.connection() as conn:
                    taken = await stream_commands.take_next(conn, taken.table_id, grace=LEASE_GRACE)
        except errors.Unavailable:
            log.warning("stream_command_left", table=first.table_id)
        except Exception:
            log.exception("stream_command_failed", table=first.table_id)

    async def _carry_out(self, taken: Taken) -> bool:
        """Ask at the door and write the answer; False when it has to be asked again later."""
        reply = self._refuse(taken)
        if reply is None:
            asked = path(Kind(taken.command), taken.table_id, taken.round_id)
            reply = await self._door.post(asked, taken.body, key=taken.key, key_hash=taken.key_hash)
        told = _read(reply.body)
        again = reply.status in FOR_NOW or told.get("code") == STILL_RUNNING
        async with self._database.connection() as conn:
            if again and taken.age < PATIENCE:
                await stream_commands.put_back(conn, taken.sequence, after=AGAIN_AFTER)
                return False
            round_id = told.get("round") if reply.status < 400 or reply.status == 502 else None  # noqa: PLR2004  # a round is told of with these only
            ours = await stream_commands.answer(
                conn, taken.sequence, status=reply.status, body=reply.body, round_id=round_id
            )
        if ours:
            ANSWERED.labels(str(reply.status)).inc()
            self._replies.look()
        return True

    @staticmethod
    def _refuse(taken: Taken) -> Reply | None:
        """Refuse what REST has no word for."""
        kind = Kind(taken.command)
        error: errors.PitbossError | None = None
        if kind in GOES_STALE and taken.lay_ms > STALE_AFTER_MS:
            error = errors.Conflict(
                f"It lay in the stream for {taken.lay_ms // 1000} s before a gateway took it, "
                "which is too long for this command. Send it again if it is still meant.",
                code="command_too_old",
            )
        elif kind.of_table or kind is Kind.START:
            return None
        elif taken.round_id is None:
            error = errors.Conflict(
                "It names no round, and the last start that came by the stream for "
                f"{taken.table_id} opened none.",
                code="no_round",
            )
        elif taken.round_table not in (None, taken.table_id):
            error = errors.Conflict(
                f"The round {taken.round_id} is not one of {taken.table_id}.",
                code="round_of_other_table",
            )
        if error is None:
            return None
        response = problems.of(error)
        return Reply(response.status_code, bytes(response.body))


def _read(body: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


@asynccontextmanager
async def taking(
    *,
    database: Database,
    bus: Bus,
    door: OwnDoor,
    name: str,
    draining: Callable[[], bool],
) -> AsyncIterator[None]:
    """Take commands from the stream for as long as the block lasts."""
    replies = Replies(database=database, bus=bus)
    commands = StreamCommands(database=database, door=door, replies=replies, draining=draining)
    intake = Intake(database=database, bus=bus, name=name, accepted=commands.look)
    async with background.running(replies.run()):
        async with background.running(intake.run(), commands.run()):
            yield
        await commands.finish()
        await replies.send_rest()
