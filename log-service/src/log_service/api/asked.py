"""What a query asks, read from its address."""

from datetime import UTC, datetime
from typing import Annotated, Final

import orjson
from fastapi import Depends, Query

from fleetkit import errors
from log_service.domain.lines import LEVELS, LONGEST_NAME
from log_service.domain.searches import MOST, USUAL, Filter, Search, read_cursor

LONGEST_TEXT: Final = 200
LONGEST_METADATA: Final = 1000

Limit = Annotated[int, Query(ge=1, le=MOST)]
Name = Annotated[str | None, Query(min_length=1, max_length=LONGEST_NAME)]


def refuse_nul(name: str, text: str | None) -> str | None:
    if text is not None and "\x00" in text:
        raise errors.Invalid(f"{name} has a NUL in it.", field=f"query.{name}")
    return text


def read_time(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        # A plus that was not escaped comes as a space.
        at = datetime.fromisoformat(text.strip().replace(" ", "+"))
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise errors.Invalid(
            f"{name} must be a time such as 2026-11-21T09:00:00Z.", field=f"query.{name}"
        ) from None


def read_range(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    begins, ends = read_time("from", since), read_time("to", until)
    if begins is not None and ends is not None and begins > ends:
        raise errors.Invalid("from is after to.", field="query.from")
    return begins, ends


def _levels(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    levels = tuple(sorted({part.strip().lower() for part in text.split(",")}))
    wrong = [one for one in levels if one not in LEVELS]
    if wrong:
        raise errors.Invalid(f"level must be of {', '.join(LEVELS)}.", field="query.level")
    return levels


def _metadata(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict) or rb"\u0000" in orjson.dumps(value):
        raise errors.Invalid("metadata must be a JSON object.", field="query.metadata")
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


async def _filter(
    *,
    device_id: Name = None,
    level: Annotated[str | None, Query(description="Several with commas.", max_length=100)] = None,
    service: Name = None,
    trace_id: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    q: Annotated[
        str | None,
        Query(
            description='Words of the message; "a phrase", or, -not.',
            min_length=1,
            max_length=LONGEST_TEXT,
        ),
    ] = None,
    metadata: Annotated[
        str | None,
        Query(description='What the metadata holds: {"table":"ARO-001"}.', max_length=1000),
    ] = None,
) -> Filter:
    return Filter(
        device_id=refuse_nul("device_id", device_id),
        levels=_levels(level),
        service=refuse_nul("service", service),
        trace_id=refuse_nul("trace_id", trace_id),
        q=refuse_nul("q", q),
        metadata=_metadata(metadata),
    )


TheFilter = Annotated[Filter, Depends(_filter)]


async def _search(
    wanted: TheFilter,
    *,
    since: Annotated[str | None, Query(alias="from", max_length=64)] = None,
    until: Annotated[str | None, Query(alias="to", max_length=64)] = None,
    order: Annotated[str, Query(pattern="^(newest|oldest)$", description="First.")] = "newest",
    limit: Limit = USUAL,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Search:
    begins, ends = read_range(since, until)
    after = None if cursor is None else read_cursor(cursor)
    if cursor is not None and after is None:
        raise errors.Invalid("cursor is not one that a page gave.", field="query.cursor")
    return Search(
        filter=wanted,
        since=begins,
        until=ends,
        after=after,
        oldest_first=order == "oldest",
        limit=limit,
    )


TheSearch = Annotated[Search, Depends(_search)]
