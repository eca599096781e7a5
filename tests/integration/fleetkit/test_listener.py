import asyncio
from typing import Protocol

import asyncpg

from fleetkit.database import Listener
from fleetkit.testing import eventually


class Server(Protocol):
    def url(self, database: str) -> str: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def execute(self, statement: str) -> None: ...


class Heard:
    def __init__(self) -> None:
        self.notices: list[tuple[str, str]] = []
        self.begun = 0

    def notify(self, channel: str, payload: str) -> None:
        self.notices.append((channel, payload))

    async def reconnect(self) -> None:
        self.begun += 1


async def test_notices_come_in_order_from_each_channel(database_url: str) -> None:
    heard = Heard()
    sender = await asyncpg.connect(database_url)
    async with Listener(
        database_url,
        name="test",
        channels=["config", "events"],
        on_notify=heard.notify,
        on_reconnect=heard.reconnect,
    ) as listener:
        await asyncio.wait_for(listener.listening.wait(), 30)
        for number in range(20):
            await sender.execute("select pg_notify($1, $2)", "config", str(number))
        await sender.execute("select pg_notify('events', '')")
        await eventually(lambda: len(heard.notices) == 21)
    await sender.close()
    assert heard.notices == [*(("config", str(n)) for n in range(20)), ("events", "")]
    assert heard.begun == 1


async def test_a_failing_callback_ends_nothing(database_url: str) -> None:
    heard = Heard()

    def fail_once(channel: str, payload: str) -> None:
        heard.notify(channel, payload)
        if payload == "first":
            raise ValueError(payload)

    sender = await asyncpg.connect(database_url)
    async with Listener(
        database_url, name="test", channels=["config"], on_notify=fail_once
    ) as listener:
        await asyncio.wait_for(listener.listening.wait(), 30)
        for payload in ("first", "second"):
            await sender.execute("select pg_notify('config', $1)", payload)
        await eventually(lambda: len(heard.notices) == 2)
    await sender.close()


async def test_listening_begins_again_when_postgres_is_back(spare_postgres: Server) -> None:
    heard = Heard()
    async with Listener(
        spare_postgres.url("postgres"),
        name="test",
        channels=["config"],
        on_notify=heard.notify,
        on_reconnect=heard.reconnect,
    ):
        await eventually(lambda: heard.begun == 1)
        await spare_postgres.stop()
        await spare_postgres.start()
        await eventually(lambda: heard.begun == 2)
        await spare_postgres.execute("select pg_notify('config', '7')")
        await eventually(lambda: heard.notices == [("config", "7")])
