"""The light a dealer looks at before a round: go, go without some targets, or hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ledger.domain.config import Mirror


@dataclass(frozen=True, slots=True)
class Trouble:
    """A delivery of a target's latest round that was not accepted."""

    environment: str
    game_code: str
    kind: str
    state: str
    code: str | None
    detail: str | None

    @property
    def sentence(self) -> str:
        where = f"{self.environment} {self.game_code}"
        if self.detail:
            return f"{where}: {self.detail}"
        return f"{where}: its {self.kind} is {self.state}."


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a round can begin, and on which targets it would not."""

    light: Literal["go", "go_without", "hold"]
    without: tuple[str, ...]
    why: tuple[str, ...]


def light(targets: Sequence[Mirror], troubles: Sequence[Trouble]) -> Readiness:
    """Hold for a required target in trouble; go without one that is best effort."""
    required = {(m.environment.environment, m.target.id): m.required for m in targets}
    concerned = [t for t in troubles if (t.environment, t.game_code) in required]
    if not concerned:
        return Readiness("go", (), ())
    hold = any(required[t.environment, t.game_code] for t in concerned)
    without = sorted({f"{t.environment}/{t.game_code}" for t in concerned})
    return Readiness(
        "hold" if hold else "go_without", tuple(without), tuple(t.sentence for t in concerned)
    )
