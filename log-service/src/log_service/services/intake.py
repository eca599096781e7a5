"""Intake: lines are checked one by one, and what is good is in the stream before the answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from fleetkit import errors
from fleetkit.bus import Full
from log_service.adapters import meters
from log_service.adapters.stream import Stream
from log_service.domain.lines import FaultError, Line, Span, check


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a line; the first line is 1."""

    line: int
    field: str
    detail: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The ids of what was taken, in order, and the faults of the rest."""

    ids: list[str]
    faults: list[Fault]


class Intake:
    """Takes lines in."""

    def __init__(self, stream: Stream, *, now: Callable[[], datetime], days: int) -> None:
        self._stream = stream
        self._now = now
        self._days = days

    async def take(self, raw: Sequence[object], *, sender: str, strict: bool) -> Taken:
        """Take the good lines; with `strict` none, unless all are good."""
        now = self._now()
        span = Span.around(now, self._days)
        lines: list[Line] = []
        faults: list[Fault] = []
        places: list[int] = []
        for number, one in enumerate(raw, start=1):
            try:
                lines.append(check(one, now=now, span=span))
                places.append(number)
            except FaultError as fault:
                faults.append(Fault(number, fault.field, fault.detail))
        meters.REFUSED.inc(len(faults))
        if faults and (strict or not lines):
            raise refusal(faults)
        return Taken(await self._add(lines, places, sender), faults)

    async def _add(self, lines: Sequence[Line], places: Sequence[int], sender: str) -> list[str]:
        try:
            ids = await self._stream.add(lines, sender)
        except Full as full:
            left = [places[index] for index in full.refused]
            meters.TAKEN.inc(len(lines) - len(left))
            raise errors.Unavailable(
                "More lines wait to be written than may; send those not taken again in a moment.",
                code="log_stream_full",
                retry_after_s=1,
                extra={"accepted": len(lines) - len(left), "not_taken": left},
            ) from full
        meters.TAKEN.inc(len(ids))
        return ids


def refusal(faults: Sequence[Fault]) -> errors.Invalid:
    """Refuse by the first fault, with the others listed."""
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return errors.Invalid(
        f"Line {first.line}, {first.field}: {first.detail}{more}.",
        field=first.field,
        extra={
            "line": first.line,
            "errors": [
                {"line": one.line, "field": one.field, "detail": one.detail} for one in faults
            ],
        },
    )
