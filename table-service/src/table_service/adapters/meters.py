"""What a replica counts of its calls, under the names the source documents give."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

REQUESTS: Final = Counter(
    "api_requests_total",
    "Calls to the Table API.",
    ["environment", "table_id", "operation", "status"],
)
DURATION: Final = Histogram(
    "api_request_duration_seconds",
    "How long a call to the Table API took.",
    ["environment", "table_id", "operation"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5),
)
CONNECTIONS: Final = Gauge(
    "active_connections", "Calls under way to the Table API.", ["environment"]
)
DELIVERIES: Final = Counter(
    "pitboss_deliveries",
    "Deliveries by the state they were left in.",
    ["environment", "kind", "state"],
)
BREAKER: Final = Gauge(
    "pitboss_breaker_state", "0 closed, 0.5 probing, 1 open.", ["environment", "table_id"]
)
RESULT_DELIVERY: Final = Histogram(
    "pitboss_result_delivery_seconds",
    "How long a result took from the ledger to its acceptance by a target.",
    ["environment"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600),
)
BET_STOP_LATENESS: Final = Histogram(
    "pitboss_bet_stop_lateness_seconds",
    "How long after its time a bet-stop was begun.",
    ["environment"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
