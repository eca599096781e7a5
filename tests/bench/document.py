"""docs/benchmarks.md and its charts, made from what was measured."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import showing, svg
from bench.machine import Machine
from bench.scenario import Bar, Grid, Report, Scenario

_HEAD: Final = """\
# Benchmarks

Made by `./manage.sh bench`, which starts a fleet of its own, measures, and writes this file: change
nothing here by hand. Fleet, load and peers share the machine, so a figure counts beside what ran
with it in the same minute. The Table API is a stub in a process of its own that answers at once, or
after the time that is named. How it grows with studios is reckoned in [scale.md](scale.md).
"""


def write(
    folder: Path, machine: Machine, commit: str, done: Sequence[tuple[Scenario, Report]]
) -> Path:
    """Write the document and the charts, and take away charts that nobody draws any more."""
    charts = folder / "benchmarks"
    charts.mkdir(parents=True, exist_ok=True)
    drawn = {f"{chart.name}.svg": svg.draw(chart) for _, report in done for chart in report.charts}
    for old in charts.glob("*.svg"):
        if old.name not in drawn:
            old.unlink()
    for name, text in drawn.items():
        (charts / name).write_text(text)
    path = folder / "benchmarks.md"
    path.write_text("\n".join(_lines(machine, commit, done)))
    return path


def _lines(machine: Machine, commit: str, done: Sequence[tuple[Scenario, Report]]) -> Iterator[str]:
    bars: list[Bar] = [bar for _, report in done for bar in report.bars]
    yield _HEAD
    yield f"Measured on {datetime.now(UTC):%Y-%m-%d}, commit {commit}: {machine.sentence}."
    yield f"{showing.count(bars)}.\n"
    yield from showing.markdown(bars)
    for scenario, report in done:
        yield f"\n## {scenario.name}: {scenario.title}\n"
        for note in report.notes:
            yield f"{note}\n"
        for grid in report.grids:
            yield from _grid(grid)
        for chart in report.charts:
            yield f"![{chart.title}](benchmarks/{chart.name}.svg)\n"
    yield ""


def _grid(grid: Grid) -> Iterator[str]:
    yield f"{grid.title}:\n"
    yield f"| {' | '.join(grid.header)} |"
    yield f"| {' | '.join('---' for _ in grid.header)} |"
    for row in grid.rows:
        yield f"| {' | '.join(row)} |"
    yield ""
