"""Reading: the present from Redis, or from Postgres without it; the past at the step asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from redis.exceptions import RedisError

from fleetkit import errors
from metrics_service.adapters.history import History
from metrics_service.adapters.realtime import Realtime
from metrics_service.domain.windows import AggregatedMetrics, aggregate
from metrics_service.services.showing import figures

MOST_POINTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Point:
    """The figures of one step."""

    at: datetime
    metrics: AggregatedMetrics


class Reading:
    """What is shown of the figures."""

    def __init__(
        self,
        realtime: Realtime,
        history: History,
        *,
        now: Callable[[], datetime],
        window_s: int,
        interval_s: int,
    ) -> None:
        self._realtime = realtime
        self._history = history
        self._now = now
        self._window_s = window_s
        self._interval_s = interval_s

    async def present(self, service: str) -> dict[str, Any]:
        try:
            found = await self._realtime.read(service)
        except (RedisError, OSError):
            return await self._from_history(service)
        if found is None:
            raise errors.NotFound(f"Nothing was heard of {service} in the last five minutes.")
        shown: dict[str, Any] = {"service_name": service, **orjson.loads(found)}
        return shown

    async def all_present(self) -> list[dict[str, Any]]:
        try:
            found = await self._realtime.read_all()
        except (RedisError, OSError) as error:
            raise errors.Unavailable(
                "Redis, which has the present, can't be reached; ask for one service.",
                code="realtime_unavailable",
                retry_after_s=1,
            ) from error
        return [{"service_name": name, **orjson.loads(one)} for name, one in found.items()]

    async def _from_history(self, service: str) -> dict[str, Any]:
        until = self._now()
        since = until - timedelta(seconds=self._window_s)
        points = await self._history.read(
            service, None, since=since, until=until, step=self._window_s * 2
        )
        if not points:
            raise errors.NotFound(f"Nothing was heard of {service} in the last minute.")
        merged = next(iter(points.values()))
        for other in list(points.values())[1:]:
            merged.merge(other)
        whole = aggregate(merged, self._window_s)
        return {
            "service_name": service,
            **figures(whole, until.timestamp()),
            "window_s": self._window_s,
            "endpoints": {},
        }

    async def past(
        self,
        service: str,
        endpoint: str | None,
        *,
        since: datetime | None,
        until: datetime | None,
        step: int | None,
    ) -> tuple[int, list[Point]]:
        """Give the step and the points, those without any request left out."""
        end = until or self._now()
        begin = since or end - timedelta(hours=1)
        if begin >= end:
            raise errors.Invalid("from must lie before to.", field="query.from")
        seconds = (end - begin).total_seconds()
        width = step or self._fitting(seconds)
        if width % self._interval_s:
            sentence = f"step must be a multiple of {self._interval_s}."
            raise errors.Invalid(sentence, field="query.step")
        if seconds / width > MOST_POINTS:
            raise errors.Invalid(f"That is more than {MOST_POINTS} points.", field="query.step")
        found = await self._history.read(service, endpoint, since=begin, until=end, step=width)
        return width, [
            Point(datetime.fromtimestamp(start, UTC), aggregate(bucket, width))
            for start, bucket in found.items()
        ]

    def _fitting(self, seconds: float) -> int:
        """Pick the step that gives some hundreds of points."""
        steps = (self._interval_s, 60, 300)
        return next((step for step in steps if seconds / step <= 720), 3600)  # noqa: PLR2004  # an hour of 5 s
