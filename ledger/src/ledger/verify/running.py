"""A run of the verifier: every check on the rounds asked for, as of one moment."""

import http.client
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from fleetkit.postgres import Connection
from ledger.domain.commands import Kind
from ledger.domain.history import Event
from ledger.store import rounds
from ledger.verify import chain, effects, story
from ledger.verify.chain import Link
from ledger.verify.checks import MOST_ROWS, Finding, Row
from ledger.verify.effects import Effect, Sent, SentLeg
from ledger.verify.invariants import INVARIANTS, SCOPE, Invariant

SIMULATOR_TIMEOUT_S: Final = 30
_PAGE: Final = 200
_CLOCKS: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rounds are checked: one, or those since a time, or all."""

    round_id: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was looked at, and each check's finding."""

    rounds: int
    events: int
    unsealed: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return all(finding.ok for finding in self.findings)


class UnreadableError(Exception):
    """The simulator's account can't be had."""


async def verify(conn: Connection, scope: Scope, *, simulator: str | None = None) -> Verdict:
    """Run every check; the effects are read first, so that all of them are in the ledger already."""
    until = datetime.now(UTC) - _CLOCKS
    account = None if simulator is None else _account(simulator)
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        findings = [await _break(conn, invariant, scope) for invariant in INVARIANTS]
        count, read, unsealed, told = await _histories(conn, scope)
        findings += told
        if account is not None:
            legs = [leg async for leg in _legs(conn, scope)]
            # One round's legs, or those since a time, can't account for effects beside them.
            whole = scope == Scope()
            findings += effects.compare(account, legs, until=until, whole=whole)
    findings.sort(key=lambda finding: finding.check.invariant)
    return Verdict(count, read, unsealed, tuple(findings))


async def exists(conn: Connection, round_id: str) -> bool:
    return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM rounds WHERE id = $1)", round_id))


async def _break(conn: Connection, invariant: Invariant, scope: Scope) -> Finding:
    rows = await conn.fetch(
        f"{SCOPE} SELECT *, count(*) OVER () AS counted FROM ({invariant.sql}) broken LIMIT {MOST_ROWS}",
        scope.round_id,
        scope.since,
    )
    records = [dict(row) for row in rows]
    count = records[0]["counted"] if records else 0
    for record in records:
        del record["counted"]
    return Finding(invariant.check, records, count)


async def _histories(conn: Connection, scope: Scope) -> tuple[int, int, int, list[Finding]]:
    """Go through every round's events: their numbers, their hashes and what they tell."""
    gaps: list[Row] = []
    breaks: list[Row] = []
    differences: list[Row] = []
    read = unsealed = 0
    ids = [
        row[0]
        for row in await conn.fetch(
            f"{SCOPE} SELECT id FROM scope ORDER BY id", scope.round_id, scope.since
        )
    ]
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        rows = await conn.fetch(
            """SELECT number, round_id, at, type, extract(epoch FROM at)::text AS epoch, data,
                      data::text AS said, prev_hash, hash
               FROM events WHERE round_id = ANY($1) ORDER BY round_id, number NULLS LAST, id""",
            page,
        )
        told = {
            round_id: list(events)
            for round_id, events in groupby(rows, lambda row: row["round_id"])
        }
        for group in told.values():
            links = [_link(row) for row in group if row["number"] is not None]
            read += len(group)
            unsealed += len(group) - len(links)
            gaps += chain.gaps(links)
            breaks += chain.breaks(links)
        for stands in await rounds.get_all(conn, page):
            events = [_event(row) for row in told.get(stands.id, [])]
            differences += story.differences(stands, events)
    findings = [
        Finding.of(chain.NUMBERS, gaps),
        Finding.of(chain.CHAIN, breaks),
        Finding.of(story.STORY, differences),
    ]
    return len(ids), read, unsealed, findings


def _link(row: Any) -> Link:
    return Link(
        number=row["number"],
        round_id=row["round_id"],
        type=row["type"],
        epoch=row["epoch"],
        data=row["said"],
        prev_hash=row["prev_hash"],
        hash=row["hash"],
    )


def _event(row: Any) -> Event:
    return Event(
        number=row["number"] or 0,
        at=row["at"],
        type=row["type"],
        data=row["data"],
        prev_hash=row["prev_hash"],
        hash=row["hash"] or b"",
    )


async def _legs(conn: Connection, scope: Scope) -> AsyncIterator[SentLeg]:
    rows = await conn.fetch(
        f"""{SCOPE}
            SELECT l.id AS leg_id, l.round_id, l.environment, l.game_code, l.served_by, l.external_round_id,
                   r.result, d.kind, d.state, d.first_sent_at, d.settled_at
            FROM scope r JOIN legs l ON l.round_id = r.id JOIN deliveries d ON d.leg_id = l.id
            ORDER BY l.id""",
        scope.round_id,
        scope.since,
    )
    for _, group in groupby(rows, lambda row: row["leg_id"]):
        deliveries = list(group)
        leg = deliveries[0]
        yield SentLeg(
            round_id=leg["round_id"],
            environment=leg["environment"],
            game_code=leg["game_code"],
            served_by=leg["game_code"] if "://" in leg["served_by"] else leg["served_by"],
            external_round_id=leg["external_round_id"],
            result=leg["result"],
            sent={
                Kind(row["kind"]): Sent(
                    Kind(row["kind"]), row["state"], row["first_sent_at"], row["settled_at"]
                )
                for row in deliveries
            },
        )


def _account(url: str) -> list[Effect]:
    """Ask the simulator for all that took effect."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(
        place.hostname or "", place.port, timeout=SIMULATOR_TIMEOUT_S
    )
    try:
        connection.request("GET", "/control/effects")
        answer = connection.getresponse()
        read = orjson.loads(answer.read())
        return list(_effects(read["effects"]))
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError, KeyError) as error:
        raise UnreadableError(
            f"The simulator at {url} gave no account of its effects: {error!r}"
        ) from error
    finally:
        connection.close()


def _effects(shown: list[dict[str, Any]]) -> Iterator[Effect]:
    for one in shown:
        yield Effect(
            n=one["n"],
            at=datetime.fromisoformat(one["at"]),
            environment=one["environment"],
            table=one["table"],
            operation=one["operation"],
            round=one["round"],
            result=one["result"],
            repeat=one["repeat"],
        )
