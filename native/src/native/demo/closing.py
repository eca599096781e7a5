"""The last lines of the demo: the summary, and where to go from here."""

from collections.abc import Mapping
from typing import Any

from native.demo import script
from native.demo.configuration import Document


def say_summary(summary: Mapping[str, Any]) -> list[str]:
    misbehaved = summary["misbehaved"]
    played = f"{summary['rounds']} rounds on {len(script.TABLES)} tables, {summary['legs']} legs"
    ended = f"{_count(summary['outcomes'])}; played in {summary['seconds']:.1f} s"
    once = "each exactly once" if not summary["wrong"] else "not all exactly once"
    heads = f"{'dealer waited':>15}{'a leg took':>16}{f'others while {misbehaved} misbehaved':>31}"
    lines = [
        "",
        f"{played}, {ended}",
        f"{summary['effects']} effects on the tables, counted by the simulator: {once}",
        "",
        f"p50 / p95 in ms {heads}",
    ]
    for command, figures in summary["commands"].items():
        spreads = (figures[each] for each in ("dealer_ms", "leg_ms", "other_legs_ms"))
        dealer, leg, others = map(_pair, spreads)
        lines.append(f"{command:<16}{dealer:>15}{leg:>16}{others:>31}")
    answers = (f"{name} {_count(each['answers'])}" for name, each in summary["commands"].items())
    lines.append(f"answers         {'; '.join(answers)}")
    usual, last = summary["skew_ms"]["usual"], summary["skew_ms"]["last_round"]
    late = f"with {misbehaved} late {_ms(last['max'])} ms"
    plain = f"p50 {_ms(usual['p50'])} ms, max {_ms(usual['max'])} ms; "
    lines.append(f"skew of starts  {plain if usual['max'] is not None else ''}{late}")
    return lines


def say_ways(urls: Document) -> list[str]:
    return [
        "",
        f"Swagger UI  {urls['swagger']}",
        f"API         {urls['api']}",
        "Key         PITBOSS_ADMIN_KEY in .env; show it with: grep ADMIN_KEY .env",
        "Look        ./manage.sh status, ./manage.sh logs gateway -f",
        "Stop        ./manage.sh down",
    ]


def _pair(spread: Mapping[str, float | None]) -> str:
    return f"{_ms(spread['p50'])} / {_ms(spread['p95'])}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _count(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in counted.items())
