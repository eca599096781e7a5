"""Domain types as the dictionaries that are answered; no model on the path of a command."""

from datetime import datetime

from fleetkit.clock import rfc3339
from gateway.services.tables import Table
from ledger.domain.repairs import Listed
from ledger.domain.rounds import Last, Leg, Round
from ledger.domain.table_commands import TableCommand
from ledger.store.config import Version


def round_(found: Round, now: datetime) -> dict[str, object]:
    return {
        "round": found.id,
        "table": found.table,
        "type": found.type,
        "state": found.state_at(now),
        "outcome": found.outcome,
        "result": found.result,
        "started_at": rfc3339(found.started_at),
        "skew_ms": found.skew_ms,
        "command": found.last_command,
        "legs": [_leg(leg, now) for leg in found.legs],
    }


def _leg(leg: Leg, now: datetime) -> dict[str, object]:
    return {
        "environment": leg.environment,
        "game_code": leg.game_code,
        "served_by": leg.served_by,
        "required": leg.required,
        "state": leg.state_at(now),
        "external_round_id": leg.external_round_id,
        "bet_period": leg.bet_period,
        "bet_stop_at": _time(leg.bet_stop_at),
        "last": _last(leg.last) if leg.last else None,
    }


def _last(last: Last) -> dict[str, object]:
    return {
        "command": last.command,
        "outcome": last.shown,
        "code": last.code,
        "detail": last.detail,
        "attempts": last.attempts,
        "latency_ms": None if last.latency_ms is None else round(last.latency_ms, 1),
        "next_attempt_at": _time(last.next_attempt_at),
    }


def table(found: Table) -> dict[str, object]:
    return {
        "table": found.name,
        "type": found.type,
        "open_round": found.open_round,
        "readiness": {
            "light": found.readiness.light,
            "without": list(found.readiness.without),
            "why": list(found.readiness.why),
        },
        "targets": [
            {
                "environment": mirror.environment.environment,
                "game_code": mirror.target.id,
                "required": mirror.required,
                "priority": mirror.target.priority,
                "version": mirror.version,
            }
            for mirror in found.targets
        ],
    }


def version(found: Version) -> dict[str, object]:
    return {
        "environment": found.environment,
        "version": found.version,
        "author": found.author,
        "reason": found.reason,
        "created_at": rfc3339(found.created_at),
        "config": found.document.model_dump(mode="json", by_alias=True),
    }


def table_command(found: TableCommand, *, suppressed: bool = False) -> dict[str, object]:
    return {
        "table": found.table,
        "command": found.id,
        "kind": found.kind,
        "outcome": found.outcome,
        "suppressed": suppressed,
        "legs": [
            {
                "environment": leg.environment,
                "game_code": leg.game_code,
                "served_by": leg.game_code,
                "required": leg.required,
                "last": _last(leg.last),
            }
            for leg in found.legs
        ],
    }


def delivery(found: Listed) -> dict[str, object]:
    return {
        "delivery": found.id,
        "round": found.round_id,
        "table": found.table_id,
        "environment": found.environment,
        "game_code": found.game_code,
        "command": found.kind,
        "state": found.state,
        "code": found.code,
        "detail": found.detail,
        "attempts": found.attempts,
        "created_at": rfc3339(found.created_at),
        "next_attempt_at": _time(found.due_at),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
