"""Leases as the statements give them: of a leg's delivery, or of one that a table itself was asked for."""

from typing import Any

from ledger.domain.deliveries import Lease

# What the delivery `d` of a table's own command says where others have their leg `l` say it.
OWN = "d.config_version AS own_version, d.required AS own_required"


def read(record: dict[str, Any]) -> Lease:
    """Read a row of LEASE and OWN; without a leg it goes to the target itself, never to a backup."""
    row = dict(record)
    row.pop("state", None)
    own = {"config_version": row.pop("own_version"), "required": row.pop("own_required")}
    if row["round_id"] is None:
        row |= {
            **own,
            "round_id": "",
            "served_by": row["game_code"],
            "leg_state": "",
            "bet_stop": "driver",
            "timecode_offset_ms": 0,
            "backups": (),
        }
    return Lease.from_record(row)
