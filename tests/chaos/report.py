"""What came of a chaos run: a readable table, a document, or JSON."""

import os
import platform
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from chaos.recovery import BAR_S, Recovery
from chaos.running import Run

_HEADS = ("fault", "struck", "measured", "median", "worst", "longest without", "<= 5 s")


def summarize(run: Run, seed: int) -> dict[str, Any]:
    """Give all of it for programs."""
    after = run.aftermath
    return {
        "ok": run.ok,
        "seed": seed,
        "faults": len(run.plan),
        "consoles": run.consoles,
        "seconds": round(run.seconds, 1),
        "rounds": len(run.score.rounds),
        "ended": dict(Counter(one.last.state for one in run.score.rounds.values())),
        "commands": len(run.score.samples),
        "effects": after.effects,
        "verified_rounds": after.verified.get("rounds"),
        "events": after.verified.get("events"),
        "errors": dict(run.score.errors.most_common()),
        "mended": after.mended,
        "surprises": after.surprises,
        "wrong": after.wrong,
        "recovery": [
            {
                "fault": one.kind,
                "struck": one.struck,
                "measured": len(one.after_s),
                "median_s": one.median_s,
                "worst_s": one.worst_s,
                "longest_without_s": one.worst_felt_s,
                "met": one.met,
            }
            for one in run.recoveries
        ],
    }


def show(run: Run) -> list[str]:
    """Give it for people."""
    widths = (30, 8, 10, 10, 10, 17, 8)
    lines = ["", *_words(run), "", _row(_HEADS, widths)]
    lines += (_row(_cells(one), widths) for one in run.recoveries)
    lines += ["", *_explain()]
    if run.aftermath.wrong:
        lines += ["", f"FAILED: {len(run.aftermath.wrong)} things are not as they should be"]
        lines += (f"  {one[:600]}" for one in run.aftermath.wrong[:30])
    return lines


def write(run: Run, seed: int, minutes: float) -> str:
    """Give it as the document that is kept."""
    today = datetime.now(UTC).date().isoformat()
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    table = ["| " + " | ".join(_HEADS) + " |", "| --- " * len(_HEADS) + "|"]
    table += ("| " + " | ".join(_cells(one)) + " |" for one in run.recoveries)
    errors = ", ".join(f"{kind} ({count})" for kind, count in run.score.errors.most_common(25))
    return "\n".join(
        [
            "# The last long chaos run",
            "",
            f"`./manage.sh chaos --minutes {minutes:g} --seed {seed}`, on {today}.",
            f"The machine: {machine}.",
            "",
            "A fleet of its own is played on while a plan drawn from the seed kills, stops and",
            "restarts its processes, hurts its links and has the Table APIs misbehave. Then all is",
            "lifted, and ledger, tables and consoles are held against each other.",
            "",
            *(f"- {one}" for one in _words(run)),
            *_faults(run),
            "",
            "## Recovery",
            "",
            *table,
            "",
            *_explain(),
            "",
            "## What the consoles met",
            "",
            f"{errors or 'Nothing but acceptance'}.",
            "",
        ]
    )


def _faults(run: Run) -> Iterator[str]:
    """Say in the document, too, what is not as it should be."""
    if run.aftermath.wrong:
        yield from ("", "## Not as it should be", "")
        yield from (f"- {one[:600]}" for one in run.aftermath.wrong[:30])


def _words(run: Run) -> Iterator[str]:
    after, ended = run.aftermath, Counter(one.last.state for one in run.score.rounds.values())
    states = ", ".join(f"{count} {state}" for state, count in sorted(ended.items()))
    yield (
        f"{len(run.plan)} faults in {run.seconds:.0f} s under {run.consoles} consoles on "
        f"{len(run.environments)} environments"
    )
    yield f"{len(run.score.rounds)} rounds ({states}), {len(run.score.samples)} commands answered"
    yield (
        f"{after.effects} effects at the tables: "
        + ("none lost, none doubled" if run.ok else "see below")
        + f"; {after.verified.get('rounds')} rounds, {after.verified.get('events')} events verified"
    )
    mended = Counter(one.rpartition(" ")[2] for one in after.mended)
    kinds = ", ".join(f"{kind} ({count})" for kind, count in mended.most_common())
    yield f"mended by hand as the drift says: {kinds or 'nothing'}"
    yield f"faults of ours in the logs: {after.surprises or 'none'}"


def _explain() -> list[str]:
    return [
        "Seconds from when the target was back to the next accepted command there (median, worst),",
        f"and the longest time without one since it was struck; bar P9 is {BAR_S:g} s. Measured",
        "are those that no other fault of the whole fleet or of the same environment ran into.",
    ]


def _cells(one: Recovery) -> tuple[str, ...]:
    met = {None: "-", True: "yes", False: "NO"}[one.met]
    figures = (one.median_s, one.worst_s, one.worst_felt_s)
    shown = ("-" if figure is None else f"{figure:.2f}" for figure in figures)
    return (one.kind, str(one.struck), str(len(one.after_s)), *shown, met)


def _row(cells: tuple[str, ...], widths: tuple[int, ...]) -> str:
    first, *rest = (
        f"{cell:>{width}}" if place else f"{cell:<{width}}"
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return first + "".join(rest)
