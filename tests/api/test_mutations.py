"""Ten thousand requests gone wrong: each is answered or hung up on, none fails the fleet."""

import asyncio
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import psutil

from api.conftest import Aim
from api.mutants import Mutator, heads

CLEAN, BROKEN = 7_000, 3_000
TOGETHER = 25
CALLERS = 6
WARM = 1_500
# Ends a header, fills up a body, and is then no request.
END = b"\r\n" * 10_000 + b"!\r\n\r\n"
SEED = 4_2026
FEW_MIB = 48


async def say(port: int, sent: bytes, patience_s: float) -> bytes:
    """Send it, read what comes, and hang up on a server that waits for more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = b""
    try:
        async with asyncio.timeout(60):
            writer.write(sent)
            with suppress(TimeoutError):
                while part := await asyncio.wait_for(reader.read(65_536), patience_s):
                    said += part
            if not reader.at_eof():
                writer.write_eof()
                said += await reader.read()
    except ConnectionError:
        pass  # hung up on, which is an answer too
    finally:
        writer.close()
    return said


@dataclass(frozen=True, slots=True)
class Seen:
    """What was answered: how often which status, and what must not be."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[tuple[bytes, bytes]] = field(default_factory=list)

    def take(self, status: int, said: bytes, sent: bytes) -> None:
        self.statuses[status] += 1
        whole = status == 502 and b'"legs"' in said
        explained = b"content-type: application/problem+json" in said.lower()
        fine = whole or status < 400 or (status < 500 and explained)
        if not fine or b"raceback" in said:
            self.wrong.append((sent[:1000], said[:1000]))


async def batches(aim: Aim, mutator: Mutator, count: int, seen: Seen) -> None:
    """Send whole requests many to a connection, on several connections at once."""
    left = [[mutator.clean() for _ in range(TOGETHER)] for _ in range(count // TOGETHER)]

    closing = mutator.write(b"GET", b"/healthz", {b"connection": b"close"}, b"")

    async def call() -> None:
        while left:
            batch = left.pop()
            while batch:
                answers = list(heads(await say(aim.fleet.port, b"".join(batch) + closing, 30)))
                for sent, (status, answer) in zip(batch, answers, strict=False):
                    seen.take(status, answer, sent)
                # After some of them the edge hangs up, and the rest was not read.
                batch = batch[max(1, len(answers)) :]

    await asyncio.gather(*(call() for _ in range(CALLERS)))


async def scraps(aim: Aim, mutator: Mutator, count: int, seen: Seen) -> None:
    """Send what may be no HTTP, each on a connection of its own."""
    left = [mutator.broken() for _ in range(count)]

    async def call() -> None:
        while left:
            sent = left.pop()
            said = await say(aim.fleet.port, sent + END, 1)
            for status in map(int, re.findall(rb"HTTP/1\.[01] ([2-9]\d{2}) ", said)):
                seen.take(status, said, sent)

    await asyncio.gather(*(call() for _ in range(3 * CALLERS)))


def weigh(pids: list[int]) -> float:
    """Give the memory of these processes and of what they started, in MiB."""
    processes = [each for pid in pids for each in (psutil.Process(pid),)]
    whole = [*processes, *(child for each in processes for child in each.children(recursive=True))]
    return sum(float(each.memory_info().rss) for each in whole) / 2**20


async def test_ten_thousand_mutants_fail_nothing_and_leave_nothing(aim: Aim) -> None:
    mutator = Mutator(Random(SEED), aim.keys["admin"], aim.round)
    before = await aim.fleet.status()
    pids = [each.pid for each in before.values() if each.service in ("gateway", "nginx")]
    known = [pid for pid in pids if pid is not None]
    seen = Seen()
    await batches(aim, mutator, WARM, seen)
    warm = weigh(known)
    await batches(aim, mutator, CLEAN - WARM, seen)
    await scraps(aim, mutator, BROKEN, seen)
    grown = weigh(known) - warm
    assert not seen.wrong, (len(seen.wrong), seen.wrong[:5])
    assert seen.statuses.total() > 0.9 * CLEAN, seen.statuses
    assert {400, 404, 405, 422} <= set(seen.statuses), seen.statuses
    assert grown < FEW_MIB, (warm, grown)
    after = await aim.fleet.status()
    assert {name: each.pid for name, each in after.items()} == {
        name: each.pid for name, each in before.items()
    }
