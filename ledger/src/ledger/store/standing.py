"""What configuration is in force in this process: the newest that it can use, and what it refused."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fleetkit import errors, logs
from ledger.domain.config import Environment
from ledger.store.config import Entry, Version
from ledger.store.documents import Documents

log = logs.get(__name__)

DATABASE_AWAY: Final = "database_unavailable"
LOOKS_BACK: Final = 20
"""How many older versions a process that has just begun tries, where it can't use the newest."""

Judge = Callable[[Environment], None]
"""Raises a PitbossError where this process can't work by the document."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A version that can't be used here, and why."""

    version: int
    reason: str


def _take_all(_: Environment) -> None:
    return None


class Standing:
    """Follows all environments, or one."""

    def __init__(
        self, documents: Documents, *, environment: str | None = None, judge: Judge = _take_all
    ) -> None:
        self.versions: dict[str, Version] = {}
        self.refused: dict[str, Refused] = {}
        self.read = False
        self._documents = documents
        self._environment = environment
        self._judge = judge
        self._lock = asyncio.Lock()

    async def follow(self, every_s: float) -> None:
        """Take each new version soon, also where nobody tells of it."""
        while True:
            try:
                await self.refresh()
            except errors.Unavailable:
                pass  # the last good configuration stays in force
            except Exception:
                log.exception("catalog_not_read")
            await asyncio.sleep(every_s)

    async def refresh(self) -> None:
        """Take what is new; what is refused is tried again each time, for its secret may come."""
        async with self._lock:
            for entry in await self._documents.newest(self._environment):
                known = self.versions.get(entry.environment)
                if known is None or (known.version, known.created_at) != (
                    entry.version,
                    entry.created_at,
                ):
                    await self._take(entry)
                else:
                    self.refused.pop(entry.environment, None)
            self.read = True

    def facts(self) -> dict[str, dict[str, object]]:
        """Say what is in force here, as the registry has it."""
        told: dict[str, dict[str, object]] = {}
        for name in sorted({*self.versions, *self.refused}):
            version, refused = self.versions.get(name), self.refused.get(name)
            told[name] = {
                "version": version.version if version else None,
                "refused": (
                    {"version": refused.version, "reason": refused.reason} if refused else None
                ),
            }
        return told

    async def _take(self, entry: Entry) -> None:
        name = entry.environment
        version, reason = await self._judged(entry)
        if version is not None:
            self.versions[name] = version
            self.refused.pop(name, None)
            log.info("config_taken", environment=name, version=entry.version)
            return
        refused = Refused(entry.version, reason)
        if self.refused.get(name) != refused:
            self.refused[name] = refused
            log.warning("config_refused", environment=name, version=entry.version, reason=reason)
        if name not in self.versions:
            await self._look_back(entry)

    async def _look_back(self, newest: Entry) -> None:
        """Find the last good one: this process had not begun yet when it was in force."""
        oldest = max(0, newest.version - 1 - LOOKS_BACK)
        for number in range(newest.version - 1, oldest, -1):
            try:
                version = await self._documents.get(newest.environment, number)
                if version is not None:
                    self._judge(version.document)
            except errors.PitbossError as error:
                if error.code == DATABASE_AWAY:
                    raise
            else:
                if version is not None:
                    self.versions[newest.environment] = version
                    return

    async def _judged(self, entry: Entry) -> tuple[Version | None, str]:
        try:
            version = await self._documents.read(entry)
            if version is None:
                return None, "it is not in the database"
            self._judge(version.document)
        except errors.PitbossError as error:
            if error.code == DATABASE_AWAY:
                raise  # not the version's fault; what is in force stays so meanwhile
            return None, error.detail
        return version, ""
