"""The invariants that SQL can show: each statement gives the rows that break it.

$1 is a round or null for all, $2 the time since when rounds count or null for ever.
"""

from dataclasses import dataclass

from ledger.verify.checks import Check

# Attempts carry the clock of the replica that made them, set by Postgres's; they may differ by this.
_CLOCKS = "interval '100 ms'"

SCOPE = """
WITH scope AS (
    SELECT * FROM rounds
    WHERE ($1::text IS NULL OR id = $1) AND ($2::timestamptz IS NULL OR started_at >= $2)
)
"""

_PLACE = "l.round_id AS round, l.environment, l.game_code"
_OF_ROUND = "d.round_id AS round, d.environment, d.game_code, d.kind"
_DEFERRED = """
EXISTS (SELECT FROM events e WHERE e.round_id = d.round_id AND e.type IN ('delivery.deferred', 'leg.retried')
           AND e.data ->> 'delivery' = d.id)
"""


@dataclass(frozen=True, slots=True)
class Invariant:
    """A check and its statement."""

    check: Check
    sql: str


def _invariant(number: int, name: str, sentence: str, sql: str) -> Invariant:
    return Invariant(Check(name, number, sentence), sql)


INVARIANTS = (
    _invariant(
        1,
        "result_meets_every_leg",
        "A result has a delivery for every leg that opened, whatever became of it.",
        f"""SELECT {_PLACE}, l.state
            FROM scope r JOIN legs l ON l.round_id = r.id
            WHERE r.result IS NOT NULL AND l.state IN ('opened', 'bet_stopped', 'dealt', 'finished')
              AND NOT EXISTS (SELECT FROM deliveries d WHERE d.leg_id = l.id AND d.kind = 'result')""",
    ),
    _invariant(
        1,
        "undelivered_result_says_why",
        "A result that was given up on a leg says why.",
        f"""SELECT {_OF_ROUND}, d.state
            FROM scope r JOIN deliveries d ON d.round_id = r.id
            WHERE d.kind = 'result' AND d.state IN ('rejected', 'expired', 'superseded', 'skipped')
              AND d.code IS NULL AND d.detail IS NULL AND coalesce(d.cause, 'none') = 'none'""",
    ),
    _invariant(
        1,
        "leg_state_was_accepted",
        "A leg is where a command accepted by its table has put it.",
        f"""SELECT {_PLACE}, l.state
            FROM scope r JOIN legs l ON l.round_id = r.id
            WHERE l.state NOT IN ('pending', 'failed') AND NOT EXISTS (
                SELECT FROM deliveries d WHERE d.leg_id = l.id AND d.state = 'accepted'
                   AND d.kind = CASE l.state WHEN 'opened' THEN 'start' WHEN 'bet_stopped' THEN 'bet-stop'
                       WHEN 'dealt' THEN 'result' WHEN 'finished' THEN 'finish' ELSE 'cancel' END)""",
    ),
    _invariant(
        2,
        "accepted_once",
        "No table answered the same start, bet-stop, finish or cancel with yes twice.",
        f"""SELECT {_OF_ROUND}, count(*) AS accepted
            FROM scope r JOIN deliveries d ON d.round_id = r.id JOIN attempts a ON a.delivery_id = d.id
            WHERE d.kind <> 'result' AND a.operation = d.kind AND a.outcome = 'accepted'
            GROUP BY d.id HAVING count(*) > 1""",
    ),
    _invariant(
        3,
        "late_start_is_answered_for",
        "A round that opened on a leg whose start was given up is cancelled there, or alerted.",
        f"""SELECT {_OF_ROUND}, d.state, d.code, l.external_round_id
            FROM scope r JOIN deliveries d ON d.round_id = r.id JOIN legs l ON l.id = d.leg_id
            WHERE d.kind = 'start' AND d.settled_at IS NOT NULL AND d.state <> 'accepted'
              AND l.external_round_id IS NOT NULL
              AND NOT EXISTS (SELECT FROM deliveries c WHERE c.leg_id = l.id AND c.kind = 'cancel')
              AND NOT EXISTS (SELECT FROM events e WHERE e.round_id = d.round_id
                                 AND e.type = 'alert.raised' AND e.data ->> 'delivery' = d.id)""",
    ),
    _invariant(
        3,
        "no_start_begun_late",
        "No start was sent once its deadline had passed.",
        f"""SELECT {_OF_ROUND}, d.deadline_at, a.at AS sent_at, a.instance
            FROM scope r JOIN deliveries d ON d.round_id = r.id JOIN attempts a ON a.delivery_id = d.id
            WHERE d.kind = 'start' AND a.operation = 'start' AND a.at > d.deadline_at + {_CLOCKS}""",
    ),
    _invariant(
        4,
        "table_round_belongs_to_one_leg",
        "A table's round is that of one leg: no command of one round reaches the round of another.",
        """SELECT l.environment, l.served_by, l.external_round_id, array_agg(l.round_id ORDER BY l.id) AS rounds
           FROM legs l WHERE l.external_round_id IS NOT NULL
           GROUP BY 1, 2, 3
           HAVING count(*) > 1 AND bool_or(EXISTS (SELECT FROM scope r WHERE r.id = l.round_id))""",
    ),
    _invariant(
        4,
        "looked_before_sending_again",
        "After an answer that was lost, the table is looked at before a command is sent again.",
        f"""SELECT {_OF_ROUND}, w.at AS sent_at, w.before_at, w.instance
            FROM scope r JOIN deliveries d ON d.round_id = r.id
            JOIN LATERAL (
                SELECT a.*, lag(a.operation) OVER calls AS before, lag(a.outcome) OVER calls AS before_outcome,
                       lag(a.at) OVER calls AS before_at
                FROM attempts a WHERE a.delivery_id = d.id AND a.operation <> 'sessions'
                WINDOW calls AS (ORDER BY a.at)
            ) w ON w.operation = d.kind AND w.before = w.operation AND w.before_outcome = 'unknown'
            WHERE d.kind <> 'result'""",
    ),
    _invariant(
        5,
        "legs_go_in_order",
        "What a leg's table accepted, it accepted in order; nothing after a cancel.",
        """SELECT a.round_id AS round, a.environment, a.game_code, a.kind AS later, b.kind AS earlier,
                  a.settled_at AS later_at, b.settled_at AS earlier_at
           FROM scope r JOIN deliveries a ON a.round_id = r.id
           JOIN deliveries b ON b.leg_id = a.leg_id AND a.rank < b.rank
           WHERE a.state = 'accepted' AND b.state = 'accepted' AND b.settled_at < a.settled_at""",
    ),
    _invariant(
        5,
        "no_result_before_its_start",
        "No result was sent to a leg that had not opened.",
        f"""SELECT {_OF_ROUND}, a.at AS sent_at, s.state AS start, s.settled_at AS opened_at
            FROM scope r JOIN deliveries d ON d.round_id = r.id AND d.kind = 'result'
            JOIN attempts a ON a.delivery_id = d.id AND a.operation = 'deal'
            JOIN deliveries s ON s.leg_id = d.leg_id AND s.kind = 'start'
            WHERE s.state <> 'accepted' OR a.at < s.settled_at - {_CLOCKS}""",
    ),
    _invariant(
        5,
        "nothing_sent_after_a_cancel",
        "Once a leg's cancel was accepted nothing more was sent to it for that round.",
        f"""SELECT {_OF_ROUND}, a.at AS sent_at, c.settled_at AS cancelled_at
            FROM scope r JOIN deliveries d ON d.round_id = r.id AND d.kind <> 'cancel'
            JOIN deliveries c ON c.leg_id = d.leg_id AND c.kind = 'cancel' AND c.state = 'accepted'
            JOIN attempts a ON a.delivery_id = d.id AND a.operation NOT IN ('get', 'sessions')
            WHERE a.at > c.settled_at + {_CLOCKS}""",
    ),
    _invariant(
        6,
        "one_result_per_round",
        "Every leg was sent the round's one result, the one that was asked for.",
        f"""SELECT {_OF_ROUND}, d.body AS sent, r.result
            FROM scope r JOIN deliveries d ON d.round_id = r.id
            WHERE d.kind = 'result' AND d.body IS DISTINCT FROM r.result
            UNION ALL
            SELECT c.round_id, null, null, c.kind, c.body, r.result
            FROM scope r JOIN commands c ON c.round_id = r.id
            WHERE c.kind = 'result' AND c.body IS DISTINCT FROM r.result""",
    ),
    _invariant(
        7,
        "retries_stay_in_budget",
        "No replica sent a target more retries in a minute than ten, or a fifth of its first calls.",
        # A budget forgets by whole seconds, and a call right after a new session is the same try.
        """SELECT w.round, w.environment, w.served_by, w.instance, w.at, w.firsts, w.retries
            FROM (
                SELECT *, count(*) FILTER (WHERE place = 1) OVER minute AS firsts,
                       count(*) FILTER (WHERE sends AND place > 1 AND before <> 'sessions'
                                        AND sent_before > 0) OVER minute AS retries
                FROM (
                    SELECT d.round_id AS round, l.environment, l.served_by, a.instance, a.at,
                           a.operation NOT IN ('get', 'sessions') AS sends,
                           row_number() OVER calls AS place, lag(a.operation) OVER calls AS before,
                           count(*) FILTER (WHERE a.operation NOT IN ('get', 'sessions'))
                               OVER (calls ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS sent_before
                    FROM attempts a JOIN deliveries d ON d.id = a.delivery_id JOIN legs l ON l.id = d.leg_id
                    WHERE $2::timestamptz IS NULL OR a.at >= $2
                    WINDOW calls AS (PARTITION BY a.delivery_id ORDER BY a.at)
                ) made
                WINDOW minute AS (PARTITION BY environment, served_by, instance ORDER BY at
                                  RANGE BETWEEN interval '59 seconds' PRECEDING AND CURRENT ROW)
            ) w
            WHERE w.retries > greatest(10, floor(0.2 * w.firsts))
              AND EXISTS (SELECT FROM scope r WHERE r.id = w.round)""",
    ),
    _invariant(
        8,
        "settled_with_evidence",
        "Each settled delivery has an attempt or a recorded decision; an accepted one, an attempt.",
        f"""SELECT {_OF_ROUND}, d.id AS delivery, d.state
            FROM scope r JOIN deliveries d ON d.round_id = r.id
            WHERE d.settled_at IS NOT NULL
              AND NOT EXISTS (SELECT FROM attempts a WHERE a.delivery_id = d.id AND NOT a.fenced)
              AND (d.state = 'accepted' OR NOT EXISTS (
                   SELECT FROM events e
                   WHERE e.round_id = d.round_id AND e.type IN ('delivery.settled', 'leg.skipped')
                     AND e.data ->> 'delivery' = d.id
                     AND coalesce(e.data ->> 'code', e.data ->> 'cause', e.data ->> 'reason') IS NOT NULL))""",
    ),
    _invariant(
        9,
        "bets_stop_on_time",
        "Where we stop the bets they stop at their time, 250 ms late at most, or the ledger says why.",
        # A courier looks first only where the account of an earlier call was lost: what was found then was sent when
        # nobody can say. A send after such a look is one like any other: late, unless the delivery says why.
        f"""SELECT {_PLACE}, l.bet_stop_at, d.state, a.at AS stopped_at
            FROM scope r JOIN legs l ON l.round_id = r.id
            LEFT JOIN deliveries d ON d.leg_id = l.id AND d.kind = 'bet-stop'
            LEFT JOIN LATERAL (SELECT min(at) FILTER (WHERE operation <> 'get') AS at,
                                      bool_and(operation = 'get') AS found
                               FROM attempts WHERE delivery_id = d.id AND operation <> 'sessions') a ON true
            WHERE l.bet_stop_at IS NOT NULL AND l.opened_at IS NOT NULL
              AND CASE WHEN d.id IS NULL
                  THEN l.state = 'opened' AND NOT (l.bet_stop = 'auto' AND coalesce(l.auto_bet_stop, false))
                       AND l.bet_stop_at < clock_timestamp() - interval '250 ms'
                  ELSE d.state IN ('accepted', 'pending', 'sending', 'unknown') AND NOT d.look
                       AND a.found IS NOT TRUE
                       AND coalesce(a.at, clock_timestamp())
                           > greatest(l.bet_stop_at, l.opened_at, d.created_at) + interval '250 ms'
                       AND d.code IS NULL AND d.detail IS NULL AND coalesce(d.cause, 'none') = 'none'
                       AND NOT {_DEFERRED} END""",
    ),
    _invariant(
        10,
        "environments_do_not_wait",
        "No environment's first call was begun only when another environment's slow one was done.",
        f"""SELECT {_OF_ROUND}, d.created_at, d.first_sent_at, o.environment AS waited_for
            FROM scope r JOIN deliveries d ON d.round_id = r.id
            JOIN deliveries o ON o.command_id = d.command_id AND o.kind = d.kind
                              AND o.environment <> d.environment
            WHERE d.kind IN ('start', 'result', 'cancel')
              AND d.first_sent_at > d.created_at + interval '1 second'
              AND o.settled_at > o.created_at + interval '1 second'
              AND o.settled_at BETWEEN d.first_sent_at - interval '250 ms' AND d.first_sent_at
              AND o.first_sent_at < o.created_at + interval '1 second'
              AND EXISTS (SELECT FROM attempts a WHERE a.delivery_id = o.id AND a.latency_ms > 500)
              AND NOT EXISTS (SELECT FROM deliveries e
                              WHERE e.environment = d.environment AND e.game_code = d.game_code AND e.id <> d.id
                                AND e.created_at < d.first_sent_at
                                AND (e.settled_at IS NULL OR e.settled_at > d.created_at))
              AND NOT {_DEFERRED}""",
    ),
)
