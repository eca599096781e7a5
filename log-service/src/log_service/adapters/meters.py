"""What the log service counts of its work."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

TAKEN: Final = Counter("pitboss_log_lines_taken", "Lines answered with 202.")
TAKING: Final = Histogram(
    "pitboss_log_taking_seconds",
    "How long a single line's request took, answered past the other routes.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
)
REFUSED: Final = Counter("pitboss_log_lines_refused", "Lines that were wrong.")
WRITTEN: Final = Counter("pitboss_log_lines_written", "Lines written to Postgres.")
REPEATED: Final = Counter("pitboss_log_lines_repeated", "Lines that were written already.")
DEAD: Final = Counter("pitboss_log_lines_dead", "Entries that can never be written.")
HITS: Final = Counter("pitboss_log_cache_hits", "Queries answered from the cache.")
MISSES: Final = Counter("pitboss_log_cache_misses", "Queries answered by Postgres.")
WAITING: Final = Gauge("pitboss_log_stream_length", "Entries in the stream, those at work too.")
MISSED: Final = Counter("pitboss_log_tail_lines_missed", "Lines that followers were too slow for.")
