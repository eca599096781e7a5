-- Who may do what: keys with an author, an end and a rate of their own; logins of browsers; the audit list.

ALTER TABLE keys
    DROP CONSTRAINT keys_role_check,
    ADD CONSTRAINT keys_role_check CHECK (role IN ('device', 'viewer', 'dealer', 'operator', 'admin')),
    ADD COLUMN author          text NOT NULL DEFAULT 'admin',
    ADD COLUMN expires_at      timestamptz,
    ADD COLUMN rate_per_second real CHECK (rate_per_second > 0),
    ADD COLUMN rate_burst      integer CHECK (rate_burst > 0),
    ADD CHECK ((rate_per_second IS NULL) = (rate_burst IS NULL));
-- Commands and the audit list record a name: at any moment it means one key.
CREATE UNIQUE INDEX keys_one_of_a_name ON keys (name) WHERE revoked_at IS NULL;

-- A browser's login. Of the cookie only a hash is kept; the key's hash and not its id, so that the admin key,
-- which stands in no table, ends its logins too when it is replaced.
CREATE TABLE logins (
    hash       bytea       PRIMARY KEY,
    key_hash   bytea       NOT NULL,
    address    text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    used_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX logins_by_end ON logins (expires_at);

-- What was changed, by whom and from where. Nobody but the owner may change or remove a line.
CREATE TABLE audit (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor    text        NOT NULL,
    action   text        NOT NULL,
    subject  text        NOT NULL,
    address  text,
    trace_id text,
    before   jsonb,
    after    jsonb
);
CREATE INDEX audit_by_actor ON audit (actor, id DESC);
CREATE INDEX audit_by_action ON audit (action, id DESC);
CREATE INDEX audit_by_time ON audit (at);

-- A key's role and limits are never changed: a key that should do something else is another key.
REVOKE UPDATE ON keys FROM pitboss_gateway;
GRANT UPDATE (last_used_at, revoked_at) ON keys TO pitboss_gateway;
GRANT SELECT, INSERT, DELETE ON logins TO pitboss_gateway;
GRANT UPDATE (used_at) ON logins TO pitboss_gateway;
GRANT SELECT, INSERT ON audit TO pitboss_gateway;
