"""The statements of the courier: taking due deliveries, writing what became of them, giving them back."""

from ledger.domain.commands import Kind
from ledger.store.leases import OWN
from ledger.store.statements import DROPPED, KNOWN, LEASE

# A delivery waits for those before it on its target: earlier ranks of its round, and for a start whatever
# an earlier round of the target still owes. A cancel waits only for what is in flight.
_WAITS = """
EXISTS (SELECT FROM deliveries e
        WHERE e.environment = c.environment AND e.game_code = c.game_code AND e.settled_at IS NULL
          AND e.id <> c.id
          AND (e.state = 'sending'
            OR (c.kind <> 'cancel' AND e.round_id = c.round_id AND e.rank < c.rank)
            OR (c.kind = 'start' AND e.round_id <> c.round_id AND e.seq < c.seq)))
"""

_OVERTAKEN = f"""
(EXISTS (SELECT FROM deliveries e WHERE e.leg_id = c.leg_id AND e.rank = {Kind.CANCEL.rank} AND c.rank < e.rank)
 OR (c.leg_id IS NULL AND EXISTS (
     SELECT FROM deliveries e
     WHERE e.environment = c.environment AND e.game_code = c.game_code AND e.leg_id IS NULL AND e.seq > c.seq
       AND ((c.kind IN ('pause', 'resume') AND e.kind IN ('pause', 'resume'))
         OR (c.kind = 'visibility' AND e.kind = 'visibility')))))
"""

# A bet-stop is due at its time, or at once when a result waits behind it.
_DUE_AT = f"""
CASE WHEN c.state = 'sending' THEN c.lease_until
     WHEN c.kind = 'bet-stop' AND c.scheduled AND EXISTS (
          SELECT FROM deliveries e WHERE e.leg_id = c.leg_id AND e.rank = {Kind.RESULT.rank}) THEN c.created_at
     ELSE c.due_at END
"""

CLAIM = f"""
WITH ready AS (
    SELECT c.id, row_number() OVER (PARTITION BY c.game_code ORDER BY c.rank DESC, c.seq) AS place,
           c.attempts > 0 AS backlog, c.due_at,
           {_OVERTAKEN} AS overtaken,
           c.state <> 'pending' OR EXISTS (
               SELECT FROM deliveries e WHERE e.leg_id = c.leg_id AND e.rank < c.rank
                  AND (c.kind <> 'result' OR e.kind = 'bet-stop')
                  AND e.state <> 'accepted' AND NOT e.scheduled) AS doubtful
    FROM deliveries c
    WHERE c.environment = $1 AND c.settled_at IS NULL AND {_DUE_AT} <= now() AND NOT {_WAITS}
), chosen AS (
    SELECT d.id, ready.overtaken, ready.doubtful
    FROM ready JOIN deliveries d USING (id)
    WHERE place = 1 AND (d.state <> 'sending' OR d.lease_until <= now()) AND d.settled_at IS NULL
    ORDER BY ready.backlog, ready.due_at LIMIT $2
    FOR UPDATE OF d SKIP LOCKED
), taken AS (
    UPDATE deliveries d
    SET state = 'sending', token = gen_random_uuid(), lease_until = clock_timestamp() + $3::interval,
        look = d.look OR chosen.doubtful, scheduled = false
    FROM chosen WHERE d.id = chosen.id
    RETURNING d.*, chosen.overtaken
)
SELECT {LEASE}, {OWN}, d.overtaken FROM taken d LEFT JOIN legs l ON l.id = d.leg_id
"""

# When the next delivery of the environment is due; those that wait for another are woken by its
# settlement, and expire at their deadline.
NEXT_DUE = f"""
SELECT min(CASE WHEN c.state = 'sending' OR NOT {_WAITS} THEN {_DUE_AT}
                WHEN c.state = 'pending' AND NOT c.look THEN c.deadline_at END)
FROM deliveries c WHERE c.environment = $1 AND c.settled_at IS NULL
"""

# A finish follows an accepted result by itself where the table is configured so, and where the round was finished
# while its result was still refused on this leg: else a repaired leg would stay open on the table.
_FINISHES = """
(leg.finish_policy = 'auto'
 OR EXISTS (SELECT FROM rounds r WHERE r.id = leg.round_id AND r.state = 'finished'))
"""

# One statement for any number of outcomes. Its condition is the fence: a settlement whose token is gone writes
# nothing but its attempts, marked as fenced.
SETTLE = f"""
WITH came AS (
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                         $8::real[], $9::timestamptz[], $10::bool[], $11::int[], $12::timestamptz[],
                         $13::text[], $14::int[], $15::timestamptz[], $16::bool[], $17::text[],
                         $18::timestamptz[], $29::bool[], $30::bool[])
        AS c(id, token, new_state, outcome, cause, code, detail, latency_ms, new_due_at, look, calls,
             sent_at, external_round_id, bet_period, bet_stop_at, auto_bet_stop, served_by, came_at,
             alert, cancel_late)
), done AS (
    UPDATE deliveries d
    SET state = c.new_state, token = NULL, lease_until = NULL, outcome = c.outcome, cause = c.cause,
        code = c.code, detail = c.detail, latency_ms = coalesce(c.latency_ms, d.latency_ms),
        due_at = coalesce(c.new_due_at, d.due_at), look = c.look, attempts = d.attempts + c.calls,
        first_sent_at = coalesce(d.first_sent_at, c.sent_at),
        settled_at = CASE WHEN c.new_state IN ('pending', 'unknown') THEN NULL ELSE clock_timestamp() END
    FROM came c WHERE d.id = c.id AND d.token = c.token AND d.state = 'sending'
    RETURNING d.*, c.external_round_id, c.bet_period, c.bet_stop_at, c.auto_bet_stop, c.served_by, c.came_at,
              c.alert, c.cancel_late
), leg AS (
    UPDATE legs l
    SET state = CASE done.kind
            WHEN 'start' THEN CASE done.state WHEN 'accepted' THEN 'opened' ELSE 'failed' END
            WHEN 'bet-stop' THEN CASE WHEN l.state = 'opened' THEN 'bet_stopped' ELSE l.state END
            WHEN 'result' THEN 'dealt' WHEN 'finish' THEN 'finished' ELSE 'cancelled' END,
        external_round_id = coalesce(done.external_round_id, l.external_round_id),
        bet_period = coalesce(done.bet_period, l.bet_period),
        bet_stop_at = coalesce(done.bet_stop_at, l.bet_stop_at),
        auto_bet_stop = coalesce(done.auto_bet_stop, l.auto_bet_stop),
        served_by = coalesce(done.served_by, l.served_by),
        opened_at = CASE WHEN done.kind = 'start' AND done.state = 'accepted' THEN done.came_at ELSE l.opened_at END,
        dealt_at = CASE WHEN done.kind = 'result' THEN done.came_at ELSE l.dealt_at END
    FROM done
    WHERE l.id = done.leg_id AND done.settled_at IS NOT NULL
      AND (done.state = 'accepted' OR (done.kind = 'start' AND l.state = 'pending'))
    RETURNING l.*
), timer AS (
    INSERT INTO deliveries (id, command_id, round_id, leg_id, table_id, environment, game_code, kind, rank,
                            body, state, scheduled, due_at, deadline_at)
    SELECT left(done.id, 10) || upper(right(replace(gen_random_uuid()::text, '-', ''), 16)),
           done.command_id, done.round_id, done.leg_id, done.table_id, done.environment, done.game_code,
           'bet-stop', {Kind.BET_STOP.rank}, '{{}}'::jsonb, 'pending', true, done.bet_stop_at,
           done.bet_stop_at + interval '24 hours'
    FROM done JOIN leg ON leg.id = done.leg_id
    WHERE done.kind = 'start' AND done.state = 'accepted' AND done.bet_stop_at IS NOT NULL
      AND (NOT (leg.bet_stop = 'auto' AND coalesce(done.auto_bet_stop, false))
           -- A result that was given before the start's answer came can't wait for the table to stop by itself.
           OR EXISTS (SELECT FROM deliveries e WHERE e.leg_id = done.leg_id AND e.rank = {Kind.RESULT.rank}))
    ON CONFLICT DO NOTHING
), closing AS (
    INSERT INTO deliveries (id, command_id, round_id, leg_id, table_id, environment, game_code, kind, rank,
                            body, state, scheduled, due_at, deadline_at)
    SELECT left(done.id, 10) || upper(right(replace(gen_random_uuid()::text, '-', ''), 16)),
           done.command_id, done.round_id, done.leg_id, done.table_id, done.environment, done.game_code,
           'finish', {Kind.FINISH.rank}, '{{}}'::jsonb, 'pending', true,
           done.came_at + leg.deal_to_finish_ms * interval '1 ms', done.came_at + interval '24 hours'
    FROM done JOIN leg ON leg.id = done.leg_id
    WHERE done.kind = 'result' AND done.state = 'accepted' AND {_FINISHES}
    ON CONFLICT DO NOTHING
), after_deal AS (
    UPDATE deliveries f SET due_at = greatest(f.due_at, done.came_at + leg.deal_to_finish_ms * interval '1 ms')
    FROM done JOIN leg ON leg.id = done.leg_id
    WHERE done.kind = 'result' AND done.state = 'accepted'
      AND f.leg_id = done.leg_id AND f.kind = 'finish' AND f.state = 'pending'
), pointless AS (
    UPDATE deliveries p
    SET state = 'superseded', settled_at = clock_timestamp(), code = 'not_started',
        detail = 'The start was not accepted on this leg.'
    FROM done
    WHERE done.kind = 'start' AND done.settled_at IS NOT NULL AND done.state <> 'accepted'
      AND p.leg_id = done.leg_id AND p.state IN ('pending', 'unknown') AND p.kind <> 'cancel'
    RETURNING p.*
), dropped AS (
    INSERT INTO events (round_id, table_id, environment, type, data) {DROPPED.format("pointless")}
), late AS (
    INSERT INTO deliveries (id, command_id, round_id, leg_id, table_id, environment, game_code, kind, rank,
                            body, state, look, due_at, deadline_at)
    SELECT left(id, 10) || upper(right(replace(gen_random_uuid()::text, '-', ''), 16)),
           command_id, round_id, leg_id, table_id, environment, game_code, 'cancel', {Kind.CANCEL.rank},
           '{{"reason": "The start took effect after its deadline."}}'::jsonb, 'pending', true, now(),
           now() + interval '24 hours'
    FROM done WHERE cancel_late
    ON CONFLICT DO NOTHING
), alarm AS (
    INSERT INTO events (round_id, table_id, environment, type, data)
    SELECT round_id, table_id, environment, 'alert.raised',
           jsonb_build_object('delivery', id, 'kind', kind, 'game_code', game_code, 'code', code, 'detail', detail)
    FROM done WHERE alert
), switched AS (
    INSERT INTO events (round_id, table_id, environment, type, data)
    SELECT round_id, table_id, environment, CASE kind WHEN 'pause' THEN 'table.paused' ELSE 'table.resumed' END,
           jsonb_build_object('delivery', id, 'command', command_id, 'game_code', game_code) || body
    FROM done WHERE kind IN ('pause', 'resume') AND state = 'accepted'
), event AS (
    INSERT INTO events (round_id, table_id, environment, type, data)
    SELECT round_id, table_id, environment,
           CASE WHEN settled_at IS NULL THEN 'delivery.deferred' ELSE 'delivery.settled' END,
           jsonb_strip_nulls(jsonb_build_object(
               'delivery', id, 'kind', kind, 'command', command_id, 'environment', environment,
               'game_code', game_code, 'state', state, 'outcome', outcome, 'cause', cause, 'code', code,
               'detail', detail, 'attempts', attempts, 'latency_ms', latency_ms,
               'external_round_id', external_round_id, 'bet_period', bet_period, 'bet_stop_at', bet_stop_at,
               'auto_bet_stop', auto_bet_stop, 'served_by', served_by,
               'opened_at', CASE WHEN kind = 'start' AND state = 'accepted' THEN came_at END,
               'cancel_late', nullif(cancel_late, false),
               'next_attempt_at', CASE WHEN settled_at IS NULL THEN due_at END))
    FROM done
), attempt AS (
    INSERT INTO attempts (at, delivery_id, operation, instance, outcome, cause, http_status, code, detail,
                          latency_ms, fenced)
    SELECT a.at, a.delivery_id, a.operation, $28, a.outcome, a.cause, a.http_status, a.code, a.detail,
           a.latency_ms, NOT EXISTS (SELECT FROM done WHERE done.id = a.delivery_id)
    FROM unnest($19::timestamptz[], $20::text[], $21::text[], $22::text[], $23::text[], $24::smallint[],
                $25::text[], $26::text[], $27::real[])
        AS a(at, delivery_id, operation, outcome, cause, http_status, code, detail, latency_ms)
)
SELECT id, command_id, round_id, kind, state,
       EXISTS (SELECT FROM deliveries e
               WHERE e.environment = done.environment AND e.game_code = done.game_code
                 AND e.id <> done.id AND e.settled_at IS NULL)
       OR EXISTS (SELECT FROM leg
                  WHERE leg.id = done.leg_id AND done.kind = 'result' AND {_FINISHES}) AS followed
FROM done
"""

# A backup takes a start over before it is sent there, so that whoever looks later looks there.
SWITCH = f"""
WITH held AS (
    SELECT d.leg_id, d.id FROM deliveries d
    WHERE d.id = $1 AND d.token = $2::uuid AND d.state = 'sending' AND d.lease_until > clock_timestamp()
    FOR UPDATE
), leg AS (
    UPDATE legs l
    SET served_by = $3 FROM held WHERE l.id = held.leg_id
    RETURNING l.*, held.id AS delivery_id
), event AS (
    INSERT INTO events (round_id, table_id, environment, type, data)
    SELECT leg.round_id, r.table_id, leg.environment, 'leg.failed_over',
           jsonb_build_object('delivery', leg.delivery_id, 'environment', leg.environment,
                              'game_code', leg.game_code, 'served_by', leg.served_by, 'detail', $4::text)
    FROM leg JOIN rounds r ON r.id = leg.round_id
)
SELECT {KNOWN} FROM leg l
"""

# The gateway's way back when nothing left it: the lease ends at once and the courier takes over.
RELEASE = """
WITH released AS (
UPDATE deliveries
SET state = 'pending', token = NULL, lease_until = NULL, due_at = clock_timestamp(), outcome = 'not_sent',
    cause = 'refused', detail = $3
WHERE id = ANY($1) AND token = ANY($2::uuid[]) AND state = 'sending'
RETURNING *
)
INSERT INTO events (round_id, table_id, environment, type, data)
SELECT round_id, table_id, environment, 'delivery.deferred',
       jsonb_build_object('delivery', id, 'kind', kind, 'command', command_id, 'environment', environment,
                          'game_code', game_code, 'state', state, 'outcome', outcome, 'cause', cause,
                          'detail', detail, 'attempts', attempts, 'next_attempt_at', due_at)
FROM released
"""
