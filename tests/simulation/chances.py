"""What may go wrong in a world, and how often: drawn once from its seed."""

from dataclasses import dataclass, replace
from random import Random

FAULTS = {
    "refused": 4,
    "lost_before": 4,
    "lost_after": 8,
    "reset_after": 4,
    "straggler": 3,
    "slow": 4,
    "hang": 2,
    "error_before": 3,
    "error_after": 3,
    "html": 3,
    "cut": 1,
    "rate_limited": 2,
    "session": 4,
    "session_twice": 1,
    "unavailable": 1,
    "unauthorised": 1,
}
KINDS = tuple(FAULTS)
WEIGHTS = tuple(FAULTS.values())

# How late a call may take effect after its caller gave up.
LATEST_S = 8.0


@dataclass(frozen=True, slots=True)
class Chances:
    """Probabilities a call, an operation, a round or a minute."""

    call_fault: float
    store_fault: float
    crash_at_await: float
    crashes: bool
    outages: bool
    store_outages: bool
    pauses: bool
    handover_lost: float
    handover_slow: float


_CALM = Chances(
    call_fault=0.0,
    store_fault=0.0,
    crash_at_await=0.0,
    crashes=False,
    outages=False,
    store_outages=False,
    pauses=False,
    handover_lost=0.0,
    handover_slow=0.0,
)


def draw(random: Random) -> Chances:
    """Draw a world's chances: many worlds are nearly calm, some are hell."""
    mood = random.random()
    if mood < 0.2:
        return replace(_CALM, pauses=random.random() < 0.2)
    rough = random.choice((0.01, 0.02, 0.04, 0.08, 0.2))
    return Chances(
        call_fault=rough * random.choice((0.0, 1.0, 1.0)),
        store_fault=rough * random.choice((0.0, 0.0, 0.25, 0.5)),
        crash_at_await=rough * random.choice((0.0, 0.0, 0.05, 0.2)),
        crashes=random.random() < 0.3,
        outages=random.random() < 0.25,
        store_outages=random.random() < 0.15,
        pauses=random.random() < 0.2,
        handover_lost=rough * random.choice((0.0, 0.5, 1.0)),
        handover_slow=rough * random.choice((0.0, 0.3)),
    )
