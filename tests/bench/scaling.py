"""P6: one replica becomes five and one again, while commands go on."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from bench.ground import Ground, tables
from bench.load import Sample, at_once, play, warm_up
from bench.scenario import Bar, Chart, Report

_AT_ONCE: Final = 8
_MANY: Final = 5
_KEPT: Final = 0.9
_NO_ANSWER: Final = 0


@dataclass(slots=True)
class _Load:
    """Plays until it is told to stop; what was answered is put by the second."""

    samples: list[tuple[float, Sample]] = field(default_factory=list)


async def run(ground: Ground, *, quick: bool) -> Report:
    """Scale one pool up and down under load; nothing may fail, and nothing may get slower."""
    seconds = 2.0 if quick else 15.0
    floor = tables("SCALE", _AT_ONCE)
    await ground.lay(floor)
    await warm_up(ground, floor, times=3)
    loop = asyncio.get_running_loop()
    began = loop.time()
    load, over = _Load(), asyncio.Event()
    playing = asyncio.create_task(_play(ground, load, over, began))
    moments: list[float] = []
    try:
        for replicas in (1, _MANY, 1):
            if moments:
                await ground.manage("scale", f"table-service-prd={replicas}")
            moments.append(loop.time() - began)
            await asyncio.sleep(seconds)
    finally:
        over.set()
        await playing
    rates = [_rate(load, at, seconds) for at in moments]
    failed = [one for _, one in load.samples if one.status >= 500 or one.status == _NO_ANSWER]
    cut = sum(one.status == _NO_ANSWER for one in failed)
    return Report(
        [
            Bar(
                "P6",
                f"requests that failed while one pool went 1, {_MANY}, 1",
                float(len(failed)),
                "",
                "0",
                met=not failed,
                note=f"{len(load.samples)} commands, {_AT_ONCE} at once, none asked twice"
                + (f"; {cut} got no answer, as their connection broke" if cut else ""),
            ),
            Bar(
                "P6",
                f"commands a second with {_MANY} replicas in the pool",
                rates[1],
                "/s",
                "no loss on two cores",
                peer=f"1 replica {rates[0]:.0f}/s",
                ratio=rates[1] / rates[0],
                met=rates[1] >= _KEPT * rates[0],
                note="no loss: 0.9x or more, as runs differ by so much; more replicas than cores "
                "can only cost",
            ),
        ],
        [_curve(load)],
    )


async def _play(ground: Ground, load: _Load, over: asyncio.Event, began: float) -> None:
    loop = asyncio.get_running_loop()

    async def act(worker: int) -> None:
        try:
            samples = await play(ground, f"SCALE-{worker:04}")
        except aiohttp.ClientError as error:  # the next start goes on with the round
            samples = [Sample(str(error), _NO_ANSWER, 0.0, {})]
        for sample in samples:
            load.samples.append((loop.time() - began, sample))

    while not over.is_set():
        await at_once(_AT_ONCE, 0.5, act)


def _rate(load: _Load, start: float, seconds: float) -> float:
    return sum(start <= at < start + seconds for at, _ in load.samples) / seconds


def _curve(load: _Load) -> Chart:
    last = max(at for at, _ in load.samples)
    points = [
        (float(second), float(sum(second <= at < second + 1 for at, _ in load.samples)))
        for second in range(int(last))
    ]
    return Chart(
        "scaling",
        f"Commands a second while one pool goes from 1 replica to {_MANY} and back",
        "seconds",
        "commands/s",
        {"answered": points},
    )
