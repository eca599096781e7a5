"""Moments as epoch milliseconds, and how they are written."""

import time
from datetime import UTC, datetime
from functools import lru_cache


def read_clock() -> int:
    return time.time_ns() // 1_000_000


def render(ms: int) -> str:
    second, rest = divmod(ms, 1000)
    return f"{_render_second(second)}.{rest:03d}Z"


def render_compact(ms: int) -> str:
    return _render_second_compact(ms // 1000)


@lru_cache(maxsize=4096)
def _render_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=4096)
def _render_second_compact(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%d-%H%M%S")
