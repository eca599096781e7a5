"""Nginx from the system: its templates filled in, started, and reloaded without a lost request."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from native import accounts, ports, probes, programs
from native.edge import PLAIN, Edge
from native.places import ROOT, make_private_folder
from native.ports import LOOPBACK
from native.refusals import Missing, Refusal

TEMPLATES: Final = ROOT / "nginx"
INSTALL: Final = "brew install nginx" if sys.platform == "darwin" else "apt-get install nginx-light"

_SEARCHED: Final = "/usr/sbin:/usr/local/sbin:/opt/homebrew/bin:/usr/local/bin"
_CLOSING_SECONDS: Final = 0.25
"""How long busy connections are closed with their answer before a reload."""

_LOOK_SECONDS: Final = 0.05
_LOOKS: Final = 60
"""Until when what was begun before that is waited for: a command is answered within 2 s."""

_BUSY: Final = 409
_RELOAD_SECONDS: Final = 10.0
_START_SECONDS: Final = 15.0
_MAX_WORKERS: Final = 2

Pools = Mapping[str, Sequence[int]]
"""Ports of the replicas that serve, by pool: `gateway`, `table-service-prd`."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running nginx, or one to be."""

    folder: Path  # rendered configuration
    run: Path  # pid file, temporary files, the sign that a reload is near
    access_log: Path
    edge_port: int
    inner_port: int
    edge: Edge = PLAIN


def find_binary() -> Path:
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":" + _SEARCHED)
    if found is None:
        sudo = "" if sys.platform == "darwin" or os.geteuid() == 0 else "sudo "
        raise Missing(f"nginx is not installed; install it with: {sudo}{INSTALL}")
    return Path(found)


def make_run_folder() -> Path:
    account = accounts.choose()
    return make_private_folder("nginx", (account.uid, account.gid) if account else None)


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Fill in ${NAME} as envsubst would; nginx' own variables are lower case."""
    return re.sub(r"\$\{([A-Z_]+)\}", lambda match: values[match[1]], template)


def render_pools(pools: Pools) -> str:
    """Write the upstreams; an empty pool stays valid and answers 502 at once."""
    pools = {"gateway": (), "log-service": (), "metrics-service": (), **pools}
    parts = ["map $uri $pool {", '    default "";']
    for name in pools:
        environment = name.removeprefix("table-service-")
        if environment != name:
            parts.append(f'    "~^/{environment}/" {name};')
    parts.append("}")
    for name, members in pools.items():
        parts += [f"upstream {name} {{", f"    zone {name} 128k;", "    least_conn;"]
        parts += [f"    server {LOOPBACK}:{p} max_fails=2 fail_timeout=2s;" for p in members]
        if not members:
            parts.append(f"    server {LOOPBACK}:1 down;")
        # Shorter than the replicas' own 75 s, so that it is always nginx that closes.
        parts += ["    keepalive 64;", "    keepalive_timeout 30s;", "}"]
    return "\n".join(parts) + "\n"


def render(server: Server, pools: Pools, templates: Path = TEMPLATES) -> None:
    # Accepted with its first bytes, so a reload never closes a connection it has not read.
    options = "deferred" if sys.platform == "linux" else ""
    edge = server.edge
    values = {
        "NGINX_WORKERS": str(min(_MAX_WORKERS, os.cpu_count() or 1)),
        "NGINX_RUN_DIR": str(server.run),
        "NGINX_ACCESS_LOG": str(server.access_log),
        "NGINX_EDGE_LISTEN": edge.listen(server.edge_port),
        "NGINX_EDGE_OPTIONS": edge.listen_options(options),
        "NGINX_EDGE_SCHEME": edge.scheme,
        "NGINX_EDGE_RATE": str(edge.rate),
        "NGINX_EDGE_BURST": str(2 * edge.rate),
        "NGINX_TLS_CERT": str(edge.certificate or ""),
        "NGINX_TLS_KEY": str(edge.key or ""),
        "NGINX_INNER_LISTEN": f"{LOOPBACK}:{server.inner_port}",
        "NGINX_LISTEN_OPTIONS": options,
    }
    (server.folder / "snippets").mkdir(parents=True, exist_ok=True)
    for source in (*templates.glob("*.template"), *templates.glob("snippets/*.conf")):
        target = server.folder / source.relative_to(templates)
        target.with_name(target.name.removesuffix(".template")).write_text(
            _fill(source.read_text(), values)
        )
    write_pools(server, pools)


def write_pools(server: Server, pools: Pools) -> None:
    draft = server.folder / "upstreams.conf.new"
    draft.write_text(render_pools(pools))
    draft.replace(server.folder / "upstreams.conf")


def program(server: Server, *extra: str) -> programs.Program:
    account = accounts.choose()
    directives = "daemon off;"
    if account is not None:
        directives += f" user {account.name};"
    where = ("-p", str(server.folder), "-c", str(server.folder / "nginx.conf"))
    return programs.Program(
        (str(find_binary()), "-e", "stderr", *where, "-g", directives, *extra),
        stop_signal=signal.SIGQUIT,  # what is being answered is answered
        stop_seconds=5.0,
    )


async def check(server: Server, log: Path) -> None:
    """Let nginx read the rendered configuration; refuse with its complaint."""
    await programs.finish(program(server, "-t"), log)


def workers(master: int) -> set[int]:
    with contextlib.suppress(psutil.Error):
        return {child.pid for child in psutil.Process(master).children()}
    return set()


def _still_accepts(worker: int) -> bool:
    try:
        return "shutting down" not in " ".join(psutil.Process(worker).cmdline())
    except psutil.Error:
        return False


async def reload(server: Server, master: int, pools: Pools) -> set[int]:
    """Serve by these pools from now on; give the old workers, which finish what they have."""
    async with closing(server):
        return await switch(server, master, pools)


@contextlib.asynccontextmanager
async def closing(server: Server) -> AsyncIterator[None]:
    """Have busy connections close with their answer, so that a reload cuts none off."""
    mark = server.run / "closing"
    try:
        mark.touch()
        for _ in range(_LOOKS):
            if await probes.http_status(server.inner_port, "/nginx-announced") != _BUSY:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        # Only now: who gets such an answer may send the next request over the same connection.
        await asyncio.sleep(_CLOSING_SECONDS)
        yield
    finally:
        mark.unlink(missing_ok=True)


async def switch(server: Server, master: int, pools: Pools) -> set[int]:
    """Reload at once; give the old workers."""
    old = workers(master)
    write_pools(server, pools)
    try:
        os.kill(master, signal.SIGHUP)
        async with asyncio.timeout(_RELOAD_SECONDS):
            await programs.poll(lambda: bool(workers(master) - old))
            # Old and new accept side by side for a moment: the change is in force after it.
            await programs.poll(lambda: not any(map(_still_accepts, old)))
    except (TimeoutError, ProcessLookupError) as error:
        raise Refusal("nginx did not take the new upstreams; see: logs nginx") from error
    return old


async def wait_gone(old: set[int], seconds: float) -> bool:
    """Wait until the old workers have ended, but no longer than that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await programs.poll(lambda: not any(map(psutil.pid_exists, old)))
            return True
    return False


async def start(
    folder: Path,
    pools: Pools,
    *,
    edge_port: int | None = None,
    inner_port: int | None = None,
    edge: Edge = PLAIN,
) -> tuple[Server, asyncio.subprocess.Process]:
    """Start an nginx before these pools, with its files in the folder; meant for tests."""
    at = edge_port or ports.pick_free()
    inner = inner_port or ports.pick_free((at,))
    server = Server(folder, make_run_folder(), folder / "access.log", at, inner, edge)
    log = folder / "nginx.log"
    render(server, pools)
    process = await programs.launch(program(server), log)
    async with (
        programs.stopped_on_failure(process, program(server), server.run),
        asyncio.timeout(_START_SECONDS),
    ):
        while not await probes.answers_200(inner, "/nginx-health"):
            if process.returncode is not None:
                raise Refusal(f"nginx did not start: {programs.last_words(log)} (see {log})")
            await asyncio.sleep(0.02)
    return server, process


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    pools: Pools,
    edge: Edge = PLAIN,
) -> AsyncIterator[tuple[Server, int]]:
    """Lend an nginx and the pid of its master."""
    server, process = await start(folder, pools, edge=edge)
    try:
        yield server, process.pid
    finally:
        await programs.stop(process, program(server))
        shutil.rmtree(server.run, ignore_errors=True)
