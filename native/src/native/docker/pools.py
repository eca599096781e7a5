"""Replicas come and go: new ones serve once ready, those that leave are drained before."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from native.docker import containers, engine, traffic
from native.docker.containers import GATEWAY, POOL, Container
from native.docker.engine import Compose
from native.refusals import BadUse, Refusal
from native.settings import MAX_REPLICAS

Say = Callable[[str], None]

READY_SECONDS: Final = 120.0
GRACE_SECONDS: Final = 15
_POLL_SECONDS: Final = 0.5
_PER_CORE: Final = 2
_UNSTARTED: Final = frozenset({"failed", "starting"})


def resolve(wishes: Mapping[str, str], known: Sequence[str]) -> dict[str, int]:
    """Turn `table-service=5` into a count for each service it means."""
    counts: dict[str, int] = {}
    for name, text in wishes.items():
        meant = [service for service in known if service == name]
        if name == "table-service":
            meant = [service for service in known if service.startswith(POOL)]
        if not meant:
            raise BadUse(
                f"There is no service {name!r} to scale; "
                f"there are table-service (all of them), {', '.join(known)}."
            )
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_REPLICAS):
            raise BadUse(f"{name}={text} is wrong; give a number from 1 to {MAX_REPLICAS}.")
        counts |= dict.fromkeys(meant, int(text))
    return counts


def replicas(compose: Compose) -> dict[str, list[Container]]:
    """Give each scalable service's containers."""
    found: dict[str, list[Container]] = {}
    for container in containers.find(compose.project):
        if container.is_replica:
            found.setdefault(container.service, []).append(container)
    return found


def scale(compose: Compose, counts: Mapping[str, int], say: Say) -> dict[str, int]:
    """Bring each service to its count; give what it had."""
    before = replicas(compose)
    grown = {
        service: count for service, count in counts.items() if count > len(before.get(service, ()))
    }
    if grown:
        grow(compose, grown, before, say)
    leaving = [
        container
        for service, count in counts.items()
        for container in _choose(before.get(service, []), count)
    ]
    part(compose, leaving, say)
    return {service: len(before.get(service, ())) for service in counts}


def _choose(members: list[Container], count: int) -> list[Container]:
    """Pick who leaves: first what does not run, then the highest numbers."""
    ordered = sorted(members, key=lambda each: (each.state in _UNSTARTED, each.number))
    return ordered[count:]


def grow(
    compose: Compose, counts: Mapping[str, int], before: Mapping[str, list[Container]], say: Say
) -> list[Container]:
    """Start replicas up to the counts, no more at once than the machine can bear."""
    new: list[Container] = []
    have = {service: len(before.get(service, ())) for service in counts}
    for step in waves(have, counts, _PER_CORE * engine.count_cores()):
        present = {**before, "": new}
        new += _start(compose, step, present, say)
    return new


def waves(
    have: Mapping[str, int], wanted: Mapping[str, int], most: int
) -> Iterator[dict[str, int]]:
    """Reach the counts by steps of so many new replicas, the smallest services first.

    Many that start at once take the processor from those that serve, which then answer late or 503.
    """
    now = dict(have)
    while any(now[service] < count for service, count in wanted.items()):
        step: dict[str, int] = {}
        for _ in range(most):
            growing = [service for service, count in wanted.items() if now[service] < count]
            if growing:
                least = min(growing, key=lambda service: now[service])
                now[least] += 1
                step[least] = now[least]
        yield step


def _start(
    compose: Compose, counts: Mapping[str, int], before: Mapping[str, list[Container]], say: Say
) -> list[Container]:
    """Start replicas up to the counts and wait until nginx sends to each new one."""
    options = [f"--scale={service}={count}" for service, count in counts.items()]
    compose.run("up", "--detach", "--no-deps", "--no-recreate", "--no-build", *options, *counts)
    known = {container.id for members in before.values() for container in members}
    new = [
        container
        for service, members in replicas(compose).items()
        if service in counts
        for container in members
        if container.id not in known
    ]
    served = [each.address for each in new if each.behind_nginx]
    late = traffic.wait_serving(compose, served, READY_SECONDS)
    late |= _wait_healthy(compose, [each.id for each in new if not each.behind_nginx])
    names = [each.instance for each in new if {each.address, each.id} & late]
    for each in new:
        if each.instance not in names:
            say(f"{each.instance} ready")
    if names:
        raise Refusal(
            f"{', '.join(names)} did not get ready and will be tried further; "
            f"see: ./manage.sh logs {names[0]}"
        )
    return new


def _wait_healthy(compose: Compose, ids: Sequence[str]) -> set[str]:
    """Wait for those that take their work from elsewhere than nginx; give who is late."""
    late = set(ids)
    deadline = time.monotonic() + READY_SECONDS
    while late and time.monotonic() < deadline:
        found = containers.find(compose.project)
        late -= {each.id for each in found if each.state == "ready"}
        if late:
            time.sleep(_POLL_SECONDS)
    return late


def part(compose: Compose, leaving: Sequence[Container], say: Say) -> None:
    """Take replicas out of nginx, then stop them as they finish what they have."""
    if not leaving:
        return
    serving = [each.address for each in leaving if each.pid is not None and each.behind_nginx]
    if serving:
        traffic.drain(compose, serving)
    engine.stop_and_remove([each.id for each in leaving], GRACE_SECONDS)
    for each in leaving:
        say(f"{each.instance} left")


def roll(compose: Compose, services: Sequence[str], say: Say) -> None:
    """Replace each service's replicas one by one by ones of the image of now, the new one first."""
    old = {name: list(members) for name, members in replicas(compose).items() if name in services}
    while any(old.values()):
        present = replicas(compose)
        turn = {name: members.pop() for name, members in old.items() if members}
        grow(compose, {name: len(present[name]) + 1 for name in turn}, present, say)
        part(compose, list(turn.values()), say)


def list_known(compose: Compose) -> list[str]:
    found = replicas(compose)
    return [GATEWAY, *sorted(name for name in found if name != GATEWAY)]
