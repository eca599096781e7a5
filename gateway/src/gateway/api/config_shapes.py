"""Configuration as the dictionaries that are answered, and bodies as what is configured."""

from collections.abc import Callable
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from fleetkit.clock import rfc3339
from gateway.services.changes import Change
from gateway.services.imports import Taken
from gateway.services.standings import Running, Stands
from ledger.domain.config import Target
from ledger.domain.differences import Difference
from ledger.store.config import Entry


def entry(found: Entry) -> dict[str, object]:
    return {
        "environment": found.environment,
        "version": found.version,
        "author": found.author,
        "reason": found.reason,
        "created_at": rfc3339(found.created_at),
    }


def difference(found: Difference) -> dict[str, object]:
    return {
        "path": found.path,
        "op": found.op,
        "before": found.before,
        "after": found.after,
    }


def tried(change: Change) -> dict[str, object]:
    return {
        "dry_run": True,
        "environment": change.environment,
        "version": change.before,
        "diff": [difference(one) for one in change.diff],
        "errors": [],
        "warnings": list(change.warnings),
    }


def refused(environment: str, wrong: list[dict[str, str]]) -> dict[str, object]:
    return {
        "dry_run": True,
        "environment": environment,
        "version": None,
        "diff": [],
        "errors": wrong,
        "warnings": [],
    }


def refused_file(wrong: list[dict[str, str]]) -> dict[str, object]:
    return {"dry_run": True, "table": None, "environments": [], "errors": wrong, "warnings": []}


def taken(found: Taken, *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "table": found.table,
        "environments": [
            {
                "environment": change.environment,
                "version": change.version.version if change.version else change.before,
                "diff": [difference(one) for one in change.diff],
                "warnings": list(change.warnings),
            }
            for change in found.changes
        ],
        "errors": [{"field": one.field, "detail": one.detail} for one in found.wrong],
        "warnings": found.warnings,
    }


def stands(found: Stands, sees: Callable[[str], bool]) -> dict[str, object]:
    return {
        "registry": "reached" if found.reached else "away",
        "environments": [
            {
                "environment": one.environment,
                "version": one.version,
                "in_force": one.in_force if found.reached else None,
                "replicas": [_running(replica) for replica in one.replicas],
            }
            for one in found.environments
            if sees(one.environment)
        ],
    }


def _running(found: Running) -> dict[str, object]:
    return {
        "instance": found.instance,
        "service": found.service,
        "version": found.version,
        "refused": found.refused,
        "heartbeat": None if found.heartbeat is None else rfc3339(found.heartbeat),
    }


def target(cls: type[Target], given: dict[str, Any], game_code: str) -> Target:
    """Build the target of an address; what is wrong in it is told as of the body."""
    try:
        return cls.model_validate({**given, "id": game_code})
    except ValidationError as error:
        wrong = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(wrong) from error
