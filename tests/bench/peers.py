"""Those who fan out without a ledger: the floor, the library as it comes, and the old way."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import httpx
import requests
from requests.adapters import HTTPAdapter

AT_ONCE: Final = 100
FLOOR: Final = "aiohttp gather"
NEW: Final = "threads, new connections"
KEPT: Final = "threads, kept connections"
PLAIN: Final = "httpx as it comes"
_TIMEOUT_S: Final = 30.0
FanOut = Callable[[Sequence[str]], Awaitable[object]]


@asynccontextmanager
async def ready() -> AsyncIterator[dict[str, FanOut]]:
    """Give each by name; connections and threads are there before anything is measured."""
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    patient = httpx.Timeout(_TIMEOUT_S, pool=None)  # its pool makes a thousand wait for long
    kept = requests.Session()
    kept.trust_env = False
    kept.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=AT_ONCE))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        httpx.AsyncClient(limits=limits, timeout=patient, trust_env=False) as client,
    ):
        with ThreadPoolExecutor(AT_ONCE) as pool, kept:

            async def raw(url: str) -> None:
                async with session.post(url, json={}) as answer:
                    await answer.json()

            async def plain(url: str) -> None:
                (await client.post(url, json={})).json()

            def keep(url: str) -> None:
                kept.post(url, json={}, timeout=_TIMEOUT_S).json()

            def anew(url: str) -> None:
                requests.post(url, json={}, timeout=_TIMEOUT_S).json()

            async def gather(call: Callable[[str], Awaitable[None]], urls: Sequence[str]) -> None:
                await asyncio.gather(*map(call, urls))

            async def spread(call: Callable[[str], None], urls: Sequence[str]) -> None:
                await asyncio.to_thread(lambda: list(pool.map(call, urls)))

            yield {
                FLOOR: lambda urls: gather(raw, urls),
                PLAIN: lambda urls: gather(plain, urls),
                KEPT: lambda urls: spread(keep, urls),
                NEW: lambda urls: spread(anew, urls),
            }


async def timed(fan_out: FanOut, urls: Sequence[str]) -> tuple[float, float]:
    """Give the milliseconds it took, and those of processor time it took here."""
    began, spent = time.perf_counter(), time.process_time()
    await fan_out(urls)
    return (time.perf_counter() - began) * 1000, (time.process_time() - spent) * 1000
