"""What the operator sets: from the environment first, then .env, with secrets made on first use."""

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from native.edge import PLAIN, RATE, Edge
from native.places import ROOT
from native.ports import LOOPBACK
from native.refusals import BadUse

PASSWORDS: Final = {
    "pitboss_owner": "PITBOSS_OWNER_PASSWORD",
    "pitboss_gateway": "PITBOSS_GATEWAY_PASSWORD",
    "pitboss_metrics_service": "PITBOSS_METRICS_SERVICE_PASSWORD",
    "pitboss_log_service": "PITBOSS_LOG_SERVICE_PASSWORD",
    "pitboss_table_service": "PITBOSS_TABLE_SERVICE_PASSWORD",
}
"""The setting that holds each role's password."""

_SECRETS: Final = ("PITBOSS_ADMIN_KEY", "PITBOSS_INNER_KEY", *PASSWORDS.values())
_OWN: Final = frozenset({"PITBOSS_PYTHON", *_SECRETS})
_PASSED_ON: Final = (
    "PITBOSS_ADMIN_RATE_PER_SECOND",
    "PITBOSS_BATCH_MAX_CONCURRENT",
    "PITBOSS_BATCH_MIN_CONCURRENT",
    "PITBOSS_BUS_URL",
    "PITBOSS_CA_FILE",
    "PITBOSS_CORS_ORIGINS",
    "PITBOSS_LOG_RETENTION_DAYS",
    "PITBOSS_LOG_SHIP",
    "PITBOSS_LOG_STREAM_BYTES",
    "PITBOSS_LOG_STREAM_LENGTH",
    "PITBOSS_RATE_BURST",
    "PITBOSS_RATE_PER_SECOND",
)
MPS: Final = (
    "MPS_AGG_INTERVAL",
    "MPS_ALERT_CLEAR",
    "MPS_ALERT_FOR",
    "MPS_ANOMALY",
    "MPS_ERROR_THRESHOLD",
    "MPS_MIN_SAMPLE",
    "MPS_P95_THRESHOLD",
    "MPS_SPOOL_DIR",
    "MPS_WEBHOOK_URL",
    "MPS_WINDOW_SIZE",
)
"""The metrics-service's own, passed on as given."""

_OURS: Final = ("PITBOSS_", "MPS_")
_LAST_PORT: Final = 65535
_HEADER: Final = """\
# Settings and secrets of this checkout's fleet; the environment goes before this file.
# .env.example says what else may stand here. Never commit this file.
"""
MAX_REPLICAS: Final = 50


@dataclass(frozen=True, slots=True)
class Settings:
    """The operator's wishes, checked."""

    state: Path
    port: int
    inner_port: int
    fixed_ports: Mapping[str, int]  # only those that were set
    via: Mapping[str, int]  # where services reach it, if not at its own port
    environments: tuple[str, ...]
    gateways: int
    replicas: int
    log_level: str
    admin_key: str
    inner_key: str
    passwords: Mapping[str, str]
    edge: Edge = PLAIN
    told: Mapping[str, str] = field(default_factory=dict)  # passed on as given


def state_folder(root: Path = ROOT) -> Path:
    """Where the state is; all that a verb needs which only talks to a running fleet."""
    given = _read(root).get("PITBOSS_STATE_DIR") or ".native"
    return (root / Path(given).expanduser()).absolute()


def _read(root: Path) -> dict[str, str]:
    written = dotenv_values(root / ".env", interpolate=False)
    known = {name: text for name, text in written.items() if name.startswith(_OURS) and text}
    given = {name: text for name, text in os.environ.items() if name.startswith(_OURS)}
    return known | {name: text for name, text in given.items() if text}


def read_mode(root: Path = ROOT) -> str | None:
    """Give the mode that was set for good, if one was."""
    given = _read(root).get("PITBOSS_MODE")
    if given not in {None, "native", "docker"}:
        raise BadUse(f"PITBOSS_MODE={given} is wrong; set it to native or docker, or leave it out.")
    return given


def missing_secrets(root: Path = ROOT) -> list[str]:
    values = _read(root)
    return [name for name in _SECRETS if name not in values]


def ensure_secrets(root: Path = ROOT) -> list[str]:
    """Write the secrets that are set nowhere into .env; give their names."""
    missing = missing_secrets(root)
    write_secrets({name: secrets.token_urlsafe(24) for name in missing}, root)
    return missing


def write_secrets(made: Mapping[str, str], root: Path = ROOT) -> None:
    """Add these to .env, but for those that are set already."""
    missing = [name for name in missing_secrets(root) if name in made]
    if not missing:
        return
    path = root / ".env"
    text = path.read_text() if path.exists() else _HEADER
    if not text.endswith("\n"):
        text += "\n"
    text += "".join(f"{name}={made[name]}\n" for name in missing)
    draft = path.with_name(f".env.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def _number(values: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = values.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,6}", text) or not low <= int(text) <= high:
        raise BadUse(f"{name}={text} is wrong; set it to a number from {low} to {high}.")
    return int(text)


def _environments(values: Mapping[str, str]) -> tuple[str, ...]:
    text = values.get("PITBOSS_ENVIRONMENTS", "CIT,UAT,QAT,STG,PRD")
    names = tuple(name.strip().upper() for name in text.split(",") if name.strip())
    bad = [name for name in names if not re.fullmatch(r"[A-Z][A-Z0-9]{0,15}", name)]
    if bad or not names or len(set(names)) < len(names):
        raise BadUse(
            f"PITBOSS_ENVIRONMENTS={text} is wrong; "
            "list each environment once, letters and digits, separated by commas."
        )
    return names


def _edge(values: Mapping[str, str], root: Path) -> Edge:
    bind = values.get("PITBOSS_EDGE_BIND", LOOPBACK)
    try:
        ip_address(bind)
    except ValueError as error:
        raise BadUse(
            f"PITBOSS_EDGE_BIND={bind} is wrong; set it to an address of this machine, "
            "such as 127.0.0.1, 0.0.0.0 or ::."
        ) from error
    files: list[Path | None] = []
    for name in ("PITBOSS_TLS_CERT", "PITBOSS_TLS_KEY"):
        given = values.get(name)
        path = (root / Path(given).expanduser()).absolute() if given else None
        if path is not None and not path.is_file():
            raise BadUse(f"{name}={given} is no file; make one with: ./manage.sh tls")
        files.append(path)
    certificate, key = files
    if (certificate is None) != (key is None):
        raise BadUse("PITBOSS_TLS_CERT and PITBOSS_TLS_KEY go together; set both or none.")
    return Edge(bind, certificate, key, _number(values, "PITBOSS_EDGE_RATE", RATE, 1, 100_000))


def load(root: Path = ROOT) -> Settings:
    """Read and check all settings; refuse with a sentence on the first that is wrong."""
    from fleetkit.settings import misspelt  # noqa: PLC0415  # pydantic would slow down each verb

    values = _read(root)
    unknown = misspelt(name for name in values if name not in _OWN)
    if unknown:
        raise BadUse(" ".join(unknown))
    port = _number(values, "PITBOSS_PORT", 8080, 1, _LAST_PORT - 1)
    inner = _number(values, "PITBOSS_INNER_PORT", port + 1, 1, _LAST_PORT)
    if port == inner:
        raise BadUse(f"PITBOSS_INNER_PORT is {inner}, as PITBOSS_PORT; set it to another port.")
    names = {part: f"PITBOSS_{part.upper()}_PORT" for part in ("postgres", "redis", "simulator")}
    level = values.get("PITBOSS_LOG_LEVEL", "info")
    if level not in {"debug", "info", "warning", "error"}:
        raise BadUse(f"PITBOSS_LOG_LEVEL={level} is wrong; use debug, info, warning or error.")
    return Settings(
        state=state_folder(root),
        port=port,
        inner_port=inner,
        fixed_ports={
            part: _number(values, name, 0, 1, _LAST_PORT)
            for part, name in names.items()
            if name in values
        },
        via={
            part: _number(values, f"PITBOSS_{part.upper()}_VIA", 0, 1, _LAST_PORT)
            for part in ("postgres", "redis")
            if f"PITBOSS_{part.upper()}_VIA" in values
        },
        environments=_environments(values),
        gateways=_number(values, "PITBOSS_GATEWAYS", 1, 1, MAX_REPLICAS),
        replicas=_number(values, "PITBOSS_REPLICAS", 1, 1, MAX_REPLICAS),
        log_level=level,
        admin_key=values.get("PITBOSS_ADMIN_KEY", ""),
        inner_key=values.get("PITBOSS_INNER_KEY", ""),
        passwords={role: values.get(name, "") for role, name in PASSWORDS.items()},
        edge=_edge(values, root),
        told={name: values[name] for name in (*_PASSED_ON, *MPS) if name in values},
    )
