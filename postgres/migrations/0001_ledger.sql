-- The ledger: what was asked (commands), of what (rounds, legs), and how it went (deliveries, attempts, events).

CREATE TABLE config_versions (
    environment text        NOT NULL CHECK (environment ~ '^[A-Z][A-Z0-9_-]{0,31}$'),
    version     integer     NOT NULL CHECK (version > 0),
    document    jsonb       NOT NULL,
    author      text        NOT NULL,
    reason      text,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (environment, version)
);

CREATE TABLE keys (
    id           text        PRIMARY KEY,
    name         text        NOT NULL,
    role         text        NOT NULL CHECK (role IN ('viewer', 'dealer', 'operator', 'admin')),
    hash         bytea       NOT NULL UNIQUE,
    tables       text[],
    environments text[],
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz,
    revoked_at   timestamptz
);

CREATE TABLE rounds (
    id           text        PRIMARY KEY,
    table_id     text        NOT NULL,
    type         text        NOT NULL,
    state        text        NOT NULL CHECK (state IN ('open', 'dealt', 'finished', 'cancelled')),
    result       jsonb,
    reason       text,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at     timestamptz,
    last_command text        NOT NULL,
    CHECK (state NOT IN ('dealt', 'finished') OR result IS NOT NULL),
    CHECK ((state IN ('finished', 'cancelled')) = (ended_at IS NOT NULL))
);
-- Two consoles press start at once: the index lets one of them through.
CREATE UNIQUE INDEX rounds_one_open ON rounds (table_id) WHERE state IN ('open', 'dealt');
CREATE INDEX rounds_by_table ON rounds (table_id, id DESC);

CREATE TABLE commands (
    id          text        PRIMARY KEY,
    round_id    text        REFERENCES rounds,
    table_id    text        NOT NULL,
    kind        text        NOT NULL,
    body        jsonb       NOT NULL,
    actor       text        NOT NULL,
    trace_id    text,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    deadline_at timestamptz NOT NULL
);
CREATE INDEX commands_by_round ON commands (round_id);
-- A round has one result, one finish, one cancel: a second cannot be written, whoever asks.
CREATE UNIQUE INDEX commands_once ON commands (round_id, kind) WHERE kind IN ('start', 'result', 'finish', 'cancel');

-- The answer kept for whoever asks the same again under the same key.
CREATE TABLE idempotency (
    actor         text        NOT NULL,
    key           text        NOT NULL,
    fingerprint   bytea       NOT NULL,
    command_id    text        NOT NULL,
    -- Until then whoever runs it is waited for; afterwards it is taken for dead.
    running_until timestamptz NOT NULL,
    status        smallint,
    answer        bytea,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (actor, key),
    CHECK ((status IS NULL) = (answer IS NULL))
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE legs (
    id                bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    round_id          text        NOT NULL REFERENCES rounds,
    environment       text        NOT NULL,
    game_code         text        NOT NULL,
    served_by         text        NOT NULL,
    config_version    integer     NOT NULL,
    position          integer     NOT NULL,
    required          boolean     NOT NULL,
    bet_stop          text        NOT NULL CHECK (bet_stop IN ('auto', 'driver')),
    finish_policy     text        NOT NULL CHECK (finish_policy IN ('manual', 'auto')),
    deal_to_finish_ms integer     NOT NULL,
    timecode_offset_ms integer    NOT NULL,
    backups           text[]      NOT NULL DEFAULT '{}',
    state             text        NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'opened', 'bet_stopped', 'dealt', 'finished', 'cancelled', 'failed')),
    external_round_id text,
    bet_period        integer,
    bet_stop_at       timestamptz,
    auto_bet_stop     boolean,
    opened_at         timestamptz,
    dealt_at          timestamptz,
    UNIQUE (round_id, environment, game_code),
    CHECK (state IN ('pending', 'failed', 'cancelled') OR external_round_id IS NOT NULL)
);
CREATE INDEX legs_by_target ON legs (environment, served_by, id DESC);

CREATE TABLE deliveries (
    id            text        PRIMARY KEY,
    seq           bigint      GENERATED ALWAYS AS IDENTITY,
    command_id    text        NOT NULL REFERENCES commands,
    round_id      text        REFERENCES rounds,
    leg_id        bigint      REFERENCES legs,
    table_id      text        NOT NULL,
    environment   text        NOT NULL,
    game_code     text        NOT NULL,
    kind          text        NOT NULL,
    -- The fixed order inside a leg: start, bet-stop, result, finish; cancel overtakes the others.
    rank          smallint    NOT NULL,
    body          jsonb       NOT NULL,
    state         text        NOT NULL CHECK (state IN ('pending', 'sending', 'unknown', 'accepted',
                                                        'rejected', 'expired', 'superseded', 'skipped')),
    token         uuid,
    lease_until   timestamptz,
    -- Look at the table (GET) before anything is sent: an earlier call may have arrived.
    look          boolean     NOT NULL DEFAULT false,
    -- Written ahead for a later moment and not yet begun (the bet-stop timer, an automatic finish).
    scheduled     boolean     NOT NULL DEFAULT false,
    due_at        timestamptz NOT NULL,
    deadline_at   timestamptz NOT NULL,
    attempts      integer     NOT NULL DEFAULT 0,
    first_sent_at timestamptz,
    outcome       text,
    cause         text,
    code          text,
    detail        text,
    latency_ms    real,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at    timestamptz,
    CHECK ((state = 'sending') = (token IS NOT NULL)),
    CHECK ((state = 'sending') = (lease_until IS NOT NULL)),
    CHECK ((state IN ('accepted', 'rejected', 'expired', 'superseded', 'skipped')) = (settled_at IS NOT NULL))
);
-- One command at a time per target, whichever replica holds it.
CREATE UNIQUE INDEX deliveries_one_in_flight ON deliveries (environment, game_code) WHERE state = 'sending';
CREATE UNIQUE INDEX deliveries_once ON deliveries (leg_id, kind) WHERE leg_id IS NOT NULL;
CREATE INDEX deliveries_unsettled ON deliveries (environment, game_code, due_at) WHERE settled_at IS NULL;
CREATE INDEX deliveries_by_command ON deliveries (command_id);
CREATE INDEX deliveries_by_round ON deliveries (round_id);

CREATE TABLE attempts (
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    delivery_id text        NOT NULL,
    operation   text        NOT NULL,
    instance    text        NOT NULL,
    outcome     text        NOT NULL,
    cause       text        NOT NULL,
    http_status smallint,
    code        text,
    detail      text,
    latency_ms  real        NOT NULL,
    -- The lease was no longer ours when the outcome came back: kept as evidence, it decided nothing.
    fenced      boolean     NOT NULL DEFAULT false
) PARTITION BY RANGE (at);
CREATE INDEX attempts_by_delivery ON attempts (delivery_id);
-- The net below the daily partitions: an attempt is never lost for want of one.
CREATE TABLE attempts_other PARTITION OF attempts DEFAULT;

CREATE TABLE events (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    round_id    text,
    table_id    text        NOT NULL,
    environment text,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    type        text        NOT NULL,
    data        jsonb       NOT NULL,
    -- Given when the event is sealed into its round's chain.
    number      integer,
    prev_hash   bytea,
    hash        bytea,
    UNIQUE (round_id, number)
);
CREATE INDEX events_unsealed ON events (round_id, id) WHERE number IS NULL;

-- Daily partitions of attempts, some days ahead; runs as the owner so that services need no DDL rights.
CREATE FUNCTION ensure_partitions(days_ahead integer DEFAULT 7) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    day  date;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('pitboss_partitions'));
    FOR day IN SELECT generate_series(current_date, current_date + days_ahead, interval '1 day')::date LOOP
        IF to_regclass(format('attempts_%s', to_char(day, 'YYYYMMDD'))) IS NULL
           AND NOT EXISTS (SELECT FROM attempts_other WHERE at >= day AND at < day + 1) THEN
            EXECUTE format('CREATE TABLE attempts_%s PARTITION OF attempts FOR VALUES FROM (%L) TO (%L)',
                           to_char(day, 'YYYYMMDD'), day::timestamptz, (day + 1)::timestamptz);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;
SELECT ensure_partitions();

-- Seals a round's new events into its hash chain, in the order they were written. The chain is made here and not
-- at the insert, so that the replicas of five environments never queue for one row on the path of a command.
CREATE FUNCTION seal_events(sealed_round text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    event events;
    tail  record;
    count integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('pitboss_seal'), hashtext(sealed_round));
    SELECT number, hash INTO tail FROM events
     WHERE round_id = sealed_round AND number IS NOT NULL ORDER BY number DESC LIMIT 1;
    FOR event IN SELECT * FROM events WHERE round_id = sealed_round AND number IS NULL ORDER BY id LOOP
        UPDATE events
           SET number = coalesce(tail.number, 0) + 1,
               prev_hash = tail.hash,
               hash = sha256(coalesce(tail.hash, ''::bytea)
                             || convert_to(concat_ws('|', coalesce(tail.number, 0) + 1, event.round_id, event.type,
                                                     extract(epoch FROM event.at), event.data::text), 'UTF8'))
         WHERE id = event.id
        RETURNING number, hash INTO tail;
        count := count + 1;
    END LOOP;
    RETURN count;
END $$;

GRANT USAGE ON SCHEMA public TO pitboss_gateway, pitboss_table_service;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO pitboss_gateway;
GRANT INSERT ON config_versions, rounds, commands, idempotency, legs, deliveries, events TO pitboss_gateway;
GRANT UPDATE ON rounds, idempotency, legs, deliveries TO pitboss_gateway;
GRANT DELETE ON idempotency TO pitboss_gateway;
GRANT INSERT, UPDATE ON keys TO pitboss_gateway;
GRANT SELECT ON config_versions, rounds, commands, legs, deliveries, attempts, schema_migrations TO pitboss_table_service;
GRANT INSERT ON deliveries, attempts, events TO pitboss_table_service;
GRANT UPDATE ON rounds, legs, deliveries TO pitboss_table_service;
GRANT EXECUTE ON FUNCTION ensure_partitions(integer), seal_events(text) TO pitboss_gateway, pitboss_table_service;
