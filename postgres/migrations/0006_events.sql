-- The feed: every event of the public kinds in one order that all readers share, without a gap.

-- The sealed history stays as it is; an event says from now on which transaction wrote it. In two steps, as a
-- default given at once would rewrite the table.
ALTER TABLE events ADD COLUMN xid xid8;
ALTER TABLE events ALTER COLUMN xid SET DEFAULT pg_current_xact_id();
CREATE INDEX events_by_transaction ON events (xid) WHERE xid IS NOT NULL;

CREATE TABLE feed (
    seq      bigint PRIMARY KEY,
    -- No foreign key: its lock on the event would meet the one of whoever seals it.
    event_id bigint NOT NULL,
    type     text   NOT NULL
);
CREATE UNIQUE INDEX feed_by_event ON feed (event_id);

-- How far the feed is. What the last publication could see is kept as a snapshot: the next one takes what is visible
-- now and was not then. Ids are handed out before the commit, so they can't say that.
CREATE TABLE feed_state (
    one      boolean     PRIMARY KEY DEFAULT true CHECK (one),
    seq      bigint      NOT NULL,
    snapshot pg_snapshot NOT NULL,
    -- The cluster that snapshot is of: in another one (a dump read in) its numbers mean nothing.
    cluster  bigint      NOT NULL
);

-- Which gateway keeps the feed and the stream going just now.
CREATE TABLE feed_relay (
    one    boolean     PRIMARY KEY DEFAULT true CHECK (one),
    holder text        NOT NULL,
    until  timestamptz NOT NULL
);
INSERT INTO feed_relay (holder, until) VALUES ('', '-infinity');

-- What the fleet is told of an event, by the name it has in the history; nothing of what is ours alone.
CREATE FUNCTION public_type(type text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN type IN ('round.started', 'round.bet_stopped', 'round.result', 'round.finished', 'round.cancelled',
                      'delivery.settled', 'delivery.deferred', 'breaker.opened', 'breaker.closed', 'table.paused',
                      'table.resumed', 'config.changed', 'service.joined', 'service.left', 'alert.raised',
                      'alert.cleared') THEN type
        WHEN type = 'leg.skipped' THEN 'delivery.settled'
        WHEN type = 'leg.retried' THEN 'delivery.deferred'
    END
$$;

-- Takes into the feed what an id says is not there yet: the way for the events from before the feed, and for a ledger
-- that was read in from a dump.
CREATE FUNCTION refill_feed() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    head bigint;
BEGIN
    LOCK TABLE feed_state IN EXCLUSIVE MODE;
    -- Nothing may be under way that the snapshot below would not know of.
    LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE;
    SELECT coalesce(max(seq), 0) INTO head FROM feed;
    INSERT INTO feed (seq, event_id, type)
    SELECT head + row_number() OVER (ORDER BY e.id), e.id, public_type(e.type)
      FROM events e
     WHERE public_type(e.type) IS NOT NULL AND NOT EXISTS (SELECT FROM feed f WHERE f.event_id = e.id);
    SELECT coalesce(max(seq), 0) INTO head FROM feed;
    INSERT INTO feed_state (seq, snapshot, cluster)
    VALUES (head, pg_current_snapshot(), (SELECT system_identifier FROM pg_control_system()))
    ON CONFLICT (one) DO UPDATE
       SET seq = excluded.seq, snapshot = excluded.snapshot, cluster = excluded.cluster;
    RETURN head;
END $$;

-- What the feed lacks. Not visible then means: begun later, or under way then. Both are looked up in the index, so it
-- costs the same however long some other transaction has been open; the settings keep the planner from guessing that a
-- third of all events are new. Stable: it sees what the statement sees that calls it.
CREATE FUNCTION unpublished() RETURNS TABLE (id bigint, type text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public
SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    newer xid8;
    open  xid8[];
BEGIN
    SELECT pg_snapshot_xmax(s.snapshot), ARRAY(SELECT pg_snapshot_xip(s.snapshot)) INTO newer, open FROM feed_state s;
    RETURN QUERY
        SELECT e.id, e.type FROM events e WHERE e.xid >= newer AND public_type(e.type) IS NOT NULL;
    IF open <> '{}' THEN
        RETURN QUERY
            SELECT e.id, e.type FROM events e WHERE e.xid = ANY(open) AND public_type(e.type) IS NOT NULL;
    END IF;
END $$;

-- Numbers what has been committed since the last time, in the order it was written; gives the last number there is.
-- Whoever calls it, and however many: the row of feed_state lets one in at a time.
CREATE FUNCTION publish_events() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    head bigint;
BEGIN
    PERFORM FROM feed_state FOR UPDATE;
    -- One statement has one snapshot: what it inserts is what it says it has seen.
    WITH taken AS (
        INSERT INTO feed (seq, event_id, type)
        SELECT s.seq + row_number() OVER (ORDER BY u.id), u.id, public_type(u.type)
          FROM feed_state s CROSS JOIN unpublished() u
        RETURNING seq
    )
    UPDATE feed_state SET snapshot = pg_current_snapshot(),
                          seq = coalesce((SELECT max(taken.seq) FROM taken), feed_state.seq)
    RETURNING feed_state.seq INTO head;
    RETURN head;
END $$;

SELECT refill_feed();

-- Which breakers the fleet was told are open, so that of many replicas that say so one tells it.
CREATE TABLE breakers (
    environment text        NOT NULL,
    game_code   text        NOT NULL,
    table_id    text        NOT NULL,
    is_open     boolean     NOT NULL,
    changed_at  timestamptz NOT NULL,
    -- An open breaker is confirmed by each failed probe.
    seen_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (environment, game_code)
);

REVOKE EXECUTE ON FUNCTION refill_feed(), unpublished(), publish_events() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION refill_feed(), unpublished(), publish_events() TO pitboss_gateway;
GRANT SELECT ON feed, feed_state, feed_relay, breakers TO pitboss_gateway;
GRANT UPDATE ON feed_relay, breakers TO pitboss_gateway;
GRANT SELECT, INSERT, UPDATE ON breakers TO pitboss_table_service;
