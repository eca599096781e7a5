"""How an environment is doing, and the way to it."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Weather:
    """How an environment and the way to it are doing."""

    call_fault: float = 0.0
    handover_lost: float = 0.0
    handover_slow: float = 0.0
    out_until: float = 0.0
    out_how: str = "refused"
    hung: dict[tuple[str, str], float] = field(default_factory=dict)
    disturbed_until: float = -1.0
