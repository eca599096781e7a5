"""An environment's last rounds, over the API: no new ones begin there, those that run end."""

import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final, Self

import httpx

from native.control import Say
from native.refusals import Refusal
from native.settings import Settings

_ANSWER_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.5
_OVER: Final = frozenset({"finished", "cancelled", "failed"})
_SHOWN: Final = 3


class Api:
    """The fleet's API, asked as the admin."""

    def __init__(self, settings: Settings) -> None:
        self._client = httpx.Client(
            base_url=settings.edge.url(settings.port),
            headers={"authorization": f"Bearer {settings.admin_key}"},
            timeout=_ANSWER_SECONDS,
            trust_env=False,
            verify=settings.edge.trust(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any] | None:
        """Give the answer; None where there is no such thing."""
        try:
            answer = self._client.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise Refusal(
                f"The API gave no answer ({type(error).__name__}); look with: ./manage.sh status"
            ) from error
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        try:
            document: dict[str, Any] = answer.json()
        except ValueError:
            document = {"detail": answer.text[:200]}
        if not answer.is_success:
            raise Refusal(f"The API answers {answer.status_code}: {document.get('detail')}")
        return document

    def pages(self, path: str, member: str) -> Iterator[dict[str, Any]]:
        cursor = ""
        while True:
            page = self.ask("GET", path + cursor) or {}
            yield from page.get(member, [])
            if not page.get("next_cursor"):
                return
            cursor = f"&cursor={page['next_cursor']}"


def count_tables(api: Api, environment: str) -> tuple[int, int] | None:
    """Give the newest version and how many targets it has; None without a configuration."""
    found = api.ask("GET", f"/v1/config/environments/{environment}")
    return (found["version"], len(found["config"]["tables"])) if found else None


def take_tables_out(api: Api, environment: str, reason: str) -> int | None:
    """Write a version without targets, so that no round starts there; give the one before it."""
    path = f"/v1/config/environments/{environment}"
    found = api.ask("GET", path)
    if found is None or not found["config"]["tables"]:
        return None
    match = {"if-match": f'"{found["version"]}"'}
    document = {**found["config"], "tables": []}
    query = httpx.QueryParams({"reason": reason})
    api.ask("PUT", f"{path}?{query}", document, match)
    version: int = found["version"]
    return version


def _left(api: Api, environment: str) -> list[str]:
    """Name what has not come to its end there."""
    names = []
    for state in ("open", "bet_stopped", "dealt"):
        for one in api.pages(f"/v1/rounds?state={state}&limit=200", "rounds"):
            legs = [leg for leg in one["legs"] if leg["environment"] == environment]
            if any(leg["state"] not in _OVER for leg in legs):
                names.append(f"the round {one['round']} of {one['table']}")
    owed = api.pages(f"/v1/deliveries?environment={environment}&limit=200", "deliveries")
    names += [f"a {one['command']} for {one['game_code']}" for one in owed]
    return names


def wait(api: Api, environment: str, seconds: float, say: Say) -> list[str]:
    """Wait until all is over there; give what is left when the time is up."""
    until = time.monotonic() + seconds
    told = ""
    while left := _left(api, environment):
        if time.monotonic() >= until:
            return left
        if (line := f"waiting for {name(left)}") != told:
            say(line)
            told = line
        time.sleep(_LOOK_SECONDS)
    return []


def name(left: list[str]) -> str:
    more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
    return ", ".join(left[:_SHOWN]) + more
