"""The public API over HTTP: each command under a key of its own, sent again while that is safe."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx

from pitboss_cli.endpoint import Endpoint
from pitboss_cli.refusals import Refusal, Unreachable

Query = Mapping[str, str | int | bool | Sequence[str] | None]
Body = Mapping[str, object]

_CONNECT_S: Final = 3.0
_ANSWER_S: Final = 40.0  # above the longest wait_ms
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 2.0
_AWAY: Final = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered."""

    status: int
    text: str
    document: dict[str, Any]
    headers: httpx.Headers

    @property
    def is_round(self) -> bool:
        """Tell whether it tells of legs: a command that was taken, however it went."""
        return "legs" in self.document

    @property
    def is_fine(self) -> bool:
        return self.status < HTTPStatus.MULTIPLE_CHOICES or self.is_round

    @property
    def code(self) -> str | None:
        code = self.document.get("code")
        return code if isinstance(code, str) else None

    def refusal(self) -> Refusal:
        """Put a problem document into one sentence."""
        detail = self.document.get("detail") or self.text.strip()[:200] or "no words"
        marks = [str(self.code or f"status {self.status}")]
        if trace := self.document.get("trace_id"):
            marks.append(f"trace {trace}")
        kind = Unreachable if self.status in _AWAY else Refusal
        return kind(f"{detail} [{', '.join(marks)}]", self.text, self.status)


class Api:
    """One fleet, asked with one key."""

    def __init__(
        self, endpoint: Endpoint, patience_s: float, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.url = endpoint.url
        self._patience_s = patience_s
        self._say = say
        self._client = httpx.Client(
            base_url=endpoint.url,
            headers={"authorization": f"Bearer {endpoint.key}", "user-agent": "pitboss-cli"},
            timeout=httpx.Timeout(_ANSWER_S, connect=_CONNECT_S),
            trust_env=not endpoint.is_local,  # a proxy has no business on this machine
            verify=endpoint.trust(),
        )

    def get(self, path: str, query: Query | None = None) -> Answer:
        return self._ask(self._client.build_request("GET", path, params=_clean(query)))

    def post(
        self,
        path: str,
        body: object = None,
        key: str | None = None,
        query: Query | None = None,
        *,
        once: bool = True,
    ) -> Answer:
        headers = {"idempotency-key": key or secrets.token_hex(16)} if once else {}
        return self._ask(self._build("POST", path, body, headers, query))

    def put(
        self, path: str, body: object, headers: Mapping[str, str], query: Query | None = None
    ) -> Answer:
        return self._ask(self._build("PUT", path, body, headers, query))

    def delete(self, path: str, query: Query | None = None) -> Answer:
        return self._ask(self._build("DELETE", path, None, {}, query))

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        query: Query | None = None,
        silence_s: float,
    ) -> Iterator[Iterator[str]]:
        """Read an event stream line by line; silence longer than that ends it."""
        sent = {"accept": "text/event-stream", **(headers or {})}
        timeout = httpx.Timeout(silence_s, connect=_CONNECT_S)
        request = self._client.build_request(
            method, path, json=body, params=_clean(query), headers=sent, timeout=timeout
        )
        try:
            response = self._client.send(request, stream=True)
        except httpx.TransportError as error:
            raise self._unreachable(error, request) from error
        try:
            if not response.is_success:
                response.read()
                raise _read(response).refusal()
            yield response.iter_lines()
        except httpx.TransportError as error:
            raise self._unreachable(error, request) from error
        finally:
            response.close()

    def _build(
        self,
        method: str,
        path: str,
        body: object,
        headers: Mapping[str, str],
        query: Query | None,
    ) -> httpx.Request:
        return self._client.build_request(
            method, path, json=body, headers=dict(headers), params=_clean(query)
        )

    def _ask(self, request: httpx.Request) -> Answer:
        """Ask until there is an answer to go by, as long as patience lasts."""
        deadline = time.monotonic() + self._patience_s
        pause_s = _FIRST_PAUSE_S
        while True:
            answer: Answer | None = None
            failure: httpx.TransportError | None = None
            wait_s = pause_s
            try:
                answer = _read(self._client.send(request))
            except httpx.TransportError as error:
                failure = error
            if answer is not None and answer.is_fine:
                return answer
            if answer is not None:
                wait_s = max(wait_s, _retry_after(answer))
            again = _may_repeat(request, answer, failure)
            if not again or time.monotonic() + wait_s > deadline:
                break
            self._say("No answer to go by yet; trying again ...")
            time.sleep(wait_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        if answer is not None:
            raise answer.refusal()
        raise self._unreachable(failure, request) from failure

    def _unreachable(
        self, error: httpx.TransportError | None, request: httpx.Request
    ) -> Unreachable:
        reason = str(error) or type(error).__name__
        sentence = f"{self.url} does not answer: {reason}."
        key = request.headers.get("idempotency-key")
        if key is not None and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            sentence += f" It may have arrived; to ask again: --idempotency-key {key}"
        return Unreachable(sentence)


def _may_repeat(
    request: httpx.Request, answer: Answer | None, failure: httpx.TransportError | None
) -> bool:
    """Tell whether asking again can do nothing twice and may help."""
    if isinstance(failure, httpx.ConnectError) and "CERTIFICATE" in str(failure):
        return False
    safe = request.method == "GET" or "idempotency-key" in request.headers
    if answer is None:
        return safe or isinstance(failure, httpx.ConnectError | httpx.ConnectTimeout)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    return safe and (answer.status in _AWAY or answer.code == "still_running")


def _retry_after(answer: Answer) -> float:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _read(response: httpx.Response) -> Answer:
    try:
        found = response.json()
    except ValueError:
        found = {}
    document = found if isinstance(found, dict) else {}
    return Answer(response.status_code, response.text, document, response.headers)


def _clean(query: Query | None) -> dict[str, str | int | bool | list[str]]:
    return {
        name: value if isinstance(value, str | int) else list(value)
        for name, value in (query or {}).items()
        if value is not None
    }
