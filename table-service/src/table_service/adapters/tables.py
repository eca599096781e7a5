"""The Table API of one environment: a call in, a judged reply out, whatever happens in between."""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Self

import httpx
import orjson
from fleetkit import errors, http
from fleetkit.database import Database
from ledger.domain import outcomes
from ledger.domain.config import Environment
from ledger.domain.deliveries import Attempt, Lease
from ledger.domain.outcomes import Answer, Cause, Failure, Outcome, Verdict
from ledger.domain.steps import Reply

from table_service.adapters import meters, secrets
from table_service.adapters.catalog import Catalog
from table_service.domain.headers import Credentials, build
from table_service.services.sessions import Sessions

LARGEST_ANSWER = 1 << 20

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol)


class _NoSession(Exception):
    """No session could be had; the verdict says why."""

    def __init__(self, verdict: Verdict, attempts: list[Attempt]) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict
        self.attempts = attempts


class Tables:
    """Pooled calls to the targets of one environment."""

    def __init__(
        self, stack: AsyncExitStack, *, catalog: Catalog, sessions: Sessions, database: Database
    ) -> None:
        self._stack = stack
        self._catalog = catalog
        self._sessions = sessions
        self._database = database
        self._clients: dict[tuple[bool, int, int], httpx.AsyncClient] = {}
        self._bulkheads: dict[str, asyncio.Semaphore] = {}
        self._active = meters.CONNECTIONS.labels(catalog.environment)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def call(self, lease: Lease, operation: str, *, until: datetime) -> Reply:
        """Make one call, with a fresh session and once more when the table refused the session."""
        environment = await self._catalog.get(lease.config_version)
        attempts: list[Attempt] = []
        bulkhead = self._bulkheads.setdefault(
            lease.served_by, asyncio.Semaphore(environment.limits.per_target)
        )
        try:
            async with asyncio.timeout(self._left(until)):
                await bulkhead.acquire()
        except TimeoutError:
            failure = Failure(sent=False, cause=Cause.LIMITER, detail="The target is busy.")
            verdict = outcomes.classify(operation, failure, now=self._database.now())
            return Reply(verdict, (), self._database.now())
        try:
            verdict = await self._with_session(environment, lease, operation, until, attempts)
        finally:
            bulkhead.release()
        return Reply(verdict, tuple(attempts), self._database.now())

    async def _with_session(
        self,
        environment: Environment,
        lease: Lease,
        operation: str,
        until: datetime,
        attempts: list[Attempt],
    ) -> Verdict:
        try:
            session = await self._session(environment, lease, until, attempts, refused=None)
            verdict = await self._attempt(environment, lease, operation, session, until, attempts)
            if not verdict.refresh_session:
                return verdict
            session = await self._session(environment, lease, until, attempts, refused=session)
            verdict = await self._attempt(environment, lease, operation, session, until, attempts)
        except _NoSession as refusal:
            return refusal.verdict
        except errors.PitbossError as error:
            # A secret that can't be read: nothing was sent, and it is worth another try later.
            return Verdict(
                Outcome.NOT_SENT, cause=Cause.UNAVAILABLE, code=error.code, detail=error.detail, health=None
            )
        return outcomes.refused_again(verdict)

    async def _session(
        self,
        environment: Environment,
        lease: Lease,
        until: datetime,
        attempts: list[Attempt],
        *,
        refused: str | None,
    ) -> str | None:
        if not environment.session:
            return None

        async def open_session() -> str:
            body = {"gameCode": lease.served_by, "role": "sdp"}
            verdict, token = await self._open_session(environment, lease, body, until, attempts)
            if token is None:
                raise _NoSession(verdict, attempts)
            return token

        return await self._sessions.get(lease.served_by, open_session, refused=refused)

    async def _open_session(
        self,
        environment: Environment,
        lease: Lease,
        body: dict[str, str],
        until: datetime,
        attempts: list[Attempt],
    ) -> tuple[Verdict, str | None]:
        url = f"{environment.base_url.rstrip('/')}/sessions"
        seen, attempt, verdict = await self._send(
            environment, lease, "sessions", "POST", url, orjson.dumps(body), None, until
        )
        attempts.append(attempt)
        if verdict.outcome is Outcome.ACCEPTED and isinstance(seen, Answer):
            return verdict, orjson.loads(seen.body)["data"]["token"]
        if verdict.outcome is not Outcome.REJECTED:
            # Without a session the command itself was never sent, whatever became of the asking.
            verdict = Verdict(
                Outcome.NOT_SENT,
                cause=verdict.cause,
                code=verdict.code,
                detail=f"No session: {verdict.detail or 'the Table API gave none.'}",
                retry_after_s=verdict.retry_after_s,
                health=verdict.health,
            )
        return verdict, None

    async def _attempt(
        self,
        environment: Environment,
        lease: Lease,
        operation: str,
        session: str | None,
        until: datetime,
        attempts: list[Attempt],
    ) -> Verdict:
        url = f"{environment.base_url.rstrip('/')}/tables/{lease.served_by}"
        if operation == "get":
            method, body = "GET", None
        else:
            method, url = "POST", f"{url}/{operation}"
            named = {"roundId": lease.external_round_id, **lease.body} if operation == "deal" else {}
            body = orjson.dumps(named)
        _, attempt, verdict = await self._send(
            environment, lease, operation, method, url, body, session, until
        )
        attempts.append(attempt)
        return verdict

    async def _send(  # noqa: PLR0917 - private, and named at each call's few places
        self,
        environment: Environment,
        lease: Lease,
        operation: str,
        method: str,
        url: str,
        body: bytes | None,
        session: str | None,
        until: datetime,
    ) -> tuple[Answer | Failure, Attempt, Verdict]:
        credentials = Credentials(
            signature=secrets.read(environment.signature),
            table_token=secrets.read(environment.table_token),
            session=session,
        )
        began = self._database.now()
        headers = build(
            operation, credentials, now=began, timecode_offset_ms=lease.timecode_offset_ms
        )
        allowed = environment.timeouts_ms.of("start" if operation == "sessions" else operation)
        seconds = min(allowed.total_seconds(), (until - began).total_seconds())
        self._active.inc()
        try:
            seen = await self._exchange(environment, method, url, body, headers, seconds)
        finally:
            self._active.dec()
        ended = self._database.now()
        verdict = outcomes.classify(operation, seen, now=ended)
        latency = max(ended - began, timedelta())
        status = seen.status if isinstance(seen, Answer) else None
        meters.REQUESTS.labels(
            lease.environment, lease.served_by, operation, str(status or verdict.cause)
        ).inc()
        meters.DURATION.labels(lease.environment, lease.served_by, operation).observe(
            latency.total_seconds()
        )
        attempt = Attempt(
            at=began,
            operation=operation,
            outcome=verdict.outcome,
            cause=verdict.cause,
            http_status=status,
            code=verdict.code,
            detail=verdict.detail,
            latency_ms=latency.total_seconds() * 1000,
        )
        return seen, attempt, verdict

    async def _exchange(
        self,
        environment: Environment,
        method: str,
        url: str,
        body: bytes | None,
        headers: dict[str, str],
        seconds: float,
    ) -> Answer | Failure:
        if seconds <= 0:
            return Failure(sent=False, cause=Cause.TIMEOUT, detail="No time was left to send it.")
        client = self._client(environment)
        request = client.build_request(method, url, content=body, headers=headers)
        try:
            async with asyncio.timeout(seconds):
                response = await client.send(request, stream=True)
                try:
                    content = b""
                    async for chunk in response.aiter_bytes():
                        content += chunk
                        if len(content) > LARGEST_ANSWER:
                            break
                finally:
                    await response.aclose()
        except httpx.PoolTimeout:
            # Our own pool is full: that says nothing of the target.
            return Failure(sent=False, cause=Cause.LIMITER, detail="All connections are in use.")
        except _NOT_SENT as error:
            return Failure(sent=False, cause=Cause.REFUSED, detail=f"No connection: {error}")
        except (TimeoutError, httpx.TimeoutException):
            detail = f"No answer within {seconds * 1000:.0f} ms."
            return Failure(sent=True, cause=Cause.TIMEOUT, detail=detail)
        except httpx.DecodingError as error:
            return Failure(sent=True, cause=Cause.PROTOCOL, detail=f"Unreadable answer: {error}")
        except httpx.HTTPError as error:
            return Failure(sent=True, cause=Cause.CONNECTION, detail=f"The connection broke: {error}")
        return Answer(
            status=response.status_code,
            content_type=response.headers.get("content-type", ""),
            body=content,
            retry_after=response.headers.get("retry-after"),
        )

    def _client(self, environment: Environment) -> httpx.AsyncClient:
        """One pool for each way to connect that the configuration asks for."""
        key = (
            environment.verify_tls,
            environment.timeouts_ms.connect,
            environment.limits.concurrency,
        )
        client = self._clients.get(key)
        if client is None:
            client = http.client(
                connect_s=environment.timeouts_ms.connect / 1000,
                limit=environment.limits.concurrency,
                verify=environment.verify_tls,
            )
            self._stack.push_async_callback(client.aclose)
            self._clients[key] = client
        return client

    def _left(self, until: datetime) -> float:
        return max(0.0, (until - self._database.now()).total_seconds())
