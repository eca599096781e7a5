"""The fleet in one table: which services there are, how each is started, what each is told."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from native import ports, postgres
from native.places import ROOT
from native.programs import Program
from native.settings import Settings

MIGRATIONS: Final = (sys.executable, "-m", "fleetkit.migrations")
SIMULATOR: Final = "simulator"
GATEWAY: Final = "gateway"
TABLE_SERVICE: Final = "table-service"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the parts are that services need."""

    postgres: postgres.Server
    redis_port: int
    inner_port: int


@dataclass(frozen=True, slots=True)
class Service:
    """A pool of equal replicas behind nginx."""

    name: str
    module: str
    role: str
    secrets: tuple[str, ...]
    environment: str | None = None


def list_services(environments: Sequence[str]) -> list[Service]:
    """Give the services of a fleet with these environments, in the order they are shown."""
    pools = [
        Service(
            name=f"{TABLE_SERVICE}-{environment.lower()}",
            module="table_service",
            role="pitboss_table_service",
            secrets=("PITBOSS_INNER_KEY",),
            environment=environment,
        )
        for environment in environments
    ]
    gateway = Service(
        name=GATEWAY,
        module="gateway",
        role="pitboss_gateway",
        secrets=("PITBOSS_INNER_KEY", "PITBOSS_ADMIN_KEY"),
    )
    return [gateway, *pools]


def write_program(
    service: Service, instance: str, port: int, settings: Settings, endpoints: Endpoints
) -> Program:
    secrets = {"PITBOSS_INNER_KEY": settings.inner_key, "PITBOSS_ADMIN_KEY": settings.admin_key}
    told = {
        "PITBOSS_BIND": f"{ports.LOOPBACK}:{port}",
        "PITBOSS_INSTANCE": instance,
        "PITBOSS_LOG_LEVEL": settings.log_level,
        "PITBOSS_DATABASE_URL": endpoints.postgres.url(
            service.role, settings.passwords[service.role]
        ),
        "PITBOSS_REDIS_URL": f"redis://{ports.LOOPBACK}:{endpoints.redis_port}/0",
        **{name: secrets[name] for name in service.secrets},
    }
    if service.environment is not None:
        told["PITBOSS_ENVIRONMENT"] = service.environment
    else:
        told["PITBOSS_ENVIRONMENTS"] = ",".join(settings.environments)
        told["PITBOSS_INNER_URL"] = f"http://{ports.LOOPBACK}:{endpoints.inner_port}"
    return Program((sys.executable, "-m", service.module), told, working_folder=ROOT)


def write_simulator(port: int) -> Program:
    bind = f"{ports.LOOPBACK}:{port}"
    return Program((sys.executable, "-m", SIMULATOR, "--bind", bind), working_folder=ROOT)


def write_migrations(settings: Settings, server: postgres.Server) -> Program:
    url = server.url(postgres.OWNER, settings.passwords[postgres.OWNER])
    return Program(MIGRATIONS, {"PITBOSS_DATABASE_URL": url}, working_folder=ROOT)


def starting_count(service: Service, settings: Settings, asked: Mapping[str, int]) -> int:
    """Give how many replicas to start: as last scaled, else as set."""
    set_count = settings.gateways if service.name == GATEWAY else settings.replicas
    return asked.get(service.name, set_count)
