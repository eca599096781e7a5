"""One HTTP exchange with a target: what came back, or what is known of why nothing did."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx

from fleetkit import http
from ledger.domain.config import Environment
from ledger.domain.outcomes import Answer, Cause, Failure

LARGEST_ANSWER = 1 << 20

# Failures in which nothing has left this machine. All others may have reached the target.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent; a call without a body is a GET."""

    url: str
    body: bytes | None
    headers: dict[str, str]


class Exchange:
    """Connection pools, one for each way to connect that a configuration asks for."""

    def __init__(self, *, ca_file: str | None = None) -> None:
        self._ca_file = ca_file
        self._stack = AsyncExitStack()
        self._clients: dict[tuple[bool, int, int], http.Client] = {}

    async def close(self) -> None:
        await self._stack.aclose()

    def warm(self, environment: Environment) -> None:
        """Make the pool before the first call needs it: reading the trusted CAs takes a while."""
        self._client(environment)

    async def make(
        self, environment: Environment, call: Call, *, seconds: float
    ) -> Answer | Failure:
        if seconds <= 0:
            return Failure(sent=False, cause=Cause.TIMEOUT, detail="No time was left to send it.")
        try:
            async with asyncio.timeout(seconds):
                return await self._answer(environment, call)
        except httpx.PoolTimeout:
            # Our own pool is full: that says nothing of the target.
            return Failure(sent=False, cause=Cause.LIMITER, detail="All connections are in use.")
        except http.UntrustedError as error:
            detail = f"No TLS connection that can be trusted: {error}."
            return Failure(sent=False, cause=Cause.REFUSED, detail=detail, code="tls_failed")
        except _NOT_SENT as error:
            return Failure(sent=False, cause=Cause.REFUSED, detail=f"No connection: {error}")
        except (TimeoutError, httpx.TimeoutException):
            detail = f"No answer within {seconds * 1000:.0f} ms."
            return Failure(sent=True, cause=Cause.TIMEOUT, detail=detail)
        except httpx.DecodingError as error:
            return Failure(sent=True, cause=Cause.PROTOCOL, detail=f"Unreadable answer: {error}")
        except httpx.HTTPError as error:
            detail = f"The connection broke: {error}"
            return Failure(sent=True, cause=Cause.CONNECTION, detail=detail)

    async def _answer(self, environment: Environment, call: Call) -> Answer:
        said = await self._client(environment).exchange(
            "GET" if call.body is None else "POST",
            call.url,
            headers=call.headers,
            body=call.body,
            most=LARGEST_ANSWER,
        )
        return Answer(
            status=said.status,
            content_type=said.headers.get("content-type", ""),
            body=said.body,
            retry_after=said.headers.get("retry-after"),
        )

    def _client(self, environment: Environment) -> http.Client:
        timeouts, limits = environment.timeouts_ms, environment.limits
        key = (environment.verify_tls, timeouts.connect, limits.concurrency)
        client = self._clients.get(key)
        if client is None:
            client = http.client(
                connect_s=timeouts.connect / 1000,
                limit=limits.concurrency,
                verify=environment.verify_tls and http.trust(self._ca_file),
            )
            self._stack.push_async_callback(client.aclose)
            self._clients[key] = client
        return client
