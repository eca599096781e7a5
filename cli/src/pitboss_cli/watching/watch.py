"""The watch: events tell what to read again, and the screen shows what was read."""

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pitboss_cli.api import Api
from pitboss_cli.refusals import Refusal, Unreachable
from pitboss_cli.watching.board import Board
from pitboss_cli.watching.screen import Screen
from pitboss_cli.watching.stream import Event, Follower, NoEvents, Resync, poll

_TICK_S: Final = 0.25
_POLL_S: Final = 1.0
_TABLES_S: Final = 5.0  # lights change without an event of their own
_FEW: Final = 8  # rounds read one by one; for more, the list is read


@dataclass(slots=True)
class Watch:
    """One watch, of all tables or of one."""

    api: Api
    follower: Follower
    screen: Screen
    table: str | None = None
    draws: bool = True
    board: Board = field(default_factory=Board)
    _polls: bool = False
    _dirty: set[str] = field(default_factory=set)
    _tables_at: float = 0.0

    def run(self) -> None:
        """Watch until interrupted."""
        came: queue.Queue[Event | Resync | Refusal] = queue.Queue()
        threading.Thread(target=self._listen, args=(came,), daemon=True).start()
        try:
            while True:
                try:
                    self._take(came.get(timeout=_TICK_S))
                    while True:
                        self._take(came.get_nowait())
                except queue.Empty:
                    pass
                if self.draws or self._polls:
                    self._read_dirty()
                    self.screen.refresh(self.board)
        finally:
            self.screen.close()

    def _listen(self, came: "queue.Queue[Event | Resync | Refusal]") -> None:
        try:
            for one in self._events():
                came.put(one)
        except Refusal as refusal:
            came.put(refusal)

    def _events(self) -> Iterator[Event | Resync]:
        try:
            yield from self.follower.events()
        except NoEvents:
            self._polls = True
            self.follower.say(f"No events here; looking every {_POLL_S:g} s.")
            yield from poll(_POLL_S)

    def _take(self, one: Event | Resync | Refusal) -> None:
        if isinstance(one, Refusal):
            raise one
        if isinstance(one, Resync):
            if self.draws or self._polls:
                self._read_all()
            return
        self.screen.event(one)
        if found := one.document.get("round"):
            self._dirty.add(str(found))
        else:
            self._tables_at = 0.0

    def _read_all(self) -> None:
        try:
            self._read_tables()
            self._read_rounds()
        except Unreachable:
            self.follower.say("The fleet does not answer for the moment.")

    def _read_dirty(self) -> None:
        try:
            if time.monotonic() - self._tables_at > _TABLES_S:
                self._read_tables()
            if len(self._dirty) > _FEW:
                self._read_rounds()
            for round_id in sorted(self._dirty):
                self._learn(self.api.get(f"/v1/rounds/{round_id}").document)
            self._dirty.clear()
        except Unreachable:
            self.follower.say("The fleet does not answer for the moment.")

    def _read_tables(self) -> None:
        self._tables_at = time.monotonic()
        if self.table is not None:
            self.board.learn_tables([self.api.get(f"/v1/tables/{self.table}").document])
        else:
            self.board.learn_tables(self.api.get("/v1/tables").document["tables"])

    def _read_rounds(self) -> None:
        query = {"table": self.table, "limit": 200 if self.table is None else 1}
        found = self.api.get("/v1/rounds", query).document["rounds"]
        for one in reversed(found):
            self._learn(one)
        self._dirty.clear()

    def _learn(self, found: dict[str, object]) -> None:
        if self.board.learn_round(found):
            self.screen.round(found, polled=self._polls)
