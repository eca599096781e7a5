"""Verbs at work: find or start the supervisor, ask it, and put its answer into words."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from native import control, nginx, orphans, postgres, settings
from native.control import Say
from native.places import ROOT, Memory, Places
from native.programs import last_words, rotate
from native.refusals import BadUse, NotRunning, Refusal
from native.supervisor_lock import is_held

_SUPERVISOR_SECONDS: Final = 30.0
_END_SECONDS: Final = 60.0
_NOT_RUNNING: Final = "The fleet is not running; start it with: ./manage.sh up"


@dataclass(frozen=True, slots=True)
class Fleet:
    """What status shows."""

    services: list[dict[str, Any]]
    port: int | None
    supervised: bool
    url: str | None = None


def places() -> Places:
    return Places(settings.state_folder())


def _memory(where: Places) -> Memory:
    return Memory.load(where.memory)


def _socket(where: Places) -> Path:
    """Give the socket of the running supervisor."""
    memory = _memory(where)
    if not is_held(where.lock) or memory.control is None:
        raise NotRunning(_NOT_RUNNING)
    return Path(memory.control)


def up(say: Say, *, simulator: bool = True) -> str:
    """Start the supervisor unless it runs, and stay until all is ready."""
    del simulator  # always there, it costs next to nothing
    made = settings.ensure_secrets()
    wanted = settings.load()
    if made:
        say(f"secrets made in .env: {', '.join(made)}")
    where = Places(wanted.state)
    spawned = None
    if not is_held(where.lock):
        nginx.find_binary()
        spawned = _spawn(where)
    request = {"verb": "up", "port": wanted.port, "environments": list(wanted.environments)}
    answer = control.ask(_wait_socket(where, spawned), request, say)
    at = wanted.edge.url(wanted.port)
    if answer["fresh"]:
        return f"The fleet is ready at {at} after {answer['seconds']:.1f} s."
    added = f"; added {', '.join(answer['added'])}" if answer["added"] else ""
    return f"The fleet runs already at {at}{added}."


def _spawn(where: Places) -> "subprocess.Popen[bytes]":
    where.make()
    log = where.logs / "supervisor.log"
    rotate(log)
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "native", "supervise"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=ROOT,
            start_new_session=True,
        )


def _wait_socket(where: Places, spawned: "subprocess.Popen[bytes] | None") -> Path:
    deadline = time.monotonic() + _SUPERVISOR_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(NotRunning):
            socket = _socket(where)
            if control.answers(socket):
                return socket
        if spawned is not None and spawned.poll() is not None and not is_held(where.lock):
            break
        time.sleep(0.03)
    log = where.logs / "supervisor.log"
    raise Refusal(f"The supervisor did not start: {last_words(log)} (see {log})")


def down(say: Say) -> str:
    """Take the fleet down; with nothing running that is done already."""
    where = places()
    try:
        socket = _socket(where)
    except NotRunning:
        left = orphans.clear(where.processes)
        if left:
            return f"The supervisor was gone; ended what it left: {', '.join(left)}."
        return "Nothing runs."
    control.ask(socket, {"verb": "down"}, say)
    deadline = time.monotonic() + _END_SECONDS
    while is_held(where.lock) and time.monotonic() < deadline:
        time.sleep(0.03)
    return f"The fleet is down; its data stays in {where.state}."


def read_status() -> Fleet:
    where = places()
    try:
        answer = control.ask(_socket(where), {"verb": "status"})
    except NotRunning:
        left = orphans.recall(where.processes)
        if not left:
            raise
        return Fleet([_show_orphan(process) for process in left], None, supervised=False)
    memory = _memory(where)
    return Fleet(answer["services"], memory.edge_port, supervised=True, url=memory.edge_url)


def _show_orphan(process: orphans.Recorded) -> dict[str, Any]:
    alive = process.is_alive()
    return {
        "service": process.service,
        "instance": process.instance,
        "environment": process.environment,
        "pid": process.pid if alive else None,
        "container": None,
        "port": process.port,
        "state": "unready" if alive else "failed",
        "in_flight": None,
        "uptime_s": round(time.time() - process.created, 1) if alive else 0.0,
        "restarts": 0,
    }


def scale(wishes: dict[str, str], say: Say) -> str:
    answer = control.ask(_socket(places()), {"verb": "scale", "wishes": wishes}, say)
    before, after = answer["before"], answer["after"]
    return "\n".join(
        f"{name}: {before[name]} -> {count}" if before[name] != count else f"{name}: {count}"
        for name, count in after.items()
    )


def add_environment(name: str, say: Say) -> dict[str, Any]:
    request = {"verb": "add_environment", "environment": name}
    return control.ask(_socket(places()), request, say)


def remove_environment(name: str, say: Say) -> dict[str, Any]:
    request = {"verb": "remove_environment", "environment": name}
    return control.ask(_socket(places()), request, say)


def upgrade(say: Say) -> str:
    """Apply what is new in the schema and replace the replicas one by one."""
    answer = control.ask(_socket(places()), {"verb": "upgrade"}, say)
    return f"The fleet runs what is in the checkout: {answer['replaced']} replicas replaced."


def renew(say: Say) -> None:
    """Replace the replicas one by one."""
    upgrade(say)


def has_simulator() -> bool:
    return True


def simulator_url(port: int) -> str:
    """Give the address by which the replicas reach the simulator."""
    return f"http://127.0.0.1:{port}"


def write_psql() -> tuple[str, dict[str, str]]:
    """Give the psql to run and its environment: the fleet's database, as its owner."""
    where = places()
    _socket(where)
    environment = {
        **os.environ,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(_memory(where).ports["postgres"]),
        "PGUSER": postgres.OWNER,
        "PGDATABASE": postgres.DATABASE,
        "PGPASSWORD": settings.load().passwords[postgres.OWNER],
    }
    return str(postgres.find_psql()), environment


def write_database_url() -> dict[str, str]:
    """Give the environment of a program that reads the fleet's database, as its owner."""
    where = places()
    _socket(where)
    password = settings.load().passwords[postgres.OWNER]
    at = f"127.0.0.1:{_memory(where).ports['postgres']}"
    url = f"postgresql://{postgres.OWNER}:{quote(password, safe='')}@{at}/{postgres.DATABASE}"
    return {**os.environ, "PITBOSS_DATABASE_URL": url}


def redis_url() -> str:
    where = places()
    _socket(where)
    return f"redis://127.0.0.1:{_memory(where).ports['redis']}/0"


def make_certificate(names: Sequence[str]) -> str:
    """Make the edge a certificate for these names beside the machine's own; say how it is used."""
    from native import certificates  # noqa: PLC0415  # the other verbs start faster without it

    wrong = [name for name in names if not re.fullmatch(r"[0-9A-Za-z*][0-9A-Za-z.:-]{0,252}", name)]
    if wrong:
        raise BadUse(f"{wrong[0]!r} is neither a name nor an address.")
    own = certificates.local_names()
    files = certificates.write(places().state / "tls", [*dict.fromkeys([*names, *own])])
    return (
        "A certificate was made. Set these, in .env or the environment, then: ./manage.sh restart\n"
        f"PITBOSS_TLS_CERT={files.certificate}\n"
        f"PITBOSS_TLS_KEY={files.key}\n"
        f"Callers trust it by {files.authority}, such as: curl --cacert {files.authority} ..."
    )


async def check_nginx() -> str:
    """Let nginx judge what we would render for these settings."""
    wanted = settings.load()
    run = nginx.make_run_folder()
    try:
        folder = run / "check of the configuration"
        server = nginx.Server(folder, run, run / "access.log", wanted.port, wanted.inner_port)
        server = replace(server, edge=wanted.edge)
        names = [f"table-service-{environment.lower()}" for environment in wanted.environments]
        nginx.render(server, {"gateway": (1, 2), **dict.fromkeys(names, ())})
        await nginx.check(server, run / "nginx.log")
    finally:
        shutil.rmtree(run, ignore_errors=True)
    return "nginx: the configuration is valid."


def supervise() -> None:
    """Be the supervisor."""
    from native import supervisor  # noqa: PLC0415  # the other verbs start faster without it

    asyncio.run(supervisor.run(settings.load()))
