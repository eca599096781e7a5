"""The verbs in Docker mode, with the names and answers they have natively."""

import os
import time
from typing import Any, Final
from urllib.parse import quote, urlsplit

from native import environments, lifecycle, ports, postgres, settings
from native.control import Say
from native.docker import containers, engine, pools, project, traffic
from native.docker.checkout import Checkout
from native.docker.containers import GATEWAY, OTHERS, Container
from native.docker.engine import Compose
from native.fleet import name_pool
from native.lifecycle import Fleet
from native.refusals import Missing, NotRunning, Refusal

_NOT_RUNNING: Final = "The fleet is not running; start it with: ./manage.sh up"
_READY_SECONDS: Final = 180.0
_POLL_SECONDS: Final = 0.5
_BUILD_SECONDS: Final = 1800.0
_RABBITMQ: Final = "rabbitmq"
"""The bus of that profile in docker-compose.yml, started where the bus is said to be there."""

_SECRETS: Final = {
    "PITBOSS_ADMIN_KEY": (GATEWAY, "admin_key"),
    "PITBOSS_INNER_KEY": (GATEWAY, "inner_key"),
    **{variable: ("postgres", f"{role}_password") for role, variable in settings.PASSWORDS.items()},
}


def _running(name: str) -> list[Container]:
    found = containers.find(name)
    if not any(container.pid for container in found):
        raise NotRunning(_NOT_RUNNING)
    return found


def is_running() -> bool:
    """Tell whether this checkout's project has containers that run."""
    try:
        return any(container.pid for container in containers.find(project.name()))
    except (Missing, Refusal):
        return False


def _adopt_secrets(say: Say) -> None:
    """Take over into .env what a fleet started by plain `docker compose up` made for itself."""
    if not settings.missing_secrets():
        return
    compose = project.load(lifecycle.places())
    if any(each.service == GATEWAY and each.pid for each in containers.find(compose.project)):
        found = {
            variable: compose.execute(service, "cat", f"/run/secrets/{file}").strip()
            for variable, (service, file) in _SECRETS.items()
        }
        settings.write_secrets(found)
        say("secrets taken over into .env from the running fleet")
    elif made := settings.ensure_secrets():
        say(f"secrets made in .env: {', '.join(made)}")


def build(compose: Compose, say: Say) -> None:
    """Build what changed; first the image whose layers the others share."""
    say("building the images; the first time takes minutes")
    compose.run("build", "--quiet", GATEWAY, seconds=_BUILD_SECONDS, profiles=("simulator",))
    rest = ("table-service-cit", "metrics-service", "log-service", "simulator", "postgres", "nginx")
    compose.run("build", "--quiet", *rest, seconds=_BUILD_SECONDS, profiles=("simulator",))


def up(say: Say, *, simulator: bool = False) -> str:
    """Build and start what is not there yet; end when all is ready."""
    if not engine.answers():
        raise Missing("No Docker engine answers; start Docker, or use: ./manage.sh up --native")
    _adopt_secrets(say)
    fleet = Checkout.load()
    fresh = not is_running()
    if fresh:
        ports.demand(fleet.wanted.port, "PITBOSS_PORT")
    began = time.monotonic()
    fleet.save()
    compose = fleet.compose
    if fresh:
        build(compose, say)
    services = ["nginx", GATEWAY, *project.pools(fleet.environments), *OTHERS, "redis"]
    if simulator or "simulator" in {each.service for each in containers.find(compose.project)}:
        services.append("simulator")
    if urlsplit(fleet.wanted.told.get("PITBOSS_BUS_URL", "")).hostname == _RABBITMQ:
        services.append(_RABBITMQ)
    profiles = tuple(name for name in ("simulator", _RABBITMQ) if name in services)
    _start(compose, ("postgres",), profiles)
    _wait_ready(compose, ["postgres"], say)
    compose.execute("postgres", "pitboss-provide")
    _start(compose, services, profiles)
    _wait_ready(compose, services, say)
    at = fleet.wanted.edge.url(fleet.wanted.port)
    if not fresh:
        return f"The fleet runs already at {at}."
    return f"The fleet is ready at {at} after {time.monotonic() - began:.1f} s."


def _start(
    compose: Compose, services: list[str] | tuple[str, ...], profiles: tuple[str, ...]
) -> None:
    try:
        compose.run("up", "--detach", "--no-build", *services, profiles=profiles)
    except Refusal as refusal:
        jobs = {each.service: each for each in containers.find_all(compose.project)}
        for name in ("secrets", "migrate"):
            job = jobs.get(name)
            if job is not None and job.exit_code != 0:
                said = compose.run("logs", "--no-log-prefix", "--no-color", name)
                raise Refusal(f"{name}: {engine.last_line(said)}") from refusal
        ill = [each for each in jobs.values() if each.state in {"unready", "failed"}]
        ill = [each for each in ill if each.service not in containers.JOBS]
        words = "; ".join(f"{each.instance}: {engine.last_words(each.id)}" for each in ill)
        raise Refusal(f"{refusal} ({words})" if words else str(refusal)) from refusal


def _wait_ready(compose: Compose, services: list[str], say: Say) -> None:
    told: set[str] = set()
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        found = [each for each in containers.find(compose.project) if each.service in services]
        for each in found:
            if each.state == "ready" and each.id not in told:
                told.add(each.id)
                say(f"{each.instance} ready after {each.uptime_s:.0f} s")
        late = [each for each in found if each.state != "ready"]
        if found and not late:
            break
        if time.monotonic() > deadline:
            names = ", ".join(each.instance for each in late) or "nothing"
            raise Refusal(f"{names} did not get ready; see: ./manage.sh logs")
        time.sleep(_POLL_SECONDS)
    addresses = [each.address for each in found if each.behind_nginx]
    if missing := traffic.wait_serving(compose, addresses, _READY_SECONDS):
        raise Refusal(f"nginx does not send to {', '.join(missing)}; see: ./manage.sh logs nginx")


def down(say: Say) -> str:
    """Stop and remove all containers; volumes stay."""
    compose = Checkout.load().compose
    found = containers.find_all(compose.project)
    if not found:
        return "Nothing runs."
    compose.run("down", "--remove-orphans", profiles=("*",))
    for service in dict.fromkeys(each.service for each in found):
        say(f"{service} stopped")
    return "The fleet is down; its data stays in its volumes."


def read_status() -> Fleet:
    found = _running(project.name())
    edge = next((each for each in found if each.service == "nginx"), None)
    wanted = settings.load()
    port = edge.port if edge is not None else wanted.port
    url = wanted.edge.url(port)
    return Fleet([each.show() for each in found], port, supervised=True, url=url)


def scale(wishes: dict[str, str], say: Say) -> str:
    fleet = Checkout.load()
    compose = fleet.compose
    _running(compose.project)
    counts = pools.resolve(wishes, pools.list_known(compose))
    before = pools.scale(compose, counts, say)
    fleet.memory.counts.update(counts)
    fleet.save()
    return "\n".join(
        f"{name}: {before[name]} -> {count}" if before[name] != count else f"{name}: {count}"
        for name, count in counts.items()
    )


def upgrade(say: Say) -> str:
    """Build, migrate, and replace replicas one by one while the fleet serves."""
    compose = Checkout.load().compose
    _running(compose.project)
    build(compose, say)
    compose.run("run", "--rm", "--no-deps", "secrets")
    compose.execute("postgres", "pitboss-provide")
    compose.run("run", "--rm", "--no-deps", "migrate")
    say("migrations applied")
    renew(say)
    compose.run("up", "--detach", "--no-build", "--no-deps", "nginx")
    _wait_ready(compose, ["nginx"], say)
    return "The fleet runs what is in the checkout."


def renew(say: Say) -> None:
    """Replace the replicas one by one: the gateways last, what they ask for the pools know then."""
    compose = Checkout.load().compose
    known = pools.list_known(compose)
    pools.roll(compose, [name for name in known if name != GATEWAY], say)
    pools.roll(compose, [GATEWAY], say)


def add_environment(name: str, say: Say) -> dict[str, Any]:
    """Start a pool for the environment and let nginx know of it."""
    fleet = Checkout.load()
    known = pools.replicas(fleet.compose)
    _running(fleet.compose.project)
    service = name_pool(name)
    environments.remember(fleet.memory, name, there=True)
    fleet.save()
    traffic.tell_environments(fleet.compose, fleet.environments)
    if service not in known:
        count = fleet.memory.counts.get(service, fleet.wanted.replicas)
        pools.grow(fleet.compose, {service: count}, known, say)
    return {"new": service not in known, "replicas": len(pools.replicas(fleet.compose)[service])}


def remove_environment(name: str, say: Say) -> dict[str, Any]:
    """Take the environment's pool out of nginx, then stop it."""
    fleet = Checkout.load()
    _running(fleet.compose.project)
    service = name_pool(name)
    leaving = pools.replicas(fleet.compose).get(service, [])
    environments.remember(fleet.memory, name, there=False)
    fleet.memory.counts.pop(service, None)
    pools.part(fleet.compose, leaving, say)
    fleet.save()
    traffic.tell_environments(fleet.compose, fleet.environments)
    return {"was_there": bool(leaving)}


def has_simulator() -> bool:
    found = containers.find(project.name())
    return any(each.service == "simulator" and each.pid for each in found)


def simulator_url(port: int) -> str:
    """Give the address by which the replicas reach the simulator; the port is this machine's."""
    del port
    return "http://simulator:9000"


def _database(found: list[Container]) -> Container:
    server = next((each for each in found if each.service == "postgres" and each.pid), None)
    if server is None:
        raise NotRunning("Postgres is not running; start it with: ./manage.sh up")
    return server


def write_psql() -> tuple[str, dict[str, str]]:
    """Give the psql to run and its environment: the fleet's database, as its owner."""
    server = _database(_running(project.name()))
    environment = {
        **os.environ,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
        "PGUSER": postgres.OWNER,
        "PGDATABASE": postgres.DATABASE,
        "PGPASSWORD": settings.load().passwords[postgres.OWNER],
    }
    return str(postgres.find_psql()), environment


def write_database_url() -> dict[str, str]:
    """Give the environment of a program that reads the fleet's database, as its owner."""
    server = _database(_running(project.name()))
    password = quote(settings.load().passwords[postgres.OWNER], safe="")
    at = f"127.0.0.1:{server.port}/{postgres.DATABASE}"
    return {**os.environ, "PITBOSS_DATABASE_URL": f"postgresql://{postgres.OWNER}:{password}@{at}"}


def redis_url() -> str:
    found = _running(project.name())
    server = next((each for each in found if each.service == "redis" and each.pid), None)
    if server is None:
        raise NotRunning("Redis is not running; start it with: ./manage.sh up")
    return f"redis://127.0.0.1:{server.port}/0"
