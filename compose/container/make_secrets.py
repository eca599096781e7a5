"""The first job of a Compose fleet: checks what was set, and lays out each part's secrets as files.

Each part sees a volume of its own with what it needs and no more. A value given in the environment
goes first, then what the volume has already, then a new one is made. Exit code 2, with a sentence,
when a setting is wrong: nothing else is started then.
"""

import os
import re
import secrets
import sys
from pathlib import Path
from typing import Final
from urllib.parse import quote

from fleetkit import settings
from gateway.settings import Settings

ROOT = Path("/secrets")
ROLES = {
    "pitboss_owner": "PITBOSS_OWNER_PASSWORD",
    "pitboss_gateway": "PITBOSS_GATEWAY_PASSWORD",
    "pitboss_metrics_service": "PITBOSS_METRICS_SERVICE_PASSWORD",
    "pitboss_log_service": "PITBOSS_LOG_SERVICE_PASSWORD",
    "pitboss_table_service": "PITBOSS_TABLE_SERVICE_PASSWORD",
}

# What services read whose packages this image has not; a test holds it against them.
NUMBERS: Final = {
    "PITBOSS_LOG_RETENTION_DAYS": (1, 3650),
    "PITBOSS_LOG_STREAM_BYTES": (1 << 20, 1 << 40),
    "PITBOSS_LOG_STREAM_LENGTH": (1, 10_000_000),
    "MPS_AGG_INTERVAL": (1, 60),
    "MPS_ALERT_CLEAR": (0, None),
    "MPS_ALERT_FOR": (0, None),
    "MPS_ANOMALY": (0, None),
    "MPS_ERROR_THRESHOLD": (0, 1),
    "MPS_MIN_SAMPLE": (1, None),
    "MPS_P95_THRESHOLD": (0, None),
    "MPS_WINDOW_SIZE": (1, 3600),
}
# Of what the gateway needs, these are made further down.
MADE: Final = {
    "PITBOSS_DATABASE_URL": "postgresql://",
    "PITBOSS_ADMIN_KEY": "made",
    "PITBOSS_INNER_KEY": "made",
}


def check() -> list[str]:
    """Give a sentence for each setting that is wrong."""
    sentences = []
    level = os.environ.get("PITBOSS_LOG_LEVEL", "info")
    if level not in {"debug", "info", "warning", "error"}:
        sentences.append(f"PITBOSS_LOG_LEVEL={level} is wrong; use debug, info, warning or error.")
    listed = os.environ.get("PITBOSS_ENVIRONMENTS", "")
    names = [name.strip() for name in listed.split(",") if name.strip()]
    bad = [name for name in names if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,15}", name)]
    if bad or not names or len({name.upper() for name in names}) < len(names):
        sentences.append(
            f"PITBOSS_ENVIRONMENTS={listed} is wrong; list each environment once, letters and "
            "digits, separated by commas."
        )
    rate = os.environ.get("PITBOSS_EDGE_RATE", "500")
    if not re.fullmatch(r"[1-9][0-9]{0,5}", rate):
        sentences.append(f"PITBOSS_EDGE_RATE={rate} is wrong; set it to requests per second.")
    if bool(os.environ.get("PITBOSS_TLS_CERT")) != bool(os.environ.get("PITBOSS_TLS_KEY")):
        sentences.append("PITBOSS_TLS_CERT and PITBOSS_TLS_KEY go together; set both or none.")
    sentences += [
        f"{name}={text} is wrong; set it to a number {_describe(low, high)}."
        for name, (low, high) in NUMBERS.items()
        if (text := os.environ.get(name, "")) and not _is_within(text, low, high)
    ]
    return sentences


def _describe(low: int, high: int | None) -> str:
    return f"from {low} on" if high is None else f"from {low} to {high}"


def _is_within(text: str, low: int, high: int | None) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return low <= number <= (float("inf") if high is None else high)


def check_gateway() -> None:
    """Exit with 2, and a sentence for each, where the gateway would refuse a setting."""
    before = dict(os.environ)
    os.environ.update({name: made for name, made in MADE.items() if not before.get(name)})
    settings.load(Settings)
    os.environ.update({name: before.get(name, "") for name in MADE})


def settle(name: str, path: Path) -> str:
    """Give the value of a secret: as set, as kept, or made now."""
    given = os.environ.get(name, "")
    if given:
        return given
    return path.read_text() if path.exists() else secrets.token_urlsafe(24)


def write(path: Path, value: str) -> None:
    """Write it for whoever has the volume; nobody else can come near it."""
    if path.exists() and path.read_text() == value:
        return
    draft = path.with_name(f".{path.name}")
    draft.write_text(value)
    draft.chmod(0o444)
    draft.replace(path)


def main() -> int:
    if sentences := check():
        sys.stderr.write("\n".join(sentences) + "\n")
        return 2
    check_gateway()
    owner, gateway = ROOT / "owner", ROOT / "gateway"
    for role, name in ROLES.items():
        part = role.removeprefix("pitboss_").replace("_", "-")
        password = settle(name, owner / f"{role}_password")
        write(owner / f"{role}_password", password)
        url = f"postgresql://{role}:{quote(password, safe='')}@postgres:5432/pitboss"
        write(ROOT / part / "database_url", url)
    write(owner / "superuser_password", settle("", owner / "superuser_password"))
    admin = settle("PITBOSS_ADMIN_KEY", gateway / "admin_key")
    for part in ("gateway", "metrics-service", "log-service"):
        write(ROOT / part / "admin_key", admin)
    inner = settle("PITBOSS_INNER_KEY", gateway / "inner_key")
    for part in ("gateway", "table-service"):
        write(ROOT / part / "inner_key", inner)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
