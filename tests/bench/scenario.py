"""What a scenario gives: bars met or missed, charts and tables of what was measured, and notes."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench.ground import Ground

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Bar:
    """One thing to reach: what was measured, beside what, and whether it is enough."""

    id: str  # P1 .. P11, R4; several bars may share one
    name: str
    value: float | None  # None: it could not be measured, and the note says why
    unit: str
    bar: str  # in words, as it is to be read: "<= 6 ms", ">= 8x"
    peer: str | None = None  # who ran beside it, with the figure: "Temporal 13/s"
    ratio: float | None = None  # the value over the peer's
    met: bool | None = None  # None: shown for what it is, nothing to meet
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one axis; `name` becomes the file docs/benchmarks/NAME.svg."""

    name: str
    title: str
    x_label: str
    y_label: str
    series: Mapping[str, Sequence[Point]]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A small table for the document: where the time goes, a curve's points."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Report:
    """All that one scenario has to say."""

    bars: Sequence[Bar] = ()
    charts: Sequence[Chart] = ()
    notes: Sequence[str] = ()
    grids: Sequence[Grid] = field(default=())


class Run(Protocol):
    """How a scenario is run: on a fleet that stands, at most about 12 s long when quick."""

    def __call__(self, ground: Ground, *, quick: bool) -> Awaitable[Report]: ...


@dataclass(frozen=True, slots=True)
class Scenario:
    """A name to ask for it by, and how it is run (`async def run(ground, *, quick)`)."""

    name: str
    title: str
    run: Run
