-- Who is there, and batches: one command on many tables.

-- The replicas that came and went. Redis tells who is alive; this tells what was said of it, so that each coming
-- and each going is one event, whoever notices.
CREATE TABLE services (
    instance    text        PRIMARY KEY,
    service     text        NOT NULL,
    environment text,
    version     text        NOT NULL,
    url         text,
    started_at  timestamptz NOT NULL,
    joined_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    left_at     timestamptz
);
-- What happens to a service happens at no table.
ALTER TABLE events ALTER COLUMN table_id DROP NOT NULL;

CREATE TABLE batches (
    id             text        PRIMARY KEY,
    command        text        NOT NULL,
    body           jsonb       NOT NULL,
    actor          text        NOT NULL,
    -- The environments that the actor's key was limited to.
    environments   text[],
    max_concurrent integer     NOT NULL CHECK (max_concurrent > 0),
    wait_ms        integer     NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    deadline_at    timestamptz NOT NULL,
    cancelled_at   timestamptz,
    finished_at    timestamptz,
    -- The gateway that carries it out says so again and again; another one takes over when it stops.
    owner          text        NOT NULL,
    lease_until    timestamptz NOT NULL
);
CREATE INDEX batches_unfinished ON batches (lease_until) WHERE finished_at IS NULL;

CREATE TABLE batch_tables (
    batch_id    text        NOT NULL REFERENCES batches ON DELETE CASCADE,
    position    integer     NOT NULL,
    table_id    text        NOT NULL,
    -- The id its command has in the ledger, given beforehand: whoever carries it out, it is written once.
    command_id  text        NOT NULL,
    -- The round that was open when the batch was asked for: no other one is ever meant.
    round_id    text,
    state       text        NOT NULL
        CHECK (state IN ('waiting', 'running', 'complete', 'partial', 'failed', 'pending', 'refused', 'not_begun')),
    status      smallint,
    code        text,
    detail      text,
    begun_at    timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (batch_id, position),
    UNIQUE (batch_id, table_id),
    CHECK ((state IN ('waiting', 'running')) = (finished_at IS NULL))
);

GRANT SELECT, INSERT, UPDATE, DELETE ON services TO pitboss_gateway;
GRANT SELECT, INSERT, UPDATE ON services TO pitboss_table_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON batches, batch_tables TO pitboss_gateway;
