"""The fleet's public API, as a dealer's console calls it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

import httpx

from native.demo.configuration import Document
from native.demo.views import Round, read_round
from native.refusals import Refusal

# What the API answers to a command that was written, whatever came of it on the tables.
_TAKEN: Final = frozenset(
    {
        HTTPStatus.OK,
        HTTPStatus.CREATED,
        HTTPStatus.ACCEPTED,
        HTTPStatus.MULTI_STATUS,
        HTTPStatus.BAD_GATEWAY,
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command was answered, and after how long."""

    status: int
    round: Round
    ms: float


@dataclass(frozen=True, slots=True)
class Standing:
    """An environment's newest configuration."""

    version: int
    document: Document


class Gateway:
    """Speaks for one key."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def start(self, table: str, environments: list[str], wait_ms: int) -> Answer:
        body = {"environments": environments, "wait_ms": wait_ms}
        return await self._command(f"/v1/tables/{table}/rounds", body)

    async def command(self, round_id: str, verb: str, body: Mapping[str, object]) -> Answer:
        return await self._command(f"/v1/rounds/{round_id}/{verb}", body)

    async def read(self, round_id: str) -> Round:
        return read_round(await self._get(f"/v1/rounds/{round_id}"))

    async def find_unresolved(self, table: str) -> list[Round]:
        query = f"/v1/rounds?table={table}&unresolved=true&limit=200"
        return [read_round(each) for each in (await self._get(query))["rounds"]]

    async def find_open(self, table: str) -> Round | None:
        answer = await self._send("GET", f"/v1/tables/{table}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        open_round = self._read(answer)["open_round"]
        return None if open_round is None else await self.read(open_round)

    async def environment(self, name: str) -> Standing | None:
        answer = await self._send("GET", f"/v1/config/environments/{name}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        found = self._read(answer)
        return Standing(found["version"], found["config"])

    async def put_environment(self, document: Document, over: Standing | None) -> None:
        """Add a version on the one that was read, and on no other."""
        path = f"/v1/config/environments/{document['environment']}"
        match = {} if over is None else {"if-match": f'"{over.version}"'}
        self._read(await self._send("PUT", path, document, match))

    async def log(self, lines: Sequence[Mapping[str, object]]) -> bool:
        """Send lines to the log service; a demo goes on without them."""
        try:
            answer = await self._client.post("/logs/batch", json=lines)
        except httpx.HTTPError:
            return False
        return answer.is_success

    async def _command(self, path: str, body: Mapping[str, object]) -> Answer:
        began = time.perf_counter()
        answer = await self._send("POST", path, body)
        ms = (time.perf_counter() - began) * 1000
        document = self._read(answer, taken=answer.status_code in _TAKEN)
        if "legs" not in document:
            raise Refusal(_say_problem(answer))
        return Answer(answer.status_code, read_round(document), ms)

    async def _get(self, path: str) -> dict[str, Any]:
        return self._read(await self._send("GET", path))

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        try:
            return await self._client.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise Refusal(
                f"The fleet gave no answer at {self._client.base_url} ({type(error).__name__}); "
                "look with: ./manage.sh status"
            ) from error

    @staticmethod
    def _read(answer: httpx.Response, *, taken: bool = False) -> dict[str, Any]:
        if not (taken or answer.is_success):
            raise Refusal(_say_problem(answer))
        try:
            return cast("dict[str, Any]", answer.json())
        except ValueError as error:
            raise Refusal(_say_problem(answer)) from error


def _say_problem(answer: httpx.Response) -> str:
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = answer.text[:200]
    request = answer.request
    return f"{request.method} {request.url.path} was answered {answer.status_code}: {detail}"
