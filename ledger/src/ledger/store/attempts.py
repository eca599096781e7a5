"""The attempts' partitions, a day each."""

from fleetkit.database import Connection


async def ensure_partitions(conn: Connection) -> None:
    await conn.execute("SELECT ensure_partitions()")
