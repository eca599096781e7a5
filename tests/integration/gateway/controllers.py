"""A controller at the stream, on whichever bus."""

import secrets
from typing import Any

import orjson

from fleetkit.bus import Bus, Queue
from fleetkit.testing import eventually

TABLE = "ARO-001"
KEY = "admin-key-of-the-tests"
COMMANDS = Queue("table_commands", exclusive=True)
REPLIES = Queue("table_replies", log=True)


class Controller:
    """A controller at the stream, which knows its replies by its keys."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    @staticmethod
    def entry(command: str, body: object = None, **fields: str | bytes) -> dict[str, str | bytes]:
        told = b"" if body is None else orjson.dumps(body)
        entry: dict[str, str | bytes] = {
            "command": command,
            "table": TABLE,
            "body": told,
            "actor_key": KEY,
        }
        return {**entry, "key": secrets.token_hex(8), **fields}

    async def write(self, *entries: dict[str, str | bytes]) -> list[str]:
        return await self.bus.publish_many(COMMANDS, entries)

    async def replies(self, *keys: str | bytes) -> list[dict[str, Any]]:
        """Wait until each of these keys has an answer; give them in that order."""

        async def all_there() -> list[dict[str, Any]] | None:
            found = await self.all()
            known = {one["key"]: one for one in found}
            return [known[str(key)] for key in keys] if known.keys() >= set(keys) else None

        return await eventually(all_there, within_s=30) or []

    async def all(self) -> list[dict[str, Any]]:
        found = await self.bus.peek(REPLIES, 1000)
        return [
            {
                **{name: value.decode() for name, value in entry.fields.items()},
                "status": int(entry.fields["status"]),
                "body": orjson.loads(entry.body),
            }
            for entry in found
        ]

    async def ask(self, command: str, body: object = None, **fields: str | bytes) -> dict[str, Any]:
        entry = self.entry(command, body, **fields)
        await self.write(entry)
        [reply] = await self.replies(entry["key"])
        return reply

    async def dead(self) -> list[dict[str, bytes]]:
        return [dict(one.fields) for one in await self.bus.peek(COMMANDS.dead_letters, 1000)]
