"""The statements of the hot path: each writes or takes work whole, in one round trip."""

from ledger.domain.commands import Kind
from ledger.store.alerts import clearing

# The round that leg `l`'s target had before: asked when it is needed, for it may be learnt late.
KNOWN = """(SELECT p.external_round_id FROM legs p
  WHERE p.environment = l.environment AND p.served_by = l.served_by AND p.id < l.id
    AND p.external_round_id IS NOT NULL ORDER BY p.id DESC LIMIT 1) AS known_round_id"""

# All a replica needs to carry out a delivery `d` of a leg `l`, in the words of domain.deliveries.Lease.
LEASE = f"""
d.id, d.token, d.lease_until, d.deadline_at, d.command_id, d.round_id, d.table_id, d.environment,
d.game_code, l.served_by, l.config_version, d.kind, d.body, l.state AS leg_state, l.required,
l.external_round_id, {KNOWN}, l.bet_stop, l.timecode_offset_ms, l.backups, d.look, d.attempts, d.due_at,
d.first_sent_at, d.created_at AS written_at, d.state,
(SELECT coalesce(s.first_sent_at, CASE WHEN s.look OR s.state = 'sending' THEN s.created_at END)
 FROM deliveries s WHERE s.leg_id = l.id AND s.kind = 'start') AS started_at
"""

# An id in the ULID form: the time of the id it follows, and random digits (hexadecimal is a part of its alphabet).
_NEXT_ID = "left({}, 10) || upper(right(replace(gen_random_uuid()::text, '-', ''), 16))"

# What a delivery that was never sent leaves in the history: the decision, and why.
DROPPED = """
SELECT round_id, table_id, environment, 'delivery.settled',
       jsonb_strip_nulls(jsonb_build_object(
           'delivery', id, 'kind', kind, 'command', command_id, 'environment', environment,
           'game_code', game_code, 'state', state, 'code', code, 'detail', detail, 'attempts', attempts,
           'scheduled', nullif(scheduled, false)))
FROM {}
"""

START = f"""
WITH target AS (
    SELECT *, EXISTS (
               SELECT FROM deliveries e
               WHERE e.environment = t.environment AND e.game_code = t.game_code
                 AND e.settled_at IS NULL AND (e.round_id IS NOT NULL OR e.state = 'sending')
           ) AS busy
    FROM unnest($9::text[], $10::text[], $11::int[], $12::bool[], $13::text[], $14::text[],
                $15::int[], $16::int[], $17::interval[])
         WITH ORDINALITY AS t(environment, game_code, config_version, required, bet_stop, finish_policy,
                              deal_to_finish_ms, timecode_offset_ms, lease, position)
), new_round AS (
    INSERT INTO rounds (id, table_id, type, state, last_command) VALUES ($1, $3, $4, 'open', $2)
), new_command AS (
    INSERT INTO commands (id, round_id, table_id, kind, body, actor, trace_id, deadline_at)
    VALUES ($2, $1, $3, 'start', $5, $6, $7, clock_timestamp() + $8::interval)
), new_legs AS (
    INSERT INTO legs (round_id, environment, game_code, served_by, config_version, position, required,
                      bet_stop, finish_policy, deal_to_finish_ms, timecode_offset_ms, backups)
    SELECT $1, environment, game_code, game_code, config_version, position, required,
           bet_stop, finish_policy, deal_to_finish_ms, timecode_offset_ms,
           ARRAY(SELECT jsonb_array_elements_text($18::jsonb -> (position - 1)::int))
    FROM target t
    RETURNING *
), written AS (
    INSERT INTO deliveries (id, command_id, round_id, leg_id, table_id, environment, game_code, kind,
                            rank, body, state, token, lease_until, due_at, deadline_at)
    SELECT {_NEXT_ID.format("$2")}, $2, $1, l.id, $3, t.environment, t.game_code, 'start', 0, $5,
           CASE WHEN busy THEN 'pending' ELSE 'sending' END,
           CASE WHEN NOT busy THEN gen_random_uuid() END,
           CASE WHEN NOT busy THEN clock_timestamp() + t.lease END,
           clock_timestamp(), clock_timestamp() + $8::interval
    FROM target t JOIN new_legs l USING (environment, game_code)
    RETURNING *
), event AS (
    INSERT INTO events (round_id, table_id, type, data)
    SELECT $1, $3, 'round.started',
           jsonb_build_object('command', $2::text, 'actor', $6::text, 'type', $4::text, 'legs',
                              (SELECT jsonb_agg(jsonb_build_object('environment', environment, 'game_code', game_code,
                                                                   'required', required) ORDER BY position)
                               FROM target))
)
SELECT {LEASE}, false AS overtaken FROM written d JOIN new_legs l ON l.id = d.leg_id
"""


def _advance(
    kind: Kind, *, before: str, after: str, legs: str, busy: str, extra: str = "", only: str = ""
) -> str:
    """Build the statement that moves a round on and writes a delivery for each leg it is meant for."""
    event = {Kind.BET_STOP: "round.bet_stopped", Kind.CANCEL: "round.cancelled"}.get(
        kind, "round.finished" if kind is Kind.FINISH else "round.result"
    )
    ended = after in ("finished", "cancelled")
    # A result is fenced by its round's id, the others are not; it only has to know that bets are stopped.
    doubted = "e.kind = 'bet-stop'" if kind is Kind.RESULT else f"e.kind <> '{kind}'"
    due = (
        "greatest(now(), l.dealt_at + l.deal_to_finish_ms * interval '1 ms')"
        if kind is Kind.FINISH
        else "now()"
    )
    also = "UNION ALL SELECT * FROM hastened" if kind is Kind.RESULT else ""
    return f"""
WITH round AS (
    UPDATE rounds SET state = CASE WHEN '{after}' = '' THEN state ELSE '{after}' END,
                      result = coalesce($8::jsonb, result), last_command = $2,
                      reason = coalesce($3::jsonb ->> 'reason', reason)
                      {", ended_at = clock_timestamp()" if ended else ""}
    WHERE id = $1 AND state IN ({before}) {only}
    RETURNING *
), new_command AS (
    INSERT INTO commands (id, round_id, table_id, kind, body, actor, trace_id, deadline_at)
    SELECT $2, id, table_id, '{kind}', $3, $4, $5, clock_timestamp() + $6::interval FROM round
), leg AS (
    SELECT l.*, {due} AS due_at, s.state AS stop_state,
           l.state = 'opened' AND coalesce(s.state = 'pending', true)
               AND NOT coalesce(l.auto_bet_stop AND l.bet_stop_at <= now(), false) AS betting,
           EXISTS (SELECT FROM deliveries e
                   WHERE e.environment = l.environment AND e.game_code = l.game_code
                     AND e.state = 'sending') AS in_flight,
           EXISTS (SELECT FROM deliveries e
                   WHERE e.environment = l.environment AND e.game_code = l.game_code
                     AND e.settled_at IS NULL AND e.round_id IS NOT NULL AND e.kind <> '{kind}'
                     AND (e.round_id <> l.round_id OR e.rank < {kind.rank})) AS waits,
           EXISTS (SELECT FROM deliveries e WHERE e.leg_id = l.id AND {doubted}
                     AND e.state <> 'accepted' AND NOT e.scheduled) AS doubtful
    FROM legs l JOIN round ON l.round_id = round.id
    LEFT JOIN deliveries s ON s.leg_id = l.id AND s.kind = 'bet-stop'
    WHERE {legs}
), {extra}
written AS (
    INSERT INTO deliveries (id, command_id, round_id, leg_id, table_id, environment, game_code, kind,
                            rank, body, state, token, lease_until, look, due_at, deadline_at)
    SELECT {_NEXT_ID.format("$2")}, $2, round.id, l.id, round.table_id, l.environment, l.game_code,
           '{kind}', {kind.rank}, $3,
           CASE WHEN {busy} THEN 'pending' ELSE 'sending' END,
           CASE WHEN NOT ({busy}) THEN gen_random_uuid() END,
           CASE WHEN NOT ({busy}) THEN clock_timestamp() + $7::interval END,
           doubtful AND NOT ({busy}), l.due_at, clock_timestamp() + $6::interval
    FROM leg l, round
    ON CONFLICT (leg_id, kind) WHERE leg_id IS NOT NULL DO UPDATE
        SET command_id = excluded.command_id, state = excluded.state, token = excluded.token,
            lease_until = excluded.lease_until, scheduled = false,
            -- Bets whose time has passed stay due then, or the ledger would not tell that they are late.
            due_at = CASE excluded.kind WHEN 'bet-stop' THEN least(deliveries.due_at, excluded.due_at)
                                        ELSE excluded.due_at END,
            deadline_at = excluded.deadline_at
        WHERE deliveries.state = 'pending'
    RETURNING *
), event AS (
    INSERT INTO events (round_id, table_id, type, data)
    SELECT id, table_id, '{event}',
           jsonb_build_object('command', $2::text, 'actor', $4::text, 'legs',
                              (SELECT coalesce(jsonb_agg(jsonb_build_object('environment', environment,
                                                                            'game_code', game_code)), '[]')
                               FROM written)) || $3::jsonb FROM round
)
SELECT {LEASE}, false AS overtaken
FROM round LEFT JOIN (SELECT * FROM written {also}) d ON true LEFT JOIN legs l ON l.id = d.leg_id
"""


# A result given while bets are open makes their stop due at once and follows it.
_HASTENED = f"""
hastened AS (
    INSERT INTO deliveries (id, command_id, round_id, leg_id, table_id, environment, game_code, kind,
                            rank, body, state, token, lease_until, look, due_at, deadline_at)
    SELECT {_NEXT_ID.format("$2")}, $2, round.id, l.id, round.table_id, l.environment, l.game_code,
           'bet-stop', {Kind.BET_STOP.rank}, '{{}}'::jsonb,
           CASE WHEN in_flight THEN 'pending' ELSE 'sending' END,
           CASE WHEN NOT in_flight THEN gen_random_uuid() END,
           CASE WHEN NOT in_flight THEN clock_timestamp() + $7::interval END,
           false, now(), clock_timestamp() + $6::interval
    FROM leg l, round WHERE betting
    ON CONFLICT (leg_id, kind) WHERE leg_id IS NOT NULL DO UPDATE
        SET command_id = excluded.command_id, state = excluded.state, token = excluded.token,
            lease_until = excluded.lease_until, scheduled = false,
            due_at = least(deliveries.due_at, excluded.due_at)
        WHERE deliveries.state = 'pending'
    RETURNING *
),"""

_CLEARED = clearing(
    "cancelled",
    "round_id IN (SELECT id FROM round)",
    command="$2",
    actor="$4",
    reason="$3::jsonb ->> 'reason'",
)

# A cancel makes pointless what has not been sent, and what people were asked about.
_OVERTAKEN = f"""
overtaken AS (
    UPDATE deliveries d SET state = 'superseded', settled_at = clock_timestamp(), code = 'cancelled',
                            detail = 'The round was cancelled before this was sent.'
    FROM round WHERE d.round_id = round.id AND d.state IN ('pending', 'unknown') AND d.kind <> 'cancel'
    RETURNING d.*
), dropped AS (
    INSERT INTO events (round_id, table_id, environment, type, data) {DROPPED.format("overtaken")}
), unopened AS (
    UPDATE legs l SET state = 'failed' FROM overtaken
    WHERE l.id = overtaken.leg_id AND overtaken.kind = 'start' AND l.state = 'pending'
), cleared AS ({_CLEARED}),"""

ADVANCE = {
    Kind.BET_STOP: _advance(
        Kind.BET_STOP,
        before="'open'",
        after="",
        legs="l.state IN ('pending', 'opened')",
        busy="in_flight OR waits",
    ),
    Kind.RESULT: _advance(
        Kind.RESULT,
        before="'open'",
        after="dealt",
        legs="l.state IN ('pending', 'opened', 'bet_stopped')",
        busy="in_flight OR waits OR betting",
        extra=_HASTENED,
    ),
    Kind.FINISH: _advance(
        Kind.FINISH,
        only="""AND EXISTS (SELECT FROM deliveries e WHERE e.round_id = rounds.id AND e.kind = 'result'
                             AND (e.settled_at IS NULL OR e.state = 'accepted'))""",
        before="'dealt'",
        after="finished",
        legs="""EXISTS (SELECT FROM deliveries e WHERE e.leg_id = l.id AND e.kind = 'result'
                          AND (e.settled_at IS NULL OR e.state = 'accepted'))""",
        busy="in_flight OR waits OR l.state <> 'dealt' OR l.due_at > now()",
    ),
    Kind.CANCEL: _advance(
        Kind.CANCEL,
        before="'open', 'dealt'",
        after="cancelled",
        # A required leg whose start came late is failed, and its round is open at the table all the same.
        legs="""(l.state IN ('pending', 'opened', 'bet_stopped', 'dealt')
                 OR (l.state = 'failed' AND l.external_round_id IS NOT NULL
                     AND EXISTS (SELECT FROM deliveries e WHERE e.leg_id = l.id AND e.kind = 'start'
                                    AND e.state = 'expired')))""",
        busy="in_flight",
        extra=_OVERTAKEN,
    ),
}

# A round of which nothing opened is over; so is one whose legs have all finished by themselves.
CONCLUDE = """
WITH over AS (
UPDATE rounds r
SET state = CASE r.state WHEN 'open' THEN 'cancelled' ELSE 'finished' END, ended_at = clock_timestamp(),
    reason = CASE r.state WHEN 'open' THEN 'No leg opened.' ELSE r.reason END
WHERE r.id = ANY($1)
  AND ((r.state = 'open' AND NOT EXISTS (
            SELECT FROM legs l WHERE l.round_id = r.id AND l.state NOT IN ('failed', 'cancelled')))
    OR (r.state = 'dealt' AND NOT EXISTS (
            SELECT FROM legs l WHERE l.round_id = r.id AND l.state NOT IN ('failed', 'finished'))))
RETURNING *
)
INSERT INTO events (round_id, table_id, type, data)
SELECT id, table_id, 'round.' || state,
       jsonb_strip_nulls(jsonb_build_object('reason', CASE state WHEN 'cancelled' THEN reason END))
FROM over
"""
