"""What autoscaling did last, for status; held by a lock, so that it can't claim to run when not."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from native.places import Places, read_json, write_json
from native.supervisor_lock import is_held


def lock_path(where: Places) -> Path:
    return where.state / "autoscale.lock"


def _path(where: Places) -> Path:
    return where.state / "autoscale.json"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write(where: Places, interval_s: float, steps: dict[str, dict[str, Any]]) -> None:
    """Keep the last step of each environment."""
    write_json(_path(where), {"interval_s": interval_s, "steps": steps})


def read_steps(where: Places) -> dict[str, dict[str, Any]]:
    steps = read_json(_path(where)).get("steps")
    return steps if isinstance(steps, dict) else {}


def show(where: Places) -> dict[str, Any]:
    """Give what `status --json` has of it."""
    on = is_held(lock_path(where))
    return {
        "on": on,
        "interval_s": read_json(_path(where)).get("interval_s") if on else None,
        "steps": [
            {"environment": environment, **step}
            for environment, step in sorted(read_steps(where).items())
        ],
    }


def render(shown: dict[str, Any]) -> str:
    """Put it into a line, or nothing where it never ran."""
    steps = shown["steps"]
    if not shown["on"] and not steps:
        return ""
    head = f"on, every {shown['interval_s']:g} s" if shown["on"] else "off"
    if not steps:
        return f"autoscale: {head}"
    last = max(steps, key=lambda step: str(step["at"]))
    at = datetime.fromisoformat(last["at"]).astimezone()
    return (
        f"autoscale: {head}; last step {at:%Y-%m-%d %H:%M:%S}: "
        f"{last['service']} {last['from']} -> {last['to']}, {last['why']}"
    )
