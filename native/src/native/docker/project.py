"""The project of this checkout: its name, its files, its variables, and the pools added to it."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values

from native import settings
from native.docker.containers import POOL
from native.docker.engine import Compose
from native.places import ROOT, Places
from native.settings import Settings

FILE: Final = ROOT / "docker-compose.yml"
WRITTEN: Final = ("CIT", "UAT", "QAT", "STG", "PRD")
"""The environments whose pools docker-compose.yml has itself."""

_MARK: Final = (
    "# Made by ./manage.sh: pools beside those of docker-compose.yml, and replica counts."
)


def _read(name: str) -> str:
    return os.environ.get(name) or dotenv_values(ROOT / ".env", interpolate=False).get(name) or ""


def name() -> str:
    """Name the project as Compose does: as set, else by the checkout's folder."""
    given = _read("COMPOSE_PROJECT_NAME") or ROOT.name
    return re.sub(r"[^a-z0-9_-]", "", given.lower()).lstrip("_-") or "pitboss"


def _override(where: Places) -> Path:
    """Plain `docker compose` reads it too, unless the state or that file is somebody's own."""
    shared = ROOT / "docker-compose.override.yml"
    is_ours = not shared.exists() or shared.read_text().startswith(_MARK)
    if where.state == ROOT / ".native" and is_ours:
        return shared
    return where.state / "docker-compose.override.yml"


def _files(where: Places) -> tuple[Path, ...]:
    given = _read("COMPOSE_FILE")
    files = [ROOT / file for file in given.split(os.pathsep)] if given else [FILE]
    if not given and (ROOT / "docker-compose.override.yml").exists():
        files.append(ROOT / "docker-compose.override.yml")
    override = _override(where)
    if override.exists() and override not in files:
        files.append(override)
    return tuple(files)


def told(wanted: Settings, environments: Sequence[str]) -> dict[str, str]:
    """Give the variables of docker-compose.yml as they were checked."""
    secrets = {"PITBOSS_ADMIN_KEY": wanted.admin_key, "PITBOSS_INNER_KEY": wanted.inner_key}
    passwords = {variable: wanted.passwords[role] for role, variable in settings.PASSWORDS.items()}
    return {
        "PITBOSS_PORT": str(wanted.port),
        "PITBOSS_ENVIRONMENTS": ",".join(environments),
        "PITBOSS_EDGE_RATE": str(wanted.edge.rate),
        "PITBOSS_LOG_LEVEL": wanted.log_level,
        "PITBOSS_GATEWAYS": str(wanted.gateways),
        "PITBOSS_REPLICAS": str(wanted.replicas),
        **{f"PITBOSS_{part.upper()}_PORT": str(port) for part, port in wanted.fixed_ports.items()},
        **wanted.told,
        **_lend_certificate(wanted),
        **{variable: text for variable, text in (secrets | passwords).items() if text},
    }


def _lend_certificate(wanted: Settings) -> dict[str, str]:
    """Copy the edge's certificate to where nginx' user in the container can read it."""
    if wanted.edge.certificate is None or wanted.edge.key is None:
        return {}
    folder = wanted.state / "edge-certificate"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # the files are open to all, the folder to nobody else
    lent = {"PITBOSS_TLS_CERT": wanted.edge.certificate, "PITBOSS_TLS_KEY": wanted.edge.key}
    for name, source in lent.items():
        copy = folder / name.lower()
        copy.touch(mode=0o600)
        copy.write_bytes(source.read_bytes())
        copy.chmod(0o444)
    return {name: str(folder / name.lower()) for name in lent}


def load(where: Places, variables: Mapping[str, str] | None = None) -> Compose:
    return Compose(name(), _files(where), variables or {})


def pools(environments: Sequence[str]) -> list[str]:
    return [f"{POOL}{environment.lower()}" for environment in environments]


def write_override(where: Places, environments: Sequence[str], counts: Mapping[str, int]) -> None:
    """Write the pools that docker-compose.yml lacks, and how many replicas each service has."""
    services: dict[str, Any] = {}
    for environment in environments:
        if environment not in WRITTEN:
            services[f"{POOL}{environment.lower()}"] = {
                "extends": {"file": str(FILE), "service": "table-service-cit"},
                "environment": {"PITBOSS_ENVIRONMENT": environment},
            }
    for service, count in counts.items():
        services.setdefault(service, {})["deploy"] = {"replicas": count}
    path = _override(where)
    if not services:
        path.unlink(missing_ok=True)
        return
    where.make()
    path.write_text(f"{_MARK}\n{json.dumps({'services': services}, indent=2)}\n")
