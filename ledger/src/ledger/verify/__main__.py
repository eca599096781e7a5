"""`python -m ledger.verify`: prints ok or the offending rows of each check.

Ends with 0 when all hold, 1 when one does not, 2 for wrong use, 3 when something can't be reached.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NoReturn
from urllib.parse import urlsplit

import asyncpg
import orjson

from fleetkit import ids
from fleetkit.postgres import connect, set_json_codecs
from ledger.verify.checks import Finding
from ledger.verify.running import Scope, UnreadableError, Verdict, exists, verify

BROKEN: Final = 1
WRONG_USE: Final = 2
AWAY: Final = 3


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sentence = f"{message[:1].upper()}{message[1:]}".rstrip(".")
        sys.exit(_refuse(f"{sentence}; see: ./manage.sh verify --help", WRONG_USE))


def _round(text: str) -> str:
    if not ids.is_ulid(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no round's id.")
    return text


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; write it like 2026-11-21T09:00:00Z."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _simulator(text: str) -> str:
    try:
        place = urlsplit(text)
        fine = place.scheme == "http" and place.hostname is not None and place.port is not None
    except ValueError:
        fine = False
    if not fine:
        raise argparse.ArgumentTypeError(f"{text!r} is wrong; write http://127.0.0.1:PORT.")
    return text


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser("verify", description="Check the ledger's invariants.")
    parser.add_argument("--round", type=_round, metavar="ID", help="one round instead of all")
    parser.add_argument("--since", type=_time, metavar="TIME", help="rounds started since then")
    parser.add_argument(
        "--simulator", type=_simulator, metavar="URL", help="compare with its account of effects"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parse(sys.argv[1:] if arguments is None else arguments)
    url = os.environ.get("PITBOSS_DATABASE_URL", "")
    if not url:
        return _refuse("PITBOSS_DATABASE_URL is not set.", WRONG_USE)
    try:
        verdict = asyncio.run(_run(url, Scope(asked.round, asked.since), asked.simulator))
    except UnreadableError as error:
        return _refuse(str(error), AWAY)
    except (OSError, asyncpg.PostgresError) as error:
        return _refuse(f"The ledger can't be read: {type(error).__name__}: {error}", AWAY)
    if verdict is None:
        return _refuse(f"There is no round {asked.round}.", WRONG_USE)
    text = _as_json(verdict) if asked.json else _as_text(verdict)
    sys.stdout.write(f"{text}\n")
    return 0 if verdict.ok else BROKEN


async def _run(url: str, scope: Scope, simulator: str | None) -> Verdict | None:
    conn = await connect(url, name="verify", command_timeout_s=None)
    try:
        await set_json_codecs(conn)
        if scope.round_id is not None and not await exists(conn, scope.round_id):
            return None
        return await verify(conn, scope, simulator=simulator)
    finally:
        await conn.close()


def _refuse(sentence: str, code: int) -> int:
    sys.stderr.write(f"{sentence}\n")
    return code


def _as_text(verdict: Verdict) -> str:
    lines = []
    for finding in verdict.findings:
        check = finding.check
        word = "ok  " if finding.ok else "FAIL"
        lines.append(f"{word} {check.invariant:>2} {check.name:<31} {check.sentence}")
        lines += [f"        {_show(row)}" for row in finding.rows]
        if finding.count > len(finding.rows):
            lines.append(f"        ... and {finding.count - len(finding.rows)} more")
    broken = sum(not finding.ok for finding in verdict.findings)
    waiting = f", {verdict.unsealed} not sealed yet" if verdict.unsealed else ""
    seen = f"{verdict.rounds} rounds, {verdict.events} events{waiting}"
    said = "all checks hold" if verdict.ok else f"{broken} checks do not hold"
    return "\n".join([*lines, f"{seen}: {said}."])


def _show(row: object) -> str:
    shown = orjson.loads(orjson.dumps(row, default=str))
    return " ".join(f"{name}={value}" for name, value in shown.items())


def _as_json(verdict: Verdict) -> str:
    shown = {
        "ok": verdict.ok,
        "rounds": verdict.rounds,
        "events": verdict.events,
        "unsealed": verdict.unsealed,
        "checks": [_shape(finding) for finding in verdict.findings],
    }
    return orjson.dumps(shown, default=str).decode()


def _shape(finding: Finding) -> dict[str, object]:
    return {
        "name": finding.check.name,
        "invariant": finding.check.invariant,
        "sentence": finding.check.sentence,
        "ok": finding.ok,
        "count": finding.count,
        "rows": list(finding.rows),
    }


if __name__ == "__main__":
    sys.exit(main())
