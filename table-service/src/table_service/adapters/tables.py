"""The Table API of one environment: a call in, a judged reply out, whatever happens in between."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from fleetkit import errors, logs
from fleetkit.database import Database
from fleetkit.telemetry import Reporter
from ledger.domain import outcomes
from ledger.domain.config import Environment
from ledger.domain.deliveries import Attempt, Lease
from ledger.domain.outcomes import Answer, Cause, Failure, Outcome, Verdict
from ledger.domain.steps import Reply
from table_service.adapters import meters
from table_service.adapters.catalog import Catalog
from table_service.adapters.exchange import Call, Exchange
from table_service.adapters.secrets import Secrets
from table_service.adapters.sessions import Sessions
from table_service.domain import bodies
from table_service.domain.headers import Credentials, build

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class _Visit:
    """One lease at its target, until a time, and the calls made there."""

    environment: Environment
    lease: Lease
    until: datetime
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def root(self) -> str:
        """A backup may be another address of the same environment, or another code."""
        served_by = self.lease.served_by
        base = served_by if "://" in served_by else self.environment.base_url
        return base.rstrip("/")

    @property
    def code(self) -> str:
        served_by = self.lease.served_by
        return self.lease.game_code if "://" in served_by else served_by


class _NoSessionError(Exception):
    """No session could be had; the verdict says why."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict


class Tables:
    """Calls to the targets of one environment, each target behind a bulkhead of its own."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        catalog: Catalog,
        sessions: Sessions,
        secrets: Secrets,
        database: Database,
        reporter: Reporter,
    ) -> None:
        self._exchange = exchange
        self._reporter = reporter
        self._catalog = catalog
        self._sessions = sessions
        self._secrets = secrets
        self._database = database
        self._bulkheads: dict[str, asyncio.Semaphore] = {}
        self._active = meters.CONNECTIONS.labels(catalog.environment)
        self.under_way = 0

    async def call(self, lease: Lease, operation: str, *, until: datetime) -> Reply:
        """Make one call; once more with a fresh session when the table refused the session."""
        self.under_way += 1
        try:
            return await self._call(lease, operation, until)
        finally:
            self.under_way -= 1

    async def _call(self, lease: Lease, operation: str, until: datetime) -> Reply:
        visit = _Visit(await self._catalog.get(lease.config_version), lease, until)
        bulkhead = self._bulkheads.setdefault(
            lease.served_by, asyncio.Semaphore(visit.environment.limits.per_target)
        )
        if not await self._enter(bulkhead, until):
            failure = Failure(sent=False, cause=Cause.LIMITER, detail="The target is busy.")
            now = self._database.now()
            return Reply(outcomes.classify(operation, failure, now=now), (), now)
        try:
            verdict = await self._command(visit, operation)
        finally:
            bulkhead.release()
        return Reply(verdict, tuple(visit.attempts), self._database.now())

    async def _enter(self, bulkhead: asyncio.Semaphore, until: datetime) -> bool:
        if not bulkhead.locked():  # as nearly always: no timer is needed for what does not wait
            return await bulkhead.acquire()
        try:
            async with asyncio.timeout(max(0.0, (until - self._database.now()).total_seconds())):
                return await bulkhead.acquire()
        except TimeoutError:
            return False

    async def _command(self, visit: _Visit, operation: str) -> Verdict:
        try:
            session = await self._session(visit, refused=None)
            verdict = await self._attempt(visit, operation, session)
            if not verdict.refresh_session:
                return verdict
            session = await self._session(visit, refused=session)
            return outcomes.refused_again(await self._attempt(visit, operation, session))
        except _NoSessionError as refusal:
            return refusal.verdict
        except errors.PitbossError as error:
            # A secret that can't be read: nothing was sent, and it is worth another try later.
            return Verdict(
                Outcome.NOT_SENT,
                cause=Cause.UNAVAILABLE,
                code=error.code,
                detail=error.detail,
                health=None,
            )

    async def _attempt(self, visit: _Visit, operation: str, session: str | None) -> Verdict:
        url = f"{visit.root}/tables/{visit.code}"
        body = None
        if operation != "get":
            url = f"{url}/{operation}"
            body = orjson.dumps(bodies.build(operation, visit.lease))
        _, verdict = await self._send(visit, operation, url, body, session)
        return verdict

    async def _session(self, visit: _Visit, *, refused: str | None) -> str | None:
        if not visit.environment.session:
            return None
        left = min(visit.environment.timeouts_ms.of("start"), visit.until - self._database.now())
        return await self._sessions.get(
            visit.lease.served_by,
            lambda: self._open_session(visit),
            within_s=max(0.0, left.total_seconds()),
            refused=refused,
        )

    async def _open_session(self, visit: _Visit) -> str:
        body = orjson.dumps({"gameCode": visit.code, "role": "sdp"})
        seen, verdict = await self._send(visit, "sessions", f"{visit.root}/sessions", body, None)
        if verdict.outcome is Outcome.ACCEPTED and isinstance(seen, Answer):
            token: str = orjson.loads(seen.body)["data"]["token"]
            return token
        if verdict.outcome is Outcome.REJECTED:
            raise _NoSessionError(verdict)
        # Without a session the command itself was never sent, whatever became of the asking.
        raise _NoSessionError(
            Verdict(
                Outcome.NOT_SENT,
                cause=verdict.cause,
                code=verdict.code,
                detail=f"No session: {verdict.detail or 'the Table API gave none.'}",
                retry_after_s=verdict.retry_after_s,
                health=verdict.health,
            )
        )

    async def _send(
        self, visit: _Visit, operation: str, url: str, body: bytes | None, session: str | None
    ) -> tuple[Answer | Failure, Verdict]:
        """Send it and put down what came of it, as an attempt and in the metrics."""
        environment, lease = visit.environment, visit.lease
        credentials = Credentials(
            signature=self._secrets.read(environment.signature),
            table_token=self._secrets.read(environment.table_token),
            session=session,
        )
        began = self._database.now()
        headers = build(
            operation, credentials, now=began, timecode_offset_ms=lease.timecode_offset_ms
        )
        allowed = environment.timeouts_ms.of("start" if operation == "sessions" else operation)
        seconds = min(allowed, visit.until - began).total_seconds()
        with self._active.track_inprogress():
            seen = await self._exchange.make(environment, Call(url, body, headers), seconds=seconds)
        ended = self._database.now()
        verdict = outcomes.classify(operation, seen, now=ended)
        latency = max(ended - began, timedelta()).total_seconds()
        status = seen.status if isinstance(seen, Answer) else None
        labels = (lease.environment, lease.served_by, operation)
        meters.REQUESTS.labels(*labels, str(status or verdict.cause)).inc()
        meters.DURATION.labels(*labels).observe(latency)
        self._reporter.report(
            f"/{lease.environment.lower()}/{operation}",
            seconds=latency,
            status=status,
            environment=lease.environment,
            table=lease.served_by,
            operation=operation,
        )
        visit.attempts.append(
            Attempt(
                at=began,
                operation=operation,
                outcome=verdict.outcome,
                cause=verdict.cause,
                http_status=status,
                code=verdict.code,
                detail=verdict.detail,
                latency_ms=latency * 1000,
            )
        )
        log.info(
            "attempt_made",
            environment=lease.environment,
            target=lease.served_by,
            operation=operation,
            outcome=verdict.outcome,
            status=status,
            latency_ms=round(latency * 1000, 2),
        )
        return seen, verdict
