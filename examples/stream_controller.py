"""A serial controller that plays rounds by the stream: it writes commands and reads replies.

    python examples/stream_controller.py --table ARO-001 --rounds 3

It needs redis-py and nothing of Pitboss. The key is read from PITBOSS_KEY. A command may be written
again under its key as often as one likes: it is executed once.
"""

import argparse
import json
import os
import random
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import redis

PATIENCE_S = 60


class Refused(Exception):  # noqa: N818  # it says what happened
    """The fleet said no, and why."""


class Controller:
    """One table's controller."""

    def __init__(self, client: Any, table: str, key: str) -> None:
        self._client = client
        self._table = table
        self._key = key
        # Only what is said from now on is for us.
        last = client.xrevrange("table_replies", count=1)
        self._seen = last[0][0] if last else "0-0"

    def ask(self, command: str, body: dict[str, Any], round_id: str = "") -> dict[str, Any]:
        """Write a command and wait for its reply."""
        key = str(uuid.uuid4())
        entry = {
            "command": command,
            "table": self._table,
            "round": round_id,
            "body": json.dumps(body),
            "key": key,
            "actor_key": self._key,
        }
        self._client.xadd("table_commands", entry)
        for reply in self._replies():
            if reply["key"] == key:
                answer: dict[str, Any] = json.loads(reply["body"])
                if int(reply["status"]) >= 400:  # noqa: PLR2004  # as in HTTP
                    raise Refused(f"{command}: {answer.get('detail') or answer}")
                return answer
        raise Refused(f"{command}: no reply within {PATIENCE_S} s")

    def _replies(self) -> Iterator[dict[str, str]]:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            found: Any = self._client.xread({"table_replies": self._seen}, block=1000, count=100)
            streams = found.items() if isinstance(found, dict) else found or ()
            for _stream, entries in streams:
                for self._seen, fields in entries:
                    yield fields

    def play(self) -> str:
        """Play one round; the wheel's part is a random number."""
        started = self.ask("start", {"wait_ms": 5000})
        round_id = str(started["round"])
        self.ask("bet-stop", {"wait_ms": 5000}, round_id)
        number = str(random.randint(0, 36))
        self.ask("result", {"roulette": number, "wait_ms": 5000}, round_id)
        finished = self.ask("finish", {"wait_ms": 5000}, round_id)
        return f"{round_id} {finished['state']} {finished['outcome']} {number}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Play rounds by the stream of commands.")
    parser.add_argument("--redis", default="redis://127.0.0.1:6379/0", help="the fleet's Redis")
    parser.add_argument("--table", required=True)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    key = os.environ.get("PITBOSS_KEY", "")
    if not key:
        parser.error("set PITBOSS_KEY to a key of the role dealer or above")
    client: Any = redis.Redis.from_url(given.redis, decode_responses=True, protocol=2)
    with client:
        controller = Controller(client, given.table, key)
        for _ in range(given.rounds):
            try:
                print(controller.play())
            except (Refused, redis.RedisError) as error:
                print(error, file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
