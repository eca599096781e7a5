"""One contract for both buses, held to real servers."""

import asyncio

import pytest

from fleetkit import background
from fleetkit.bus import Batch, Bus, Entry, Full, Queue
from fleetkit.testing import eventually
from integration.fleetkit.buses import ON_BOTH, bodies, drained, numbered, take

pytestmark = ON_BOTH


async def test_what_is_published_arrives_in_order_and_as_it_was(bus: Bus, name: str) -> None:
    queue = Queue(name)
    first = await bus.publish(
        queue, {"body": b"\x00\xff", "raw": b"\xff", "table": "輪盤", "key": "k-1"}
    )
    rest = await bus.publish_many(queue, numbered(250))
    assert len({first, *rest}) == 251
    assert [entry.id for entry in await bus.peek(queue, 2)] == [first, rest[0]]
    async with bus.consume(queue, group="g", consumer="c", batch=40) as batches:
        entries = await take(batches, 251)
    assert entries[0].fields["body"] == b"\x00\xff"
    assert entries[0].fields["table"].decode() == "輪盤"
    assert entries[0].fields["raw"] == b"\xff"
    assert entries[0].at is not None
    assert [entry.id for entry in entries] == [first, *rest]
    assert bodies(entries[1:]) == [*range(250)]


async def test_a_batch_is_no_larger_than_asked(bus: Bus, name: str) -> None:
    queue = Queue(name)
    await bus.publish_many(queue, numbered(30))
    async with bus.consume(queue, group="g", consumer="c", batch=7) as batches:
        sizes = []
        async for batch in batches:
            sizes.append(len(batch.entries))
            await batch.ack()
            if sum(sizes) == 30:
                break
    assert max(sizes) <= 7


async def test_what_was_acknowledged_is_gone_and_the_rest_comes_again(bus: Bus, name: str) -> None:
    queue = Queue(name)
    await bus.publish_many(queue, numbered(6))
    async with bus.consume(queue, group="g", consumer="c", batch=6) as batches:
        kept: list[tuple[Batch, Entry]] = []
        async for batch in batches:
            kept += [(batch, entry) for entry in batch.entries]
            if len(kept) == 6:
                break
        # Out of order, so that nothing before them is taken for acknowledged too.
        for batch, entry in kept:
            if int(entry.body) in (1, 2, 5):
                await batch.ack([entry])
    async with bus.consume(queue, group="g", consumer="other", takeover_s=600) as batches:
        assert sorted(bodies(await take(batches, 3))) == [0, 3, 4]
    await drained(bus, queue)


async def test_no_more_is_in_flight_than_asked(bus: Bus, name: str) -> None:
    queue = Queue(name)
    await bus.publish_many(queue, numbered(30))
    async with bus.consume(queue, group="g", consumer="c", batch=5, in_flight=10) as batches:
        held = [await anext(batches)]
        while sum(len(batch.entries) for batch in held) < 10:
            held.append(await anext(batches))
        more = asyncio.ensure_future(anext(batches))
        done, _ = await asyncio.wait([more], timeout=0.5)
        assert not done
        await held[0].ack()
        async with asyncio.timeout(30):
            assert (await more).entries


async def test_several_share_a_queue_and_each_gets_its_part_in_order(bus: Bus, name: str) -> None:
    queue = Queue(name)
    got: dict[str, list[int]] = {"one": [], "two": []}

    async def work(consumer: str) -> None:
        async with bus.consume(
            queue, group="g", consumer=consumer, batch=50, in_flight=50
        ) as batches:
            async for batch in batches:
                got[consumer] += bodies(list(batch.entries))
                await batch.ack()

    tasks = [asyncio.create_task(work(consumer)) for consumer in got]
    try:
        await bus.publish_many(queue, numbered(2000))
        await eventually(lambda: sum(map(len, got.values())) == 2000, within_s=30)
    finally:
        await background.end(*tasks)
    assert sorted(got["one"] + got["two"]) == [*range(2000)]
    assert all(numbers == sorted(numbers) for numbers in got.values())


async def test_a_dead_letter_has_its_reason(bus: Bus, name: str) -> None:
    queue = Queue(name, dead=f"{name}.dlq")
    await bus.publish_many(queue, [{"body": "bad", "secret": "s"}, {"body": "good"}])
    async with bus.consume(queue, group="g", consumer="c") as batches:
        seen = 0
        async for batch in batches:
            for entry in batch.entries:
                seen += 1
                if entry.body == b"bad":
                    bad = entry.id
                    await batch.dead(entry, "It makes no sense.", {"body": entry.body})
            await batch.ack()
            if seen == 2:
                break
    [letter] = await bus.peek(Queue(f"{name}.dlq", drop=True))
    told = {field: value.decode() for field, value in letter.fields.items()}
    assert told == {"body": "bad", "reason": "It makes no sense.", "queue": name, "entry": bad}
    await drained(bus, queue)


@pytest.mark.parametrize("bounds", [{"length": 20}, {"size": 20_000}], ids=["length", "size"])
async def test_a_full_queue_refuses_and_takes_again_when_there_is_room(
    bus: Bus, name: str, bounds: dict[str, int]
) -> None:
    queue = Queue(name, **bounds)  # type: ignore[arg-type]
    large = [{"body": b"x" * 1000}] * 15
    accepted = 0

    async def fill() -> bool:
        nonlocal accepted
        try:
            await bus.publish_many(queue, large)
        except Full as full:
            accepted += 15 - len(full.refused)
            return full.retry_after_s == 1
        accepted += 15
        return False

    await eventually(fill)
    assert 20 <= accepted <= 100
    async with bus.consume(queue, group="g", consumer="c") as batches:
        assert len(await take(batches, accepted)) == accepted

    async def takes_again() -> str:
        return await bus.publish(queue, {"body": "1"})

    assert await eventually(takes_again)


async def test_a_log_is_never_full_and_drops_its_oldest(bus: Bus, name: str) -> None:
    queue = Queue(name, length=100, log=True)
    await bus.publish_many(queue, numbered(1000))

    async def is_capped() -> bool:
        return await bus.length(queue) <= 300

    await eventually(is_capped)
    assert bodies(await bus.peek(queue, 1)) != [0]


async def test_the_same_name_again_is_known_by_its_id(
    bus: Bus, name: str, request: pytest.FixtureRequest
) -> None:
    queue = Queue(name)
    ids = [await bus.publish(queue, {"body": "1"}, once="reply-1") for _ in range(3)]
    assert len(set(ids)) == 1
    at_once = 1 if "valkey" in request.node.name else 3
    assert [entry.id for entry in await bus.peek(queue)] == ids[:at_once]
