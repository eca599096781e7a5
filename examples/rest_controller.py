"""A controller that plays rounds by REST, with httpx.

    python examples/rest_controller.py --table ARO-001 --rounds 3

It needs httpx and nothing of Pitboss. The key is read from PITBOSS_KEY. Each command goes under an
Idempotency-Key, so that it can be sent again when its answer was lost: it is executed once.
"""

import argparse
import os
import random
import sys
import time
import uuid
from typing import Any

import httpx

TRIES = 10
RETRIED = {409, 429, 502, 503, 504}


class Refused(Exception):  # noqa: N818  # it says what happened
    """The fleet said no, and why."""


def ask(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send one command, again under the same key until there is an answer to it."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    told: dict[str, Any] = {}
    for _ in range(TRIES):
        try:
            answer = client.post(path, json=body, headers=headers)
        except httpx.TransportError as error:
            told = {"detail": str(error)}
            time.sleep(0.5)
            continue
        told = answer.json()
        if answer.is_success:
            return told
        if answer.status_code not in RETRIED or "retry-after" not in answer.headers:
            break
        time.sleep(float(answer.headers["retry-after"]))
    raise Refused(f"{path}: {told.get('detail') or told}")


def play(client: httpx.Client, table: str) -> str:
    """Play one round; the wheel's part is a random number."""
    started = ask(client, f"/v1/tables/{table}/rounds", {"wait_ms": 5000})
    round_ = f"/v1/rounds/{started['round']}"
    ask(client, f"{round_}/bet-stop", {"wait_ms": 5000})
    number = str(random.randint(0, 36))
    ask(client, f"{round_}/result", {"roulette": number, "wait_ms": 5000})
    finished = ask(client, f"{round_}/finish", {"wait_ms": 5000})
    return f"{started['round']} {finished['state']} {finished['outcome']} {number}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Play rounds by REST.")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the fleet's edge")
    parser.add_argument("--table", required=True)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    key = os.environ.get("PITBOSS_KEY", "")
    if not key:
        parser.error("set PITBOSS_KEY to a key of the role dealer or above")
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=given.url, headers=headers, timeout=40) as client:
        for _ in range(given.rounds):
            try:
                print(play(client, given.table))
            except Refused as error:
                print(error, file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
