"""The statements of the courier: taking due deliveries, giving them to a backup, giving them back."""

from ledger.domain.commands import Kind
from ledger.store.leases import OWN
from ledger.store.statements import KNOWN, LEASE

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

# A backup takes a start over before it is sent there, so that whoever looks later looks there.
SWITCH = f"""
WITH held AS (
    SELECT d.leg_id, d.id FROM deliveries d
    WHERE d.id = $1 AND d.token = $2::uuid AND d.lease_until > clock_timestamp()
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
WHERE id = ANY($1) AND token = ANY($2::uuid[])
RETURNING *
)
INSERT INTO events (round_id, table_id, environment, type, data)
SELECT round_id, table_id, environment, 'delivery.deferred',
       jsonb_build_object('delivery', id, 'kind', kind, 'command', command_id, 'environment', environment,
                          'game_code', game_code, 'state', state, 'outcome', outcome, 'cause', cause,
                          'detail', detail, 'attempts', attempts, 'next_attempt_at', due_at)
FROM released
"""
