"""The fleet in one table: which services there are, how each is started, what each is told."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from native import ports, postgres
from native.places import ROOT, Places
from native.programs import Program
from native.settings import MPS, Settings

MIGRATIONS: Final = (sys.executable, "-m", "fleetkit.migrations")
SIMULATOR: Final = "simulator"
GATEWAY: Final = "gateway"
TABLE_SERVICE: Final = "table-service"
LOG_SERVICE: Final = "log-service"
LOG_WORKER: Final = "log-worker"
METRICS_SERVICE: Final = "metrics-service"


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
    settings: tuple[str, ...] = ()  # passed on as they were given
    behind_nginx: bool = True


def name_pool(environment: str) -> str:
    return f"{TABLE_SERVICE}-{environment.lower()}"


def list_services(environments: Sequence[str]) -> list[Service]:
    """Give the services of a fleet with these environments, in the order they are shown."""
    pools = [
        Service(
            name=name_pool(environment),
            module="table_service",
            role="pitboss_table_service",
            secrets=("PITBOSS_INNER_KEY",),
            environment=environment,
            settings=("PITBOSS_BUS_URL", "PITBOSS_CA_FILE"),
        )
        for environment in environments
    ]
    gateway = Service(
        name=GATEWAY,
        module="gateway",
        role="pitboss_gateway",
        secrets=("PITBOSS_INNER_KEY", "PITBOSS_ADMIN_KEY"),
        settings=(
            "PITBOSS_ADMIN_RATE_PER_SECOND",
            "PITBOSS_BATCH_MAX_CONCURRENT",
            "PITBOSS_BATCH_MIN_CONCURRENT",
            "PITBOSS_BUS_URL",
            "PITBOSS_CORS_ORIGINS",
            "PITBOSS_RATE_BURST",
            "PITBOSS_RATE_PER_SECOND",
        ),
    )
    logs = Service(
        name=LOG_SERVICE,
        module="log_service",
        role="pitboss_log_service",
        secrets=("PITBOSS_ADMIN_KEY",),
        settings=(
            "PITBOSS_ADMIN_RATE_PER_SECOND",
            "PITBOSS_LOG_RETENTION_DAYS",
            "PITBOSS_LOG_STREAM_BYTES",
            "PITBOSS_LOG_STREAM_LENGTH",
            "PITBOSS_RATE_BURST",
            "PITBOSS_RATE_PER_SECOND",
        ),
    )
    worker = Service(
        name=LOG_WORKER,
        module="log_service.worker",
        role="pitboss_log_service",
        secrets=(),
        settings=("PITBOSS_LOG_RETENTION_DAYS",),
        behind_nginx=False,
    )
    metrics = Service(
        name=METRICS_SERVICE,
        module="metrics_service",
        role="pitboss_metrics_service",
        secrets=("PITBOSS_ADMIN_KEY",),
        settings=(
            "PITBOSS_ADMIN_RATE_PER_SECOND",
            "PITBOSS_BUS_URL",
            "PITBOSS_RATE_BURST",
            "PITBOSS_RATE_PER_SECOND",
            *MPS,
        ),
    )
    return [gateway, *pools, metrics, logs, worker]


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
        "PITBOSS_LOG_SHIP": settings.told.get("PITBOSS_LOG_SHIP", "on"),
        **{name: secrets[name] for name in service.secrets},
        **{name: text for name, text in settings.told.items() if name in service.settings},
    }
    if service.environment is not None:
        told["PITBOSS_ENVIRONMENT"] = service.environment
    elif service.name == GATEWAY:
        told["PITBOSS_ENVIRONMENTS"] = ",".join(settings.environments)
        told["PITBOSS_INNER_URL"] = f"http://{ports.LOOPBACK}:{endpoints.inner_port}"
    if service.name == METRICS_SERVICE:
        told.setdefault("MPS_SPOOL_DIR", str(settings.state / "metrics-spool"))
    if instance == f"{LOG_WORKER}-1" and told["PITBOSS_LOG_SHIP"] == "on":
        told["PITBOSS_LOG_FOLLOW"] = str(Places(settings.state).logs / "nginx-access.log")
    command = (sys.executable, "-m", service.module)
    return Program(command, told, working_folder=ROOT, module=service.module)


def write_simulator(port: int) -> Program:
    bind = f"{ports.LOOPBACK}:{port}"
    return Program((sys.executable, "-m", SIMULATOR, "--bind", bind), working_folder=ROOT)


def write_migrations(settings: Settings, server: postgres.Server) -> Program:
    url = server.url(postgres.OWNER, settings.passwords[postgres.OWNER])
    return Program(MIGRATIONS, {"PITBOSS_DATABASE_URL": url}, working_folder=ROOT)


def starting_count(service: Service, settings: Settings, asked: Mapping[str, int]) -> int:
    """Give how many replicas to start: as last scaled, else as set."""
    set_count = settings.gateways if service.name == GATEWAY else 1
    if service.environment is not None:
        set_count = settings.replicas
    return asked.get(service.name, set_count)
