-- Commands that came by the stream: accepted here before they are acknowledged there, worked off in order table by
-- table by whichever gateway has room, answered here before they are answered there.
CREATE TABLE stream_commands (
    sequence    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id    text        NOT NULL UNIQUE,
    table_id    text        NOT NULL,
    command     text        NOT NULL,
    round_id    text,
    body        bytea       NOT NULL,
    wait_ms     integer     NOT NULL,
    key         text        NOT NULL,
    -- Of the actor's key only what the table of keys has too: it is looked up when its turn comes.
    key_hash    bytea       NOT NULL,
    -- How long it lay in the stream before a gateway took it.
    lay_ms      bigint      NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Until when whoever works at it counts as alive.
    taken_until timestamptz,
    status      integer,
    answer      bytea,
    answered_at timestamptz,
    replied_at  timestamptz,
    CHECK ((status IS NULL) = (answer IS NULL))
);
CREATE INDEX stream_commands_open ON stream_commands (table_id, sequence) WHERE status IS NULL;
CREATE INDEX stream_commands_unreplied ON stream_commands (sequence)
    WHERE status IS NOT NULL AND replied_at IS NULL;
CREATE INDEX stream_commands_starts ON stream_commands (table_id, sequence DESC) WHERE command = 'start';
CREATE INDEX stream_commands_by_key ON stream_commands (key_hash, key, sequence DESC);
CREATE INDEX stream_commands_replied ON stream_commands (replied_at) WHERE replied_at IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON stream_commands TO pitboss_gateway;
