"""What a prober asks of Postgres while many targets are down: little, however many they are."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ledger.domain.breaker import Breaker
from ledger.domain.commands import Kind
from ledger.domain.deliveries import Lease
from ledger.domain.outcomes import Cause, Outcome, Verdict
from ledger.domain.steps import Reply
from table_service.services.guards import Guards
from table_service.services.prober import Prober

NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DOWN = [f"ARO-{number:03}" for number in range(50)]


def lease(code: str) -> Lease:
    return Lease(
        id=code,
        token="t",
        lease_until=NOW,
        deadline_at=NOW,
        command_id="01C",
        round_id="01R",
        table_id=code,
        environment="CIT",
        game_code=code,
        served_by=code,
        config_version=1,
        kind=Kind.CANCEL,
        body={},
        leg_state="opened",
        required=False,
        external_round_id="ours",
        known_round_id=None,
        bet_stop="auto",
        timecode_offset_ms=0,
        backups=(),
        look=False,
        overtaken=False,
        attempts=1,
        due_at=NOW,
        first_sent_at=None,
        written_at=NOW,
    )


class Yard:
    """A clock, targets that are all down, and what was asked."""

    def __init__(self) -> None:
        self.now = NOW
        self.waiting: set[str] = set()
        self.questions = 0
        self.probed: list[str] = []
        self.guards = Guards()
        for code in DOWN:
            for _ in range(3):
                self.guards.hold(lease(code), again=False, now=NOW)
                self.guards.record(lease(code), health=False, now=NOW)
        self.prober = Prober(
            guards=self.guards, board=self, waiting=self, tables=self, now=lambda: self.now
        )

    async def read(self) -> Mapping[str, Breaker] | None:
        return None

    async def take_probe(self, code: str) -> bool:
        self.probed.append(code)
        return True

    async def waited_for(self) -> set[str]:
        self.questions += 1
        return self.waiting

    async def hasten(self, lease: Lease) -> None:
        raise AssertionError(lease)

    async def call(self, lease: Lease, operation: str, *, until: datetime) -> Reply:
        assert (operation, until > self.now) == ("get", True), lease
        verdict = Verdict(Outcome.UNKNOWN, Cause.TIMEOUT, health=False)
        return Reply(verdict, (), self.now)

    async def rounds(self, seconds: int) -> dict[int, int]:
        """Let time go by in quarters of a second; say in which second how many were probed."""
        probes: dict[int, int] = {}
        for quarter in range(seconds * 4):
            self.now = NOW + quarter * SECOND / 4
            before = len(self.probed)
            await self.prober.round()
            if len(self.probed) > before:
                probes[quarter // 4] = probes.get(quarter // 4, 0) + len(self.probed) - before
        return probes


async def test_postgres_is_asked_once_for_all_targets_and_only_when_a_probe_may_be_due() -> None:
    yard = Yard()
    yard.waiting = {DOWN[0]}
    # A pause doubles from 1 s, but is 5 s at most for the one that something waits for.
    assert await yard.rounds(16) == {1: 50, 3: 50, 7: 50, 12: 1, 15: 49}
    assert yard.questions == len((1, 3, 7)) + 4 * len((12, 13, 14)) + len((15,))
