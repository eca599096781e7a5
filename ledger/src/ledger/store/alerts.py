"""Alerts of deliveries: cleared with what people decide about them."""

from typing import Final

# Whether the last word on delivery `d` is an alert.
_STANDS: Final = """
(SELECT e.type = 'alert.raised' FROM events e
 WHERE e.round_id = d.round_id AND e.type IN ('alert.raised', 'alert.cleared') AND e.data ->> 'delivery' = d.id
 ORDER BY e.id DESC LIMIT 1)
"""


def clearing(code: str, whose: str, *, command: str, actor: str, reason: str) -> str:
    """Give the statement, or part of one, that clears the alerts of deliveries `d`."""
    return f"""
INSERT INTO events (round_id, table_id, environment, type, data)
SELECT round_id, table_id, environment, 'alert.cleared',
       jsonb_strip_nulls(jsonb_build_object(
           'delivery', id, 'kind', kind, 'environment', environment, 'game_code', game_code, 'code', '{code}',
           'command', {command}::text, 'actor', {actor}::text, 'reason', {reason}::text))
FROM deliveries d WHERE {whose} AND {_STANDS}
"""
