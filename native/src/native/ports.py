"""Ports on loopback: pick a free one, demand a given one, say who holds it."""

import contextlib
import random
import socket
from collections.abc import Collection
from typing import Final

import psutil

from native.refusals import PortTaken, Refusal

_FIRST, _LAST = 20000, 30000
"""Below the ranges outgoing connections use, so a restarted process finds its port free."""

_TRIES: Final = 500
LOOPBACK: Final = "127.0.0.1"


def is_free(port: int, address: str = LOOPBACK) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def pick_free(avoid: Collection[int] = ()) -> int:
    for _ in range(_TRIES):
        port = random.randint(_FIRST, _LAST)
        if port not in avoid and is_free(port):
            return port
    raise Refusal(f"No free port between {_FIRST} and {_LAST}; stop something that holds them.")


def find_holder(port: int) -> str | None:
    """Name the process that listens on the port, where we may know it."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            local = connection.laddr
            if connection.status != psutil.CONN_LISTEN or not local or local.port != port:
                continue
            if connection.pid is not None:
                return f"pid {connection.pid}, {psutil.Process(connection.pid).name()}"
    return None


def demand(port: int, setting: str, address: str = LOOPBACK) -> None:
    """Refuse with the port, its holder and the setting to change, unless the port is free."""
    if is_free(port, address):
        return
    holder = find_holder(port)
    by = f" by {holder}" if holder else ""
    raise PortTaken(
        f"Port {port} is already in use{by}; stop that, or set {setting} to another port."
    )
