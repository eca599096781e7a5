"""The project's containers as they are at this moment, in the words that status uses."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from native.docker import engine

GATEWAY: Final = "gateway"
POOL: Final = "table-service-"
OTHERS: Final = ("metrics-service", "log-service", "log-worker")
"""The services beside those on the path of a command, in the order they are shown."""

JOBS: Final = frozenset({"secrets", "migrate"})
_BEHIND_NGINX: Final = frozenset({GATEWAY, "metrics-service", "log-service"})
_ORDER: Final = ("nginx", GATEWAY)
_LAST: Final = (*OTHERS, "simulator", "rabbitmq", "redis", "postgres")
_STATES: Final = {
    "created": "starting",
    "restarting": "restarting",
    "removing": "draining",
    "paused": "unready",
    "exited": "failed",
    "dead": "failed",
}
_HEALTH: Final = {"healthy": "ready", "starting": "starting", "unhealthy": "unready"}


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a service."""

    id: str
    service: str
    number: int
    state: str
    image: str
    pid: int | None
    address: str
    port: int
    uptime_s: float
    restarts: int
    exit_code: int

    @property
    def instance(self) -> str:
        return f"{self.service}-{self.number}" if self.is_replica else self.service

    @property
    def is_replica(self) -> bool:
        return self.service in {GATEWAY, *OTHERS} or self.service.startswith(POOL)

    @property
    def behind_nginx(self) -> bool:
        return self.service in _BEHIND_NGINX or self.service.startswith(POOL)

    @property
    def environment(self) -> str | None:
        is_pool = self.service.startswith(POOL)
        return self.service.removeprefix(POOL).upper() if is_pool else None

    def show(self) -> dict[str, Any]:
        return {
            "service": self.service,
            "instance": self.instance,
            "environment": self.environment,
            "pid": self.pid,
            "container": self.id[:12],
            "port": self.port,
            "state": self.state,
            "uptime_s": round(self.uptime_s, 1),
            "restarts": self.restarts,
        }


def _read_port(described: Mapping[str, Any]) -> int:
    """Give the port on this machine, or 0 where it has none."""
    bindings = described["NetworkSettings"].get("Ports") or {}
    for bound in bindings.values():
        for each in bound or ():
            return int(each["HostPort"])
    return 0


def _read_uptime(started: str) -> float:
    try:
        moment = datetime.fromisoformat(started[:19] + "+00:00")
    except ValueError:
        return 0.0
    return max(0.0, time.time() - moment.timestamp())


def _read(described: Mapping[str, Any]) -> Container:
    labels, state = described["Config"]["Labels"], described["State"]
    status = str(state["Status"])
    running = status == "running"
    health = (state.get("Health") or {}).get("Status", "healthy")
    networks = described["NetworkSettings"]["Networks"].values()
    return Container(
        id=described["Id"],
        service=labels["com.docker.compose.service"],
        number=int(labels.get("com.docker.compose.container-number", 1)),
        state=_HEALTH.get(health, "ready") if running else _STATES.get(status, "failed"),
        image=described["Image"],
        pid=int(state["Pid"]) or None,
        address=next((each["IPAddress"] for each in networks if each["IPAddress"]), ""),
        port=_read_port(described),
        uptime_s=_read_uptime(state["StartedAt"]) if running else 0.0,
        restarts=int(described["RestartCount"]),
        exit_code=int(state["ExitCode"]),
    )


def _place(container: Container) -> tuple[int, str, int]:
    if container.service in _ORDER:
        return _ORDER.index(container.service), "", container.number
    if container.service in _LAST:
        return 10 + _LAST.index(container.service), "", container.number
    return 5, container.service, container.number


def find_all(project: str) -> list[Container]:
    """List what the project has, jobs too, in the order that status shows."""
    described = engine.inspect(engine.list_ids(project))
    lasting = (
        each
        for each in described
        if each["Config"]["Labels"].get("com.docker.compose.oneoff") != "True"
    )
    return sorted(map(_read, lasting), key=_place)


def find(project: str) -> list[Container]:
    """List what serves; jobs are left out."""
    return [container for container in find_all(project) if container.service not in JOBS]
