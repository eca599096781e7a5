-- Figures are counted in several shards at once, each by one instance: a queue is a shard, a service is in one of them.

-- Whoever counts a shard writes its rows over; another shard's rows of the same service must not be among them.
ALTER TABLE metrics_aggregated ADD COLUMN shard integer NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX metrics_aggregated_by_shard
    ON metrics_aggregated (service_name, api_endpoint, timestamp, shard);
DROP INDEX metrics_aggregated_by_series;

-- Which shard sees to it that an alert is cleared.
ALTER TABLE metrics_alerts ADD COLUMN shard integer NOT NULL DEFAULT 0;

-- Who is there to count: the shards are dealt out to those that were seen just now.
CREATE TABLE metrics_instances (
    instance text        PRIMARY KEY,
    seen_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON metrics_instances TO pitboss_metrics_service;
