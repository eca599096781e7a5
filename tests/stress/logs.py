"""`./manage.sh stress logs`: devices in numbers, then the proof that each line is there once."""

import argparse
import asyncio
import contextlib
import json
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import asyncpg
import httpx

import asking
from native import mode
from native.demo.cli import Fleet, find_fleet
from native.refusals import Refusal
from stress.program import start_fleet
from stress.score import percentile

_INTERRUPTED: Final = 130
_WINDOW: Final = 2000
_MOST: Final = 100_000
_PATIENCE_S: Final = 60.0
_STILL_SENDING_S: Final = 30.0
_TAKEN: Final = 202
_COUNT: Final = """
SELECT count(*) FROM logs WHERE service = 'stress' AND device_id >= $1 AND device_id < $2
"""
_THERE: Final = """
SELECT device_id || '-' || (metadata->>'n') AS line
FROM logs WHERE service = 'stress' AND device_id >= $1 AND device_id < $2
"""
_LEVELS: Final = ("debug", "info", "info", "info", "warning", "error")


@dataclass(slots=True)
class Sent:
    """What the devices met."""

    times_ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    taken: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = asking.Parser("stress logs")
    number = asking.number(_MOST)
    parser.add_argument("--devices", type=number, default=100)
    parser.add_argument("--rate", type=number, default=10)
    parser.add_argument("--batch", type=number, default=1)
    parser.add_argument("--seconds", type=number, default=30)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


@asynccontextmanager
async def _key(fleet: Fleet, tag: str) -> AsyncIterator[str]:
    """Lend a key that may write logs and nothing else, as fast as it likes."""
    async with httpx.AsyncClient(
        base_url=fleet.url,
        verify=fleet.trust,
        headers={"authorization": f"Bearer {fleet.key}"},
        trust_env=False,
        timeout=30,
    ) as client:
        body = {
            "name": f"stress-logs-{tag}",
            "role": "device",
            "rate_per_second": 100_000,
            "rate_burst": 100_000,
        }
        answer = await client.post("/v1/keys", json=body)
        if answer.is_error:
            raise Refusal(f"No key could be made: {answer.text[:300]}")
        made = answer.json()
        try:
            yield str(made["key"])
        finally:
            await client.delete(f"/v1/keys/{made['id']}")


class Device:
    """Sends so many lines a second; a line without an answer is sent again under its own id."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, name: str, asked: argparse.Namespace
    ) -> None:
        self._session = session
        self._url = f"{url}/logs/batch" if asked.batch > 1 else f"{url}/logs"
        self._name = name
        self._asked = asked
        self._count = 0

    async def send_until(self, over: asyncio.Event, sent: Sent) -> None:
        every_s = self._asked.batch / self._asked.rate
        due = time.monotonic() + every_s * secrets.randbelow(1000) / 1000
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), max(0.0, due - time.monotonic()))
                return
            due = max(due + every_s, time.monotonic() - 1)
            lines = [self._line() for _ in range(self._asked.batch)]
            await self._insist(lines, over, sent)

    def _line(self) -> dict[str, Any]:
        self._count += 1
        return {
            "id": f"{self._name}-{self._count}",
            "device_id": self._name,
            "level": _LEVELS[self._count % len(_LEVELS)],
            "service": "stress",
            "message": f"line {self._count} of {self._name} under load",
            "metadata": {"n": self._count},
        }

    async def _insist(self, lines: list[dict[str, Any]], over: asyncio.Event, sent: Sent) -> None:
        body = json.dumps(lines if self._asked.batch > 1 else lines[0]).encode()
        until: float | None = None
        while True:
            began = time.monotonic()
            trouble = await self._post(body)
            sent.times_ms.append((time.monotonic() - began) * 1000)
            if trouble is None:
                sent.taken.update(line["id"] for line in lines)
                return
            sent.errors[trouble] += 1
            if over.is_set():
                until = until or time.monotonic() + _STILL_SENDING_S
                if time.monotonic() > until:
                    sent.given_up.update(line["id"] for line in lines)
                    return
            await asyncio.sleep(0.5)  # as a device does before it sends again

    async def _post(self, body: bytes) -> str | None:
        try:
            async with self._session.post(self._url, data=body) as answer:
                text = await answer.read()
                if answer.status == _TAKEN:
                    return None
                with contextlib.suppress(ValueError):
                    return f"{answer.status} {json.loads(text).get('code')}"
                return str(answer.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            return type(error).__name__


async def _show_progress(sent: Sent, began: float, asked: argparse.Namespace) -> None:
    if asked.json or not sys.stdout.isatty():
        return
    try:
        while True:
            seconds = max(0.1, time.monotonic() - began)
            last = sent.times_ms[-_WINDOW:]
            sys.stdout.write(
                f"\r\x1b[K{seconds:5.0f} s  {len(sent.taken)} lines  "
                f"{len(sent.taken) / seconds:.0f}/s  "
                f"p95 {percentile(last, 0.95) if last else 0:.1f} ms  "
                f"errors {sent.errors.total()}"
            )
            sys.stdout.flush()
            await asyncio.sleep(0.25)  # how often the line of progress is drawn
    finally:
        sys.stdout.write("\r\x1b[K")
        sys.stdout.flush()


async def prove(database_url: str, tag: str, sent: Sent) -> tuple[list[str], int, float]:
    """Wait while the backlog is written, then hold what is there against what was taken."""
    began = moved = time.monotonic()
    named = (f"stress-{tag}-", f"stress-{tag}.")
    connection = await asyncpg.connect(database_url)
    try:
        before = -1
        while time.monotonic() - moved < _PATIENCE_S:
            count = await connection.fetchval(_COUNT, *named)
            if count >= len(sent.taken) and count == before:
                break
            if count > before:
                moved = time.monotonic()
            before = count
            await asyncio.sleep(0.5)  # between two counts: twice the same, and nothing comes twice
        stored = Counter(row["line"] for row in await connection.fetch(_THERE, *named))
    finally:
        await connection.close()
    wrong = [f"{line} was taken and is not there" for line in sorted(sent.taken - stored.keys())]
    wrong += [f"{line} is there {count} times" for line, count in stored.items() if count > 1]
    strange = stored.keys() - sent.taken - sent.given_up
    wrong += [f"{line} is there and was never answered" for line in sorted(strange)]
    return wrong, stored.total(), time.monotonic() - began


async def run(asked: argparse.Namespace) -> int:
    fleet, sent, tag = find_fleet(), Sent(), secrets.token_hex(3)
    if not asked.json:
        print(f"{asked.devices} devices log {asked.rate} lines a second each ...")  # noqa: T201
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, over.set)
    async with (
        _key(fleet, tag) as key,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=fleet.trust),
            headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=20),
        ) as session,
    ):
        began = time.monotonic()
        devices = [
            Device(session, fleet.url, f"stress-{tag}-{number:04}", asked)
            for number in range(1, asked.devices + 1)
        ]
        watching = asyncio.create_task(_show_progress(sent, began, asked))
        sending = [asyncio.create_task(device.send_until(over, sent)) for device in devices]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), asked.seconds)
        over.set()
        await asyncio.gather(*sending)
        seconds = time.monotonic() - began
        watching.cancel()
    loop.remove_signal_handler(signal.SIGINT)
    url = mode.running().write_database_url()["PITBOSS_DATABASE_URL"]
    wrong, stored, waited = await prove(url, tag, sent)
    times = sent.times_ms or [0.0]
    summary = {
        "devices": asked.devices,
        "seconds": round(seconds, 1),
        "lines": len(sent.taken),
        "lines_per_second": round(len(sent.taken) / seconds, 1),
        "requests": len(sent.times_ms),
        "ms": {name: round(percentile(times, share), 2) for name, share in _SHARES.items()},
        "errors": dict(sent.errors),
        "proof": {
            "ok": not wrong,
            "stored": stored,
            "given_up": len(sent.given_up),
            "caught_up_after_s": round(waited, 1),
            "wrong": wrong[:20],
        },
    }
    sys.stdout.write("\n".join([json.dumps(summary)] if asked.json else show(summary)) + "\n")
    return 0 if not wrong and sent.taken else 1


_SHARES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}


def show(summary: dict[str, Any]) -> list[str]:
    """Put a run into words."""
    proof = summary["proof"]
    met = ", ".join(f"{count} x {what}" for what, count in summary["errors"].items()) or "none"
    rate, requests = summary["lines_per_second"], summary["requests"]
    lines = [
        f"lines      {summary['lines']} in {summary['seconds']} s, {rate}/s, {requests} requests",
        "answered   " + ", ".join(f"{name} {ms} ms" for name, ms in summary["ms"].items()),
        f"errors     {met}",
    ]
    if proof["ok"]:
        lines.append(
            f"proof      each of the {summary['lines']} lines taken is in Postgres once; "
            f"all of them {proof['caught_up_after_s']} s after the last"
        )
    else:
        lines.append("proof      FAILED")
        lines += (f"           {one}" for one in proof["wrong"])
    return lines


def main(arguments: Sequence[str]) -> int:
    """Log and prove; give 0 when no line was lost or doubled."""
    try:
        asked = parse(arguments)
        start_fleet()
        return asyncio.run(run(asked))
    except Refusal as refusal:
        sys.stdout.flush()
        sys.stderr.write(f"{refusal}\n")
        return refusal.code
    except KeyboardInterrupt:
        return _INTERRUPTED
