"""What came of a run, for people and for programs."""

from typing import Any

from stress.score import Score, percentile

Summary = dict[str, Any]


def summarize(score: Score, *, consoles: int, seconds: float) -> Summary:
    commands = score.commands()
    count = sum(map(len, commands.values()))
    return {
        "consoles": consoles,
        "seconds": round(seconds, 1),
        "rounds": len(score.rounds),
        "commands": count,
        "commands_per_second": round(count / seconds, 1),
        "legs": sum(len(one.last.legs) for one in score.rounds.values()),
        "latency_ms": {
            name: {
                "count": len(samples),
                **{
                    f"p{share}": round(percentile([one.ms for one in samples], share / 100), 1)
                    for share in (50, 95, 99)
                },
            }
            for name, samples in commands.items()
        },
        "answers": _count(str(one.status) for one in score.samples),
        "errors": dict(score.errors.most_common()),
        "failures": score.failures,
    }


def _count(words: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return dict(sorted(found.items()))


def show(summary: Summary) -> list[str]:
    played = f"{summary['rounds']} rounds with {summary['legs']} legs in {summary['seconds']:g} s"
    rate = f"{summary['commands']} commands, {summary['commands_per_second']:g} a second"
    lines = [
        "",
        f"{summary['consoles']} consoles played {played}: {rate}",
        "",
        f"{'command':<10}{'count':>8}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}",
    ]
    for name, each in summary["latency_ms"].items():
        spread = "".join(f"{each[share]:>10.1f}" for share in ("p50", "p95", "p99"))
        lines.append(f"{name:<10}{each['count']:>8}{spread}")
    lines.append("")
    answers = ", ".join(f"{count} x {status}" for status, count in summary["answers"].items())
    lines.append(f"answers    {answers or 'none'}")
    errors = [f"{kind}: {count}" for kind, count in summary["errors"].items()]
    lines.append(f"errors     {errors[0] if errors else 'none'}")
    lines += (f"           {one}" for one in errors[1:])
    return lines
