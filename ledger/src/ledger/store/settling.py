"""What became of deliveries, written in one statement with all that follows from it.

The statement is put together from what the outcomes at hand call for: most are a plain yes, and what Postgres would
have to plan and start for the rare ones costs more than the writing itself.
"""

from collections.abc import Sequence
from functools import cache

from ledger.domain.commands import Kind
from ledger.domain.deliveries import SETTLED, Settlement
from ledger.store.statements import DROPPED

# A finish follows an accepted result by itself where the table is configured so, and where the round was finished
# while its result was still refused on this leg: else a repaired leg would stay open on the table.
_FINISHES = """
(leg.finish_policy = 'auto'
 OR EXISTS (SELECT FROM rounds r WHERE r.id = leg.round_id AND r.state = 'finished'))
"""

# The condition of `done` is the fence: a settlement whose token is gone writes nothing but its attempts, marked as
# fenced. Only what is being sent has a token; to ask for that state too would let Postgres look for an id among all
# that are being sent, instead of by its key.
_DONE = """
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
    FROM came c WHERE d.id = c.id AND d.token = c.token
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
)"""

_TIMER = f"""
timer AS (
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
)"""

_CLOSING = f"""
closing AS (
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
)"""

_POINTLESS = f"""
pointless AS (
    UPDATE deliveries p
    SET state = 'superseded', settled_at = clock_timestamp(), code = 'not_started',
        detail = 'The start was not accepted on this leg.'
    FROM done
    WHERE done.kind = 'start' AND done.settled_at IS NOT NULL AND done.state <> 'accepted'
      AND p.leg_id = done.leg_id AND p.state IN ('pending', 'unknown') AND p.kind <> 'cancel'
    RETURNING p.*
), dropped AS (
    INSERT INTO events (round_id, table_id, environment, type, data) {DROPPED.format("pointless")}
)"""

_LATE = f"""
late AS (
    INSERT INTO deliveries (id, command_id, round_id, leg_id, table_id, environment, game_code, kind, rank,
                            body, state, look, due_at, deadline_at)
    SELECT left(id, 10) || upper(right(replace(gen_random_uuid()::text, '-', ''), 16)),
           command_id, round_id, leg_id, table_id, environment, game_code, 'cancel', {Kind.CANCEL.rank},
           '{{"reason": "The start took effect after its deadline."}}'::jsonb, 'pending', true, now(),
           now() + interval '24 hours'
    FROM done WHERE cancel_late
    ON CONFLICT DO NOTHING
)"""

_ALARM = """
alarm AS (
    INSERT INTO events (round_id, table_id, environment, type, data)
    SELECT round_id, table_id, environment, 'alert.raised',
           jsonb_build_object('delivery', id, 'kind', kind, 'game_code', game_code, 'code', code, 'detail', detail)
    FROM done WHERE alert
)"""

_SWITCHED = """
switched AS (
    INSERT INTO events (round_id, table_id, environment, type, data)
    SELECT round_id, table_id, environment, CASE kind WHEN 'pause' THEN 'table.paused' ELSE 'table.resumed' END,
           jsonb_build_object('delivery', id, 'command', command_id, 'game_code', game_code) || body
    FROM done WHERE kind IN ('pause', 'resume') AND state = 'accepted'
)"""

_RECORDED = """
event AS (
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
       kind IN ('start', 'finish', 'cancel') AND coalesce(
           (SELECT r.state IN ('open', 'dealt') FROM rounds r WHERE r.id = done.round_id), false) AS in_play,
       EXISTS (SELECT FROM deliveries e
               WHERE e.environment = done.environment AND e.game_code = done.game_code
                 AND e.id <> done.id AND e.settled_at IS NULL) {follows} AS followed
FROM done
"""

_FINISH_FOLLOWS = f"""OR EXISTS (SELECT FROM leg
                  WHERE leg.id = done.leg_id AND done.kind = 'result' AND {_FINISHES})"""


def statement(settlements: Sequence[Settlement]) -> str:
    """Give the statement that writes these, and others of their like."""
    opened = refused = dealt = switched = False
    for each in settlements:
        kind, accepted = each.lease.kind, each.state == "accepted"
        opened |= kind is Kind.START and accepted
        refused |= kind is Kind.START and not accepted and each.state in SETTLED
        dealt |= kind is Kind.RESULT and accepted
        switched |= kind in (Kind.PAUSE, Kind.RESUME) and accepted
    return _build(
        opened,
        dealt,
        refused,
        any(each.cancel_late for each in settlements),
        any(each.alert for each in settlements),
        switched,
    )


@cache
def _build(*called_for: bool) -> str:
    parts = (_TIMER, _CLOSING, _POINTLESS, _LATE, _ALARM, _SWITCHED)
    chosen = [part for part, wanted in zip(parts, called_for, strict=True) if wanted]
    recorded = _RECORDED.format(follows=_FINISH_FOLLOWS if _CLOSING in chosen else "")
    return ",".join([_DONE, *chosen, recorded])
