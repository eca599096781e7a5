"""The feed: events numbered in one order for all readers, by whoever holds the relay."""

from datetime import timedelta
from typing import cast

from fleetkit.database import Connection
from ledger.domain.feed import Published, Wanted
from ledger.store.events import told

# The gateways wait here for what has been published.
PUBLISHED_CHANNEL = "published"
# A publication after hours without any relay may take longer than a statement usually does.
_PATIENCE_S = 60.0


async def hold(conn: Connection, holder: str, lease: timedelta) -> bool:
    """Be the relay for a while, or stay it; False while another is."""
    return bool(
        await conn.fetchval(
            """UPDATE feed_relay SET holder = $1, until = clock_timestamp() + $2::interval
               WHERE holder = $1 OR until < clock_timestamp() RETURNING true""",
            holder,
            lease,
        )
    )


async def release(conn: Connection, holder: str) -> None:
    """Let the next one begin at once."""
    await conn.execute("UPDATE feed_relay SET until = '-infinity' WHERE holder = $1", holder)


async def is_foreign(conn: Connection) -> bool:
    """Tell whether the feed's state is of another cluster: a dump that was read in here."""
    return not await conn.fetchval(
        """SELECT EXISTS (SELECT FROM feed_state
                          WHERE cluster = (SELECT system_identifier FROM pg_control_system()))"""
    )


async def refill(conn: Connection) -> None:
    """Take in all that the feed lacks, looked for by id; needed after a dump was read in only."""
    await conn.execute("SELECT refill_feed()", timeout=_PATIENCE_S)


async def publish(conn: Connection) -> int | None:
    """Give numbers to what has been committed since the last time, and the newest; None if nothing was.

    Looked for first, since a publication writes.
    """
    return cast(
        "int | None",
        await conn.fetchval(
            "SELECT publish_events() WHERE EXISTS (SELECT FROM unpublished())",
            timeout=_PATIENCE_S,
        ),
    )


async def announce(conn: Connection, seq: int) -> None:
    """Wake the gateways, once it is on the disk: a notice in the transaction would queue commits."""
    await conn.execute("SELECT pg_notify($1, $2)", PUBLISHED_CHANNEL, str(seq))


async def head(conn: Connection) -> int:
    """Give the newest number there is."""
    return cast("int", await conn.fetchval("SELECT seq FROM feed_state"))


async def read(
    conn: Connection, *, after: int, until: int, wanted: Wanted | None = None
) -> list[Published]:
    """Read what was published after one number and up to another, in order."""
    wanted = wanted or Wanted()
    rows = await conn.fetch(
        """SELECT f.seq, f.type, e.at, e.round_id, e.table_id AS table, e.environment, e.data
           FROM feed f JOIN events e ON e.id = f.event_id
           WHERE f.seq > $1 AND f.seq <= $2 AND ($3::text[] IS NULL OR f.type = ANY($3))
             AND ($4::text[] IS NULL OR e.table_id = ANY($4))
             AND ($5::text[] IS NULL OR e.environment = ANY($5)
                  OR (e.environment IS NULL AND e.table_id IS NOT NULL))
           ORDER BY f.seq""",
        after,
        until,
        _listed(wanted.types),
        _listed(wanted.tables),
        _listed(wanted.environments),
    )
    return [Published(**{**dict(row), "data": told(row["data"])}) for row in rows]


def _listed(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)
