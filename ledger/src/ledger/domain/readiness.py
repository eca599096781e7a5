"""The light a dealer looks at before a round: go, go without some targets, or hold."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ledger.domain.config import Mirror
from ledger.domain.outcomes import PAUSED, ROUND_OPEN, ROUND_OPEN_SENTENCE


@dataclass(frozen=True, slots=True)
class Trouble:
    """A delivery that was not accepted: of a target's latest round, or still owed by an earlier."""

    environment: str
    game_code: str
    kind: str
    state: str
    code: str | None
    detail: str | None
    at: datetime | None = None
    earlier: bool = False

    @property
    def sentence(self) -> str:
        where = f"{self.environment} {self.game_code}"
        if self.earlier:
            return f"{where}: an earlier round still owes its {self.kind} ({self.state})."
        if self.code == ROUND_OPEN:
            return f"{where}: {ROUND_OPEN_SENTENCE}"
        if self.detail:
            return f"{where}: {self.detail}"
        return f"{where}: its {self.kind} is {self.state}."


@dataclass(frozen=True, slots=True)
class Switch:
    """The last pause or resume that a target accepted from us, and its last start."""

    environment: str
    game_code: str
    kind: str
    reason: str | None
    at: datetime
    opened_at: datetime | None

    @property
    def paused(self) -> bool:
        """Whether the target must be taken for paused: a start it took since shows it is not."""
        return self.kind == "pause" and (self.opened_at is None or self.opened_at < self.at)

    @property
    def sentence(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"{self.environment} {self.game_code}: The table is paused{why}. Resume it to go on."


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a round can begin, and on which targets it would not."""

    light: Literal["go", "go_without", "hold"]
    without: tuple[str, ...]
    why: tuple[str, ...]


Place = tuple[str, str]


def light(
    targets: Sequence[Mirror],
    troubles: Iterable[Trouble],
    switches: Iterable[Switch] = (),
    broken: Collection[Place] = (),
) -> Readiness:
    """Hold for a required target in trouble; go without one that is best effort.

    `broken` are the targets whose breaker is open.
    """
    required = {(m.environment.environment, m.target.id): m.required for m in targets}
    last = {(s.environment, s.game_code): s for s in switches}
    found: dict[Place, list[str]] = {place: [] for place in required}
    for place, sentences in found.items():
        switch = last.get(place)
        if switch is not None and switch.paused:
            sentences.append(switch.sentence)
        if place in broken:
            where = " ".join(place)
            sentences.append(f"{where}: The target is not answering; it is probed until it does.")
    for trouble in troubles:
        place = (trouble.environment, trouble.game_code)
        if place in found and not _told(trouble, last.get(place), place in broken):
            found[place].append(trouble.sentence)
    concerned = [place for place, sentences in found.items() if sentences]
    if not concerned:
        return Readiness("go", (), ())
    return Readiness(
        "hold" if any(required[place] for place in concerned) else "go_without",
        tuple(sorted("/".join(place) for place in concerned)),
        tuple(dict.fromkeys(sentence for each in found.values() for sentence in each)),
    )


def _told(trouble: Trouble, switch: Switch | None, broken: bool) -> bool:
    """Say whether a trouble is over by what came after it, or has been said in other words."""
    if trouble.code == "breaker_open" and (broken or trouble.state == "expired"):
        # Told already; or the target answers its probes again, and the start that missed is past.
        return True
    if trouble.code != PAUSED or switch is None:
        return False
    if switch.paused:
        return True
    return switch.kind == "resume" and trouble.at is not None and trouble.at < switch.at
