"""What images are built from, and what the compose file tells them, goes with the code."""

import re
import runpy
import tomllib
from pathlib import Path
from typing import cast

import yaml
from pydantic_settings import BaseSettings

from fleetkit import settings
from log_service.settings import Settings as LogSettings
from metrics_service.settings import Tuning
from native import fleet
from native.docker import containers, project
from native.settings import PASSWORDS

SERVICES = ("gateway", "log-service", "metrics-service", "simulator", "table-service")


def _compose(root: Path) -> dict[str, dict[str, dict[str, object]]]:
    read: dict[str, dict[str, dict[str, object]]] = yaml.safe_load(
        (root / "docker-compose.yml").read_text()
    )
    return read


def test_all_services_are_built_on_the_same_first_stages(root: Path) -> None:
    heads = {
        (root / name / "Dockerfile").read_text().split("AS service")[0].split("\n", 1)[1]
        for name in SERVICES
    }
    assert len(heads) == 1


def test_what_a_service_needs_is_copied_and_pinned(root: Path) -> None:
    head = (root / "gateway" / "Dockerfile").read_text()
    ignored = (root / ".dockerignore").read_text()
    for name in (*SERVICES, "fleetkit", "ledger"):
        assert f"COPY {name}/pyproject.toml {name}/\n" in head
        assert re.search(rf"pins\.py .*\b{name}\b.* >pins\.txt", head)
        assert f"!{name}/src\n" in ignored
    for name in SERVICES:
        found = tomllib.loads((root / name / "pyproject.toml").read_text())["project"]
        ours = [each for each in found["dependencies"] if each.startswith("pitboss-")]
        text = (root / name / "Dockerfile").read_text()
        for each in (name, *(each.removeprefix("pitboss-") for each in ours)):
            assert f"COPY {each} {each}\n" in text


def test_nginx_is_told_all_that_its_templates_ask_for(root: Path) -> None:
    asked = {
        name
        for path in (*root.glob("nginx/*.template"), *root.glob("nginx/snippets/*"))
        for name in re.findall(r"\$\{([A-Z_]+)\}", path.read_text())
    }
    start = (root / "nginx/container/nginx-start").read_text()
    told = re.search(r"envsubst '([^']*)'", start)
    assert told
    assert asked <= set(re.findall(r"\$(\w+)", told[1]))


def test_the_compose_file_has_the_fleet_and_no_unknown_setting(root: Path) -> None:
    services = _compose(root)["services"]
    known = {service.name for service in fleet.list_services(project.WRITTEN)}
    assert known <= set(services)
    assert set(containers.OTHERS) <= known
    assert set(services) >= containers.JOBS
    text = (root / "docker-compose.yml").read_text()
    named = {name.removesuffix("_FILE") for name in re.findall(r"\bPITBOSS_\w+", text)}
    assert named <= {*settings.KNOWN, "PITBOSS_CA"}


def test_the_first_job_of_a_compose_fleet_checks_what_all_the_others_are_told(root: Path) -> None:
    services = _compose(root)["services"]
    told = {
        name
        for service in fleet.list_services(project.WRITTEN)
        for name, value in cast("dict[str, str]", services[service.name]["environment"]).items()
        if "${" in value
    }
    checked = set(cast("dict[str, str]", services["secrets"]["environment"]))
    # A file's place and an address that only an alert is sent to break nothing at the start.
    assert told - checked == {"PITBOSS_CA_FILE", "MPS_WEBHOOK_URL"}
    script = runpy.run_path(str(root / "compose/container/make_secrets.py"))
    classes: tuple[tuple[type[BaseSettings], str], ...] = (
        (Tuning, "MPS_"),
        (LogSettings, "PITBOSS_"),
    )
    for cls, prefix in classes:
        for name, (low, high) in script["NUMBERS"].items():
            field = cls.model_fields.get(name.removeprefix(prefix).lower())
            if not name.startswith(prefix) or field is None:
                continue
            limits = {
                kind: value
                for limit in field.metadata
                for kind in ("ge", "gt", "le")
                if (value := getattr(limit, kind, None)) is not None
            }
            assert (limits.get("ge", limits.get("gt")), limits.get("le")) == (low, high), name


def test_each_part_of_a_compose_fleet_gets_its_own_secrets(root: Path) -> None:
    services = _compose(root)["services"]
    for service in fleet.list_services(project.WRITTEN):
        part = service.role.removeprefix("pitboss_").replace("_", "-")
        mounted = str(services[service.name]["volumes"])
        assert re.findall(r"[\w-]+:/run/secrets:ro", mounted) == [f"secrets-{part}:/run/secrets:ro"]
    script = (root / "compose/container/make_secrets.py").read_text()
    for role, name in PASSWORDS.items():
        assert f'"{role}": "{name}"' in script
