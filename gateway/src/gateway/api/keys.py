"""The routes of keys and of the audit list."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from fleetkit import errors, problems
from fleetkit.clock import Timestamp, rfc3339
from fleetkit.service import JsonAnswer
from gateway.api.access import TheActor, least
from gateway.api.door import Guarded
from gateway.api.models import Ulid, Word
from gateway.deps import TheKeys
from gateway.services.keys import Wanted
from ledger.domain.actors import Rate, Role
from ledger.store.audit import Entry, Filter
from ledger.store.keys import Key

router = APIRouter(prefix="/v1", tags=["access"], route_class=Guarded)

Limits = Annotated[list[Word], Field(min_length=1, max_length=1000)]
KEY: JsonDict = {
    "id": "01JD0000000000000000000003",
    "name": "desk-1",
    "role": "dealer",
    "tables": ["ARO-001"],
    "environments": None,
    "rate_per_second": None,
    "rate_burst": None,
    "author": "admin",
    "created_at": "2026-11-21T09:00:00.000Z",
    "expires_at": None,
    "last_used_at": "2026-11-21T10:00:00.000Z",
    "revoked_at": None,
}


class KeyBody(BaseModel):
    """Who shall hold the key, what they may, and where; everywhere if no limit is named."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "desk-1", "role": "dealer", "tables": ["ARO-001"]}]
        },
    )

    name: Word
    role: Role
    tables: Limits | None = None
    environments: Limits | None = None
    expires_at: AwareDatetime | None = None
    rate_per_second: Annotated[float, Field(ge=0.1, le=100_000)] | None = None
    rate_burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None

    def wanted(self) -> Wanted:
        if self.name in {"admin", "nobody"}:
            raise errors.Invalid(f"The name {self.name} is taken.", field="body.name")
        if (self.rate_per_second is None) != (self.rate_burst is None):
            raise errors.Invalid(
                "rate_per_second and rate_burst go together.", field="body.rate_burst"
            )
        rate = None
        if self.rate_per_second is not None and self.rate_burst is not None:
            rate = Rate(self.rate_per_second, self.rate_burst)
        return Wanted(
            name=self.name,
            role=self.role,
            tables=None if self.tables is None else tuple(self.tables),
            environments=None if self.environments is None else tuple(self.environments),
            expires_at=self.expires_at,
            rate=rate,
        )


class KeyAnswer(BaseModel):
    """A key, without its secret."""

    model_config = ConfigDict(json_schema_extra={"examples": [KEY]})

    id: str
    name: str
    role: Role
    tables: list[str] | None
    environments: list[str] | None
    rate_per_second: float | None
    rate_burst: int | None
    author: str
    created_at: Timestamp
    expires_at: Timestamp | None
    last_used_at: Timestamp | None
    revoked_at: Timestamp | None


class NewKeyAnswer(KeyAnswer):
    """A key just made; this is the only time that it is shown."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**KEY, "key": "pb_01JD0000000000000000000003_AbC..."}]}
    )

    key: str


class KeysAnswer(BaseModel):
    """All keys, those that are revoked too, oldest first."""

    keys: list[KeyAnswer]


class AuditEntryAnswer(BaseModel):
    """One change: who, what, when, from where; as it was and as it is since."""

    id: str
    at: Timestamp
    actor: str
    action: str
    subject: str
    address: str | None
    trace_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditAnswer(BaseModel):
    """A page of the audit list, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "entries": [
                        {
                            "id": "17",
                            "at": "2026-11-21T09:00:00.000Z",
                            "actor": "admin",
                            "action": "key.added",
                            "subject": "keys/01JD0000000000000000000003",
                            "address": "192.0.2.7",
                            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                            "before": None,
                            "after": {"name": "desk-1", "role": "dealer", "tables": ["ARO-001"]},
                        }
                    ],
                    "next_cursor": None,
                }
            ]
        }
    )

    entries: list[AuditEntryAnswer]
    next_cursor: str | None


@router.get(
    "/keys",
    summary="List keys",
    openapi_extra=least(Role.ADMIN, unlimited=True),
    response_model=KeysAnswer,
)
async def find(keys: TheKeys) -> Response:
    """List all keys with their roles, limits and last use; never their secrets."""
    return JsonAnswer({"keys": [_key(one) for one in await keys.all()]})


@router.post(
    "/keys",
    status_code=201,
    summary="Make a key",
    openapi_extra=least(Role.ADMIN, unlimited=True, once=True),
    response_model=NewKeyAnswer,
    responses=problems.responses(400, 409, 413, 422),
)
async def add(keys: TheKeys, actor: TheActor, body: KeyBody) -> Response:
    """Make a key; its secret is in this answer and nowhere else."""
    made, secret = await keys.add(body.wanted(), actor)
    return JsonAnswer(
        {**_key(made), "key": secret}, status_code=201, headers={"cache-control": "no-store"}
    )


@router.delete(
    "/keys/{id}",
    summary="Revoke a key",
    openapi_extra=least(Role.ADMIN, unlimited=True),
    response_model=KeyAnswer,
    responses=problems.responses(404, 422),
)
async def revoke(
    id: Annotated[Ulid, Path(examples=["01JD0000000000000000000003"])],  # noqa: A002
    keys: TheKeys,
    actor: TheActor,
) -> Response:
    """End a key on every gateway, and the logins it began; once more changes nothing."""
    return JsonAnswer(_key(await keys.revoke(id, actor)))


@router.get(
    "/audit",
    summary="List changes",
    openapi_extra=least(Role.ADMIN, unlimited=True),
    response_model=AuditAnswer,
    responses=problems.responses(422),
)
async def changes(
    keys: TheKeys,
    *,
    actor: Word | None = None,
    action: Annotated[Word | None, Query(examples=["key.added"])] = None,
    subject: Annotated[str | None, Query(pattern=r"^[\x20-\x7e]{1,200}$")] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$")] = None,
) -> Response:
    """List who changed what, newest first; the cursor of one page asks for the next."""
    found = await keys.changes(
        Filter(
            actor=actor,
            action=action,
            subject=subject,
            since=since,
            until=until,
            below=None if cursor is None else int(cursor),
            limit=limit,
        )
    )
    return JsonAnswer(
        {
            "entries": [_entry(one) for one in found],
            "next_cursor": str(found[-1].id) if len(found) == limit else None,
        }
    )


def _key(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "tables": key.tables,
        "environments": key.environments,
        "rate_per_second": key.rate_per_second,
        "rate_burst": key.rate_burst,
        "author": key.author,
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339(key.expires_at) if key.expires_at else None,
        "last_used_at": rfc3339(key.last_used_at) if key.last_used_at else None,
        "revoked_at": rfc3339(key.revoked_at) if key.revoked_at else None,
    }


def _entry(entry: Entry) -> dict[str, object]:
    return {
        "id": str(entry.id),
        "at": rfc3339(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "address": entry.address,
        "trace_id": entry.trace_id,
        "before": entry.before,
        "after": entry.after,
    }
