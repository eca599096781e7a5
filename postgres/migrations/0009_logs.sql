-- The logs of consoles, devices and the fleet itself: a day is a partition, a day that is over is dropped whole.
-- `id` is the entry's place in the Redis stream, so writing an entry twice changes nothing.

CREATE TABLE logs (
    at          timestamptz NOT NULL,
    id          text COLLATE "C" NOT NULL,
    received_at timestamptz NOT NULL,
    device_id   text        NOT NULL,
    level       text        NOT NULL CHECK (level IN ('debug', 'info', 'warning', 'error', 'critical')),
    service     text,
    trace_id    text,
    message     text        NOT NULL,
    metadata    jsonb,
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);

CREATE INDEX logs_by_device ON logs (device_id, at, id);
CREATE INDEX logs_by_level ON logs (level, at, id);
CREATE INDEX logs_by_service ON logs (service, at, id) WHERE service IS NOT NULL;
CREATE INDEX logs_by_trace ON logs (trace_id, at) WHERE trace_id IS NOT NULL;
CREATE INDEX logs_by_device_and_level ON logs (device_id, level, at, id);
CREATE INDEX logs_by_metadata ON logs USING gin (metadata jsonb_path_ops);
CREATE INDEX logs_by_text ON logs USING gin (to_tsvector('simple', message));

-- Who has ever logged, and how much.
CREATE TABLE devices (
    device_id     text        PRIMARY KEY,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    lines         bigint      NOT NULL,
    errors        bigint      NOT NULL,
    last_level    text        NOT NULL,
    service       text
) WITH (fillfactor = 80);
CREATE INDEX devices_by_last_seen ON devices (last_seen_at DESC, device_id);

-- Counts, kept by the worker in the transaction that writes the lines.
CREATE TABLE log_statistics (
    hour      timestamptz NOT NULL,
    device_id text        NOT NULL,
    service   text        NOT NULL,
    level     text        NOT NULL,
    lines     bigint      NOT NULL,
    PRIMARY KEY (hour, device_id, service, level)
) WITH (fillfactor = 80);

CREATE VIEW recent_errors AS
    SELECT at, id, device_id, level, service, trace_id, message, metadata
    FROM logs
    WHERE level IN ('error', 'critical') AND at > now() - interval '24 hours'
    ORDER BY at DESC, id DESC;

CREATE FUNCTION hourly_log_statistics(since timestamptz, until timestamptz, device text DEFAULT NULL)
RETURNS TABLE (hour timestamptz, level text, lines bigint) LANGUAGE sql STABLE AS $$
    SELECT s.hour, s.level, sum(s.lines)::bigint
    FROM log_statistics s
    WHERE s.hour >= date_trunc('hour', since) AND s.hour < until AND (device IS NULL OR s.device_id = device)
    GROUP BY s.hour, s.level
    ORDER BY s.hour, s.level
$$;

-- Makes a day's partition. The worker asks for it; it may not make tables itself.
CREATE FUNCTION make_log_day(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    name text := 'logs_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN false;
    END IF;
    IF day < current_date - 3660 OR day > current_date + 7 THEN
        RAISE EXCEPTION 'no partition for %', day USING ERRCODE = 'check_violation';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('make_log_day'));
    IF to_regclass(name) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- Attached, as making it in place would wait for every reader.
    EXECUTE format('CREATE TABLE %I (LIKE logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    EXECUTE format(
        'ALTER TABLE logs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
        day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
    RETURN true;
END
$$;

-- Drops the days before this one, and the counts of them; gives the names of what went.
CREATE FUNCTION drop_log_days(before date) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    name text;
BEGIN
    IF before > current_date THEN
        RAISE EXCEPTION 'today is not over' USING ERRCODE = 'check_violation';
    END IF;
    -- Dropping waits for readers and holds up others meanwhile: rather another time than for long.
    SET LOCAL lock_timeout = '2s';
    FOR name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'logs'::regclass AND c.relname < 'logs_' || to_char(before, 'YYYYMMDD')
        ORDER BY 1
    LOOP
        EXECUTE format('DROP TABLE %I', name);
        RETURN NEXT name;
    END LOOP;
    DELETE FROM log_statistics WHERE hour < before::timestamp AT TIME ZONE 'UTC';
    DELETE FROM devices WHERE last_seen_at < before::timestamp AT TIME ZONE 'UTC';
END
$$;

REVOKE ALL ON FUNCTION make_log_day(date), drop_log_days(date) FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO pitboss_log_service;
GRANT EXECUTE ON FUNCTION make_log_day(date), drop_log_days(date) TO pitboss_log_service;
GRANT SELECT, INSERT ON logs TO pitboss_log_service;
GRANT SELECT, INSERT, UPDATE ON devices, log_statistics TO pitboss_log_service;
GRANT SELECT ON recent_errors TO pitboss_log_service;
-- Who may ask is decided by the same keys at every door.
GRANT SELECT ON keys, schema_migrations TO pitboss_log_service;
GRANT UPDATE (last_used_at) ON keys TO pitboss_log_service;
-- Its replicas come and go in the ledger's events as all others.
GRANT INSERT ON events TO pitboss_log_service;
GRANT SELECT, INSERT, UPDATE ON services TO pitboss_log_service;
