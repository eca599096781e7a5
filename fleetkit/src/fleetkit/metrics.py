"""Metrics: what every service counts of its requests, and `/metrics`."""

from typing import Final

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_fastapi_instrumentator import Instrumentator

_PROBES: Final = ["^/healthz$", "^/readyz$", "^/metrics$"]
_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def install(app: FastAPI) -> None:
    """Count and time requests by route, and answer `/metrics`."""
    requests = CollectorRegistry()
    instrumentator = Instrumentator(
        should_group_status_codes=False,
        excluded_handlers=_PROBES,
        # A stream of events is no slow answer.
        should_exclude_streaming_duration=True,
        registry=requests,
    )
    instrumentator.instrument(
        app, latency_highr_buckets=_BUCKETS_S, latency_lowr_buckets=(0.01, 0.1, 1, 10)
    )

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(
            generate_latest(REGISTRY) + generate_latest(requests),
            headers={"content-type": CONTENT_TYPE_LATEST},
        )
