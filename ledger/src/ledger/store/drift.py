"""What the ledger knows of a table's targets, to be held against what they report."""

from collections.abc import Sequence

from fleetkit.database import Connection
from ledger.domain.config import Mirror
from ledger.domain.drift import Known, Place
from ledger.store.statements import KNOWN
from ledger.store.tables import switches

# An open round that is older than this many on its target is nobody's to mend from here.
LOOKED_BACK = 10

_ROUNDS = f"""
SELECT t.place, l.round_id AS round, r.state AS round_state, r.result, l.served_by, l.state AS leg_state,
       l.external_round_id, {KNOWN}, d.kind AS command, d.state
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS t(environment, game_code, place)
CROSS JOIN LATERAL (SELECT * FROM legs n WHERE n.environment = t.environment AND n.game_code = t.game_code
                    ORDER BY n.id DESC LIMIT {LOOKED_BACK}) l
JOIN rounds r ON r.id = l.round_id
LEFT JOIN LATERAL (SELECT * FROM deliveries WHERE leg_id = l.id AND NOT scheduled
                   ORDER BY settled_at IS NOT NULL, rank DESC LIMIT 1) d ON true
ORDER BY t.place, l.id DESC
"""


async def places(conn: Connection, table: str, targets: Sequence[Mirror]) -> list[Place]:
    """Give each target's last rounds and whether it took a pause, in the order of the targets."""
    rows = await conn.fetch(
        _ROUNDS,
        [mirror.environment.environment for mirror in targets],
        [mirror.target.id for mirror in targets],
    )
    told = await switches(conn, targets)
    paused = {(s.environment, s.game_code): s.reason or "" for s in told if s.paused}
    rounds: list[list[Known]] = [[] for _ in targets]
    for row in rows:
        record = dict(row)
        rounds[record.pop("place") - 1].append(Known(**record))
    return [
        Place(
            table=table,
            environment=mirror.environment.environment,
            game_code=mirror.target.id,
            rounds=tuple(known),
            paused=paused.get((mirror.environment.environment, mirror.target.id)),
        )
        for mirror, known in zip(targets, rounds, strict=True)
    ]
