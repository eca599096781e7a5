from contextlib import AsyncExitStack
from typing import Protocol

from fleetkit.broadcast import Body, Broadcast
from fleetkit.testing import eventually, free_port


class Server(Protocol):
    url: str

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Hearing:
    """A replica that writes down what it hears; None is a gap."""

    def __init__(self, bus: Broadcast) -> None:
        self.bus = bus
        self.heard: list[Body | None] = []
        bus.on("config", self.hear)

    async def hear(self, body: Body | None) -> None:
        self.heard.append(body)


async def listening(stack: AsyncExitStack, url: str, count: int) -> list[Hearing]:
    made = []
    for number in range(count):
        bus = await stack.enter_async_context(Broadcast.listen(url, f"replica-{number}"))
        made.append(Hearing(bus))
    for one in made:
        await eventually(one.bus.listening.is_set)
        await eventually(lambda: one.heard == [None])  # noqa: B023  # awaited in its own turn
    return made


async def test_all_hear_it_and_say_so(redis_url: str) -> None:
    async with AsyncExitStack() as stack:
        replicas = await listening(stack, redis_url, 5)
        sender = replicas[0].bus
        sent = await sender.send("config", {"environment": "PRD", "version": 4})
        assert sent.receivers == 5
        assert await sender.acks(sent, within_s=30) == 5
        assert all(one.heard == [None, {"environment": "PRD", "version": 4}] for one in replicas)


async def test_one_that_failed_is_not_counted_and_goes_on(redis_url: str) -> None:
    async with AsyncExitStack() as stack:
        one, two = await listening(stack, redis_url, 2)

        async def fail(body: Body | None) -> None:
            if body is not None and body.get("fail"):
                raise RuntimeError("planted")

        two.bus.on("config", fail)
        failed = await one.bus.send("config", {"fail": True})
        sent = await one.bus.send("config", {})
        assert await one.bus.acks(sent, within_s=30) == 2
        # Each hears one after the other, so that both are done with the first too.
        assert await one.bus.acks(failed, within_s=0) == 1


async def test_what_nobody_waits_for_is_acknowledged(redis_url: str) -> None:
    async with AsyncExitStack() as stack:
        replicas = await listening(stack, redis_url, 2)
        bus = replicas[0].bus
        assert await bus.acks(await bus.send("keys", {"id": "x"}), within_s=30) == 2


async def test_what_can_not_be_read_breaks_nothing(redis_url: str) -> None:
    async with AsyncExitStack() as stack:
        (one,) = await listening(stack, redis_url, 1)
        for garbage in (b"", b"\xff", b"[]", b'{"id": 1}', b'{"id":"a","kind":"config","body":3}'):
            await one.bus._client.publish("pitboss:broadcast", garbage)
        sent = await one.bus.send("config", {"n": 1})
        assert await one.bus.acks(sent, within_s=30) == 1
        assert one.heard == [None, {"n": 1}]


async def test_after_a_gap_everybody_looks_for_themselves(spare_valkey: Server) -> None:
    async with AsyncExitStack() as stack:
        one, two = await listening(stack, spare_valkey.url, 2)
        await spare_valkey.stop()
        try:
            sent = await one.bus.send("config", {"n": 1})
            assert sent.receivers == 0
            assert await one.bus.acks(sent, within_s=0.1) == 0
        finally:
            await spare_valkey.start()
        for each in (one, two):
            await eventually(lambda: each.heard == [None, None])  # noqa: B023
        sent = await one.bus.send("config", {"n": 2})
        assert await one.bus.acks(sent, within_s=30) == sent.receivers == 2


async def test_an_absent_redis_costs_nothing() -> None:
    async with Broadcast.listen(f"redis://127.0.0.1:{free_port()}/0", "replica") as bus:
        await bus.begun()
        assert not bus.listening.is_set()
        assert (await bus.send("config", {})).receivers == 0


async def test_whoever_comes_late_looks_before_it_serves(redis_url: str) -> None:
    async with Broadcast.listen(redis_url, "replica") as bus:
        await bus.begun()
        assert bus.listening.is_set()
        late = Hearing(bus)
        await bus.begun()
        assert late.heard == [None]
