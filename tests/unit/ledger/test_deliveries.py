import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.commands import ROUND_KINDS, Kind
from ledger.domain.deliveries import Lease

NOW = datetime(2026, 11, 21, 9, 0, 0, 123456, tzinfo=UTC)
LEASE = Lease(
    id="01K",
    token="0b0c5e0e-7d2c-4a44-a0c9-5f3b6d8f6a11",
    lease_until=NOW,
    deadline_at=NOW,
    command_id="01C",
    round_id="01R",
    table_id="ARO-001",
    environment="CIT",
    game_code="ARO-001",
    served_by="ARO-001-B",
    config_version=3,
    kind=Kind.RESULT,
    body={"sicBo": [1, 2, 3]},
    leg_state="opened",
    required=True,
    external_round_id=None,
    known_round_id="before",
    bet_stop="auto",
    timecode_offset_ms=5000,
    backups=("ARO-001-B",),
    look=False,
    overtaken=False,
    attempts=2,
    due_at=NOW,
    first_sent_at=None,
    written_at=NOW,
)
moments = st.datetimes(timezones=st.just(UTC))


@given(
    st.sampled_from(Kind),
    moments,
    st.none() | moments,
    st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53) | st.booleans()),
)
def test_a_lease_is_the_same_on_the_other_side_of_the_wire(
    kind: Kind, until: datetime, sent: datetime | None, body: dict[str, object]
) -> None:
    before = replace(LEASE, kind=kind, lease_until=until, first_sent_at=sent, body=body)
    assert Lease.from_wire(json.loads(before.to_wire())) == before


@pytest.mark.parametrize("name", ["id", "token", "lease_until", "kind", "written_at"])
def test_a_lease_with_a_hole_is_no_lease(name: str) -> None:
    record = json.loads(LEASE.to_wire())
    del record[name]
    with pytest.raises((KeyError, TypeError)):
        Lease.from_wire(record)


def test_a_lease_of_an_unknown_kind_is_no_lease() -> None:
    record = json.loads(LEASE.to_wire()) | {"kind": "explode"}
    with pytest.raises(ValueError, match="explode"):
        Lease.from_wire(record)


def test_a_round_keeps_its_order_and_cancel_comes_last() -> None:
    assert [kind.rank for kind in ROUND_KINDS] == [0, 1, 2, 3, 4]
    assert ROUND_KINDS[-1] is Kind.CANCEL
    assert {kind.rank for kind in Kind if kind.of_table} == {-1}
    assert Kind.RESULT.operation == "deal"
