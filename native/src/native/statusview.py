"""The table that status prints, in colour on a terminal."""

from typing import Any, Final

_COLOURS: Final = {
    "ready": 32,
    "starting": 33,
    "unready": 33,
    "draining": 36,
    "restarting": 31,
    "failed": 31,
}
_HEAD: Final = ("SERVICE", "INSTANCE", "PID", "PORT", "STATE", "IN-FLIGHT", "UPTIME", "RESTARTS")
_MINUTE: Final = 60
_HOUR: Final = 3600


def _span(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.0f}s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f}m{seconds % _MINUTE:02.0f}s"
    return f"{seconds // _HOUR:.0f}h{seconds % _HOUR // _MINUTE:02.0f}m"


def _count(in_flight: int | None) -> str:
    return "-" if in_flight is None else str(in_flight)


def _row(service: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(service["service"]),
        str(service["instance"]),
        str(service["pid"] or "-"),
        str(service["port"] or "-"),
        str(service["state"]),
        _count(service.get("in_flight")),
        _span(service["uptime_s"]),
        str(service["restarts"]),
    )


def render(services: list[dict[str, Any]], url: str | None, colour: bool) -> str:
    rows = [_HEAD, *map(_row, services)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if colour and row[4] in _COLOURS:
            cells[4] = f"\033[{_COLOURS[row[4]]}m{cells[4]}\033[0m"
        lines.append("  ".join(cells).rstrip())
    if url is not None:
        lines.append(f"edge: {url}")
    return "\n".join(lines)
