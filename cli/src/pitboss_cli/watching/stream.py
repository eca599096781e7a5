"""Server-sent events: read from lines, and followed over lost connections without a gap."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from pitboss_cli.api import Api, Query
from pitboss_cli.refusals import Refusal, Unreachable

_SILENCE_S: Final = 40.0  # a comment comes every 15 s
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 5.0
_SECOND_MS: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `document` is its data."""

    id: str | None
    type: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """How long to wait before coming back, should the connection be lost."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Resync:
    """A connection was made: read the whole state, as it may have changed meanwhile."""


class NoEvents(Refusal):
    """There is no stream of events in this fleet."""


def parse(lines: Iterable[str]) -> Iterator[Event | Pause]:
    """Read events as the specification has them; a cut one at the end is none."""
    name, identity, parts = "message", None, list[str]()
    for line in lines:
        if not line:
            if parts:
                yield Event(identity, name, _read("\n".join(parts)))
            name, parts = "message", []
            continue
        key, _, text = line.partition(":")
        text = text.removeprefix(" ")
        if key == "data":
            parts.append(text)
        elif key == "event":
            name = text
        elif key == "id":
            identity = text
        elif key == "retry" and text.isascii() and text.isdigit():
            yield Pause(int(text) / _SECOND_MS)


def _read(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(slots=True)
class Follower:
    """Follows the fleet's events for as long as it is asked for the next."""

    api: Api
    query: Query
    patience_s: float
    say: Callable[[str], None]
    last_id: str | None = None
    _pause_s: float = _FIRST_PAUSE_S
    _told_retry_s: float | None = None
    _was_connected: bool = field(default=False)

    def events(self) -> Iterator[Event | Resync]:
        give_up = time.monotonic() + self.patience_s
        while True:
            try:
                yield from self._connection()
                self._pause_s = _FIRST_PAUSE_S
            except Unreachable:
                if not self._was_connected and time.monotonic() + self._pause_s > give_up:
                    raise
            except Refusal as refusal:
                self._look_at(refusal)
            self.say("The events are lost for the moment; coming back ...")
            time.sleep(self._told_retry_s or self._pause_s)
            self._told_retry_s = None
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)

    def _connection(self) -> Iterator[Event | Resync]:
        headers = {} if self.last_id is None else {"last-event-id": self.last_id}
        with self.api.stream(
            "GET", "/v1/events", headers=headers, query=self.query, silence_s=_SILENCE_S
        ) as lines:
            self._was_connected = True
            yield Resync()
            for one in parse(lines):
                if isinstance(one, Pause):
                    self._told_retry_s = one.seconds
                    continue
                self.last_id = one.id or self.last_id
                self._pause_s = _FIRST_PAUSE_S
                yield one

    def _look_at(self, refusal: Refusal) -> None:
        """Go on after a refusal that passes; give up on any other."""
        if refusal.status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
            raise NoEvents("This fleet has no stream of events.") from refusal
        if refusal.status == HTTPStatus.UNPROCESSABLE_ENTITY and self.last_id is not None:
            self.last_id = None  # of a feed that is not there any more
        elif refusal.status != HTTPStatus.TOO_MANY_REQUESTS:
            raise refusal


def poll(every_s: float) -> Iterator[Event | Resync]:
    """Stand in for events: look again and again."""
    while True:
        yield Resync()
        time.sleep(every_s)
