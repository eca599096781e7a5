-- What the metrics-service keeps: figures by service and endpoint, their rollups, alerts, and how far it is.

-- One row for each stretch of 5 s (timestamp is its beginning), so that total_requests adds up to what was published.
-- A day is a partition; where TimescaleDB is installed the table is one of its hypertables instead.
DO $$
DECLARE
    hyper boolean := EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb');
BEGIN
    EXECUTE 'CREATE TABLE metrics_aggregated (
        id             bigserial     NOT NULL,
        timestamp      timestamptz   NOT NULL,
        service_name   varchar(100)  NOT NULL,
        api_endpoint   varchar(200)  NOT NULL,
        qps            numeric(10,2) NOT NULL DEFAULT 0,
        avg_latency_ms numeric(10,2) NOT NULL DEFAULT 0,
        p95_latency_ms numeric(10,2) NOT NULL DEFAULT 0,
        p99_latency_ms numeric(10,2) NOT NULL DEFAULT 0,
        error_rate     numeric(5,4)  NOT NULL DEFAULT 0,
        total_requests integer       NOT NULL DEFAULT 0,
        created_at     timestamptz   NOT NULL DEFAULT now(),
        -- What the figures above are made of: these add up, percentiles do not.
        errors         integer          NOT NULL DEFAULT 0,
        total_ms       double precision NOT NULL DEFAULT 0,
        sketch         bytea            NOT NULL DEFAULT '''',
        PRIMARY KEY (id, timestamp)
    )' || CASE WHEN hyper THEN '' ELSE ' PARTITION BY RANGE (timestamp)' END;
    IF hyper THEN
        EXECUTE 'SELECT create_hypertable(''metrics_aggregated'', ''timestamp'',
                                          chunk_time_interval => interval ''1 day'')';
    END IF;
END $$;
CREATE INDEX metrics_aggregated_by_time ON metrics_aggregated (timestamp, service_name);
CREATE UNIQUE INDEX metrics_aggregated_by_series ON metrics_aggregated (service_name, api_endpoint, timestamp);
CREATE INDEX metrics_aggregated_brin ON metrics_aggregated USING brin (timestamp);

CREATE TABLE metrics_rollups (
    resolution_s   integer          NOT NULL CHECK (resolution_s IN (60, 300, 3600)),
    timestamp      timestamptz      NOT NULL,
    service_name   varchar(100)     NOT NULL,
    api_endpoint   varchar(200)     NOT NULL,
    total_requests bigint           NOT NULL,
    errors         bigint           NOT NULL,
    total_ms       double precision NOT NULL,
    sketch         bytea            NOT NULL,
    PRIMARY KEY (service_name, api_endpoint, resolution_s, timestamp)
);
CREATE INDEX metrics_rollups_by_time ON metrics_rollups (resolution_s, timestamp);

-- Minutes whose rollups are behind what is stored.
CREATE TABLE metrics_unrolled (
    minute       timestamptz  NOT NULL,
    service_name varchar(100) NOT NULL,
    api_endpoint varchar(200) NOT NULL,
    PRIMARY KEY (minute, service_name, api_endpoint)
);

-- Who may store for a shard: whoever took it last. One that was overtaken finds another epoch here, and stores nothing.
CREATE TABLE metrics_shards (
    shard    integer     PRIMARY KEY,
    epoch    bigint      NOT NULL DEFAULT 0,
    owner    text        NOT NULL DEFAULT '',
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Which events the rows above count, as 8 bytes of each one's hash: written with the rows, so an event that is
-- delivered again is known.
CREATE TABLE metrics_counted (
    id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard integer     NOT NULL,
    -- One name for each storing: told again after a lost answer, it is not written twice.
    flush text        NOT NULL UNIQUE,
    ids   bytea       NOT NULL,
    at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX metrics_counted_by_shard ON metrics_counted (shard, id DESC);

CREATE TABLE metrics_alerts (
    id           bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service_name varchar(100)     NOT NULL,
    metric       text             NOT NULL,
    value        double precision NOT NULL,
    threshold    double precision NOT NULL,
    raised_at    timestamptz      NOT NULL,
    cleared_at   timestamptz
);
-- One alert for each condition, whoever sees it.
CREATE UNIQUE INDEX metrics_alerts_standing ON metrics_alerts (service_name, metric) WHERE cleared_at IS NULL;
CREATE INDEX metrics_alerts_by_time ON metrics_alerts (raised_at DESC);

-- What of the alerts has yet to be told, to whom: written with the change, gone when it is told.
CREATE TABLE metrics_notices (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel  text        NOT NULL CHECK (channel IN ('queue', 'webhook')),
    body     jsonb       NOT NULL,
    tries    integer     NOT NULL DEFAULT 0,
    due_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX metrics_notices_due ON metrics_notices (due_at);

-- Makes the partitions of the coming days, and ends what has been kept long enough. As the owner, so that the service
-- needs no right to change the schema.
CREATE FUNCTION keep_metrics(days_ahead integer DEFAULT 3, keep_days integer DEFAULT 7) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    day     date;
    old     text;
    changed integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('pitboss_metrics'));
    IF EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = 'metrics_aggregated'::regclass) THEN
        -- Days of UTC, whatever the session's zone is; yesterday too, as late events are taken for 24 hours.
        FOR day IN SELECT generate_series((now() AT TIME ZONE 'UTC')::date - 2,
                                          (now() AT TIME ZONE 'UTC')::date + days_ahead, interval '1 day')::date LOOP
            IF to_regclass(format('metrics_aggregated_%s', to_char(day, 'YYYYMMDD'))) IS NULL THEN
                EXECUTE format('CREATE TABLE metrics_aggregated_%s PARTITION OF metrics_aggregated '
                               'FOR VALUES FROM (%L) TO (%L)', to_char(day, 'YYYYMMDD'),
                               day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
                changed := changed + 1;
            END IF;
        END LOOP;
        FOR old IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                    WHERE i.inhparent = 'metrics_aggregated'::regclass
                      AND c.relname < 'metrics_aggregated_'
                                      || to_char((now() AT TIME ZONE 'UTC')::date - keep_days, 'YYYYMMDD') LOOP
            EXECUTE format('DROP TABLE %I', old);
            changed := changed + 1;
        END LOOP;
    ELSE
        EXECUTE format('SELECT drop_chunks(''metrics_aggregated'', interval ''%s days'')', keep_days);
    END IF;
    DELETE FROM metrics_rollups
     WHERE timestamp < now() - CASE resolution_s WHEN 60 THEN interval '30 days' WHEN 300 THEN interval '90 days'
                                                 ELSE interval '730 days' END;
    DELETE FROM metrics_counted WHERE at < now() - interval '2 hours';
    DELETE FROM metrics_alerts WHERE cleared_at < now() - interval '90 days';
    RETURN changed;
END $$;
SELECT keep_metrics();

REVOKE EXECUTE ON FUNCTION keep_metrics(integer, integer) FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO pitboss_metrics_service;
GRANT EXECUTE ON FUNCTION keep_metrics(integer, integer) TO pitboss_metrics_service;
GRANT SELECT, INSERT, UPDATE ON metrics_aggregated, metrics_rollups, metrics_shards, metrics_alerts
   TO pitboss_metrics_service;
GRANT USAGE ON SEQUENCE metrics_aggregated_id_seq TO pitboss_metrics_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON metrics_unrolled TO pitboss_metrics_service;
GRANT SELECT, INSERT ON metrics_counted TO pitboss_metrics_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON metrics_notices TO pitboss_metrics_service;
GRANT INSERT ON events TO pitboss_metrics_service;
GRANT SELECT, INSERT, UPDATE ON services TO pitboss_metrics_service;
GRANT SELECT ON keys, schema_migrations TO pitboss_metrics_service;
GRANT UPDATE (last_used_at) ON keys TO pitboss_metrics_service;
