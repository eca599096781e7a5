"""Who serves, asked of the watcher in the nginx container, and told to it before one leaves."""

import time
from collections.abc import Iterable
from typing import Final

from native.docker.engine import Compose
from native.refusals import Refusal

_POLL_SECONDS: Final = 0.3
_READ: Final = (
    "[ ! -e /run/pitboss/pools/busy ] && "
    r"sed -n 's/^ *server \([0-9.]*\):8000 .*/\1/p' /run/pitboss/conf/upstreams.conf"
)


def read_serving(compose: Compose) -> set[str]:
    """Give the addresses that nginx sends to: in its configuration, and no reload under way."""
    try:
        return set(compose.execute("nginx", "sh", "-c", _READ).split())
    except Refusal:
        return set()


def wait_serving(compose: Compose, addresses: Iterable[str], seconds: float) -> set[str]:
    """Wait until all of them serve; give those that do not in that time."""
    missing = set(addresses)
    deadline = time.monotonic() + seconds
    while missing and time.monotonic() < deadline:
        missing -= read_serving(compose)
        if missing:
            time.sleep(_POLL_SECONDS)
    return missing


def drain(compose: Compose, addresses: Iterable[str]) -> None:
    """Return when nothing new is sent there and what was sent is answered."""
    compose.execute("nginx", "nginx-drain", *addresses)


def tell_environments(compose: Compose, environments: Iterable[str]) -> None:
    """Let nginx know of pools that came or went, without starting it again."""
    script = 'printf "%s" "$1" >/run/pitboss/pools/environments'
    compose.execute("nginx", "sh", "-c", script, "sh", ",".join(environments))
