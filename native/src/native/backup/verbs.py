"""`./manage.sh backup` and `./manage.sh restore`, the same in both modes."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

from redis.asyncio import Redis

from native import mode
from native.backup import dump, restore
from native.refusals import BadUse, Refusal

Say = Callable[[str], None]

# Kept in Redis beside the database, and of no worth beside another one.
_CACHED: Final = ("pitboss:*", "table_events")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadUse(f"{message[:1].upper()}{message[1:]}; see: ./manage.sh {self.prog} --help")


def back_up(arguments: Sequence[str], say: Say) -> str:
    parser = _Parser("backup", add_help=False)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--force", action="store_true")
    asked = parser.parse_args(arguments)
    target = asked.file or Path(f"pitboss-backup-{datetime.now(UTC):%Y%m%d-%H%M%S}.tar.gz")
    if target.is_dir():
        raise BadUse(f"{target} is a folder; name a file.")
    if target.exists() and not asked.force:
        raise BadUse(f"{target} is there already; name another file, or add --force.")
    if not target.absolute().parent.is_dir():
        raise BadUse(f"There is no folder {target.absolute().parent}.")
    url = mode.running().write_database_url()["PITBOSS_DATABASE_URL"]
    manifest = dump.take(url, target.absolute())
    rows = sum(table.rows for table in manifest.tables)
    say(f"{len(manifest.tables)} tables, {rows} rows, schema {len(manifest.migrations)}")
    return f"The backup is {target} ({target.stat().st_size} bytes). It holds no key in the clear."


def put_back(arguments: Sequence[str], say: Say) -> str:
    parser = _Parser("restore", add_help=False)
    parser.add_argument("file", type=Path)
    parser.add_argument("--yes", action="store_true")
    asked = parser.parse_args(arguments)
    runner = mode.running()
    url = runner.write_database_url()["PITBOSS_DATABASE_URL"]
    if not asked.file.is_file():
        raise BadUse(f"There is no file {asked.file}.")
    if not asked.yes:
        _ask(asked.file)
    manifest = restore.put(url, asked.file)
    rows = sum(table.rows for table in manifest.tables)
    say(f"{rows} rows of {manifest.made_at} are in the database")
    asyncio.run(_forget(runner.redis_url()))
    runner.renew(say)  # what processes remember is of before
    return "The fleet goes on from the backup. Look at it with: ./manage.sh verify"


def _ask(file: Path) -> None:
    if not sys.stdin.isatty():
        raise BadUse("This replaces all the fleet has; say that you mean it with --yes.")
    sys.stdout.write(f"All the fleet has is replaced by {file}. Go on? [y/N] ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Refusal("Nothing was changed.")


async def _forget(url: str) -> None:
    async with Redis.from_url(url) as client:
        for pattern in _CACHED:
            async for key in client.scan_iter(pattern, count=1000):
                await client.delete(key)
