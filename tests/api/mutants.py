"""Requests gone wrong in ten thousand ways, the same ones for the same seed."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any, Final

VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 2**31, -(2**63) - 1, 2**64, 10**400, 1e308, -0.0, 1.5),
    *("", " ", "\0", "a\0b", "\ud800", "\u202e", "é" * 300, "A" * 70_000, "../..", "${jndi:x}"),
    *("'; DROP TABLE rounds; --", "<script>", "%s%n", "17", "2026-11-21T09:00:00Z", "0001-01-01"),
    *("99999-12-31T00:00:00Z", [], {}, [[]], [None], {"": {}}, ["PRD"] * 2000, {"a" * 5000: 1}),
)
BODIES: Final = (
    b"",
    b"{",
    b"[" * 20_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b"NaN",
    b'{"wait_ms": NaN}',
    b'{"wait_ms": 1e999}',
    b'{"reason": "\\ud800"}',
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    b'{"wait_ms": 0, "wait_ms": "0"}',
    b"0" * 100_000,
    b"wait_ms=0&reason=x",
    b"\0",
)
HEADERS: Final = (
    *("content-type", "accept", "idempotency-key", "if-match", "x-request-id", "traceparent"),
    *("cookie", "origin", "x-csrf-token", "x-forwarded-for", "x-forwarded-proto", "range"),
    *("expect", "upgrade", "te", "content-encoding", "last-event-id", "authorization", "x-odd"),
    *("if-none-match", "forwarded", "x-http-method-override", "accept-encoding", "accept-language"),
)
WORDS: Final = (
    *(b"", b" ", b"*", b"0", b"-1", b"a" * 9_000, b"\x7f", b"\xff\xfe", b"\xc3\xa9", b'"', b'"9"'),
    *(b'W/"1"', b"application/xml", b"application/json; charset=utf-16", b"multipart/form-data"),
    *(b"text/event-stream", b"gzip", b"bytes=0-1", b"../..", b"%00", b"${jndi:x}", b"a, b", b";"),
    *(
        b"pitboss_session=x",
        b"pitboss_session=\xff",
        b"00-%s-%s-00" % (b"0" * 32, b"0" * 16),
    ),
    *(b"Bearer ", b"Bearer \xff", b"Basic eDp5", b"100-continue", b"null", b"'; --", b"<x>"),
)
METHODS: Final = (b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"HEAD")
CONTINUE: Final = 100
SCRAPS: Final = (b"\0", b"\r", b"\n", b"\r\n\r\n", b":", b" ", b"\xff", b"0")
PARTS: Final = (
    *(b"..", b".", b"%2e%2e", b"%2e", b"%2f", b"%5c", b"%00", b"%0d%0aX:%20y", b"%ff", b"%c0%ae"),
    *(b"%u0041", b"", b"a" * 3_000, b"ARO-001", b"-", b"%F0%9F%8E%B2", b"..;", b"*", b"0", b"CIT"),
)
QUERIES: Final = (
    *(b"limit", b"since", b"until", b"cursor", b"state", b"table", b"environment", b"at", b"from"),
    *(b"to", b"unresolved", b"dry_run", b"drain", b"types", b"", b"%00", b"[]", b"a.b"),
)


class Mutator:
    """Makes requests from a few that are right."""

    def __init__(self, random: Random, key: str, round_id: str) -> None:
        self._random = random
        self._key = key.encode()
        at = f"/v1/rounds/{round_id}"
        leg = f"{at}/legs/CIT/ARO-001"
        config = "/v1/config/environments/ZZZ"
        document = {"environment": "ZZZ", "base_url": "http://127.0.0.1:1/x", "tables": []}
        self._right: tuple[tuple[bytes, str, dict[str, Any]], ...] = (
            (b"POST", "/v1/tables/SBO-001/rounds", {"environments": ["PRD"], "deadline_ms": 100}),
            (b"POST", "/v1/tables/NONE-001/rounds", {"wait_ms": 0}),
            (b"POST", f"{at}/result", {"roulette": "17", "wait_ms": 0}),
            (b"POST", f"{at}/result", {"baccarat": ["D2", "S10", "HK", "", "", ""]}),
            (b"POST", f"{leg}/retry", {"reason": "x"}),
            (b"POST", "/v1/tables/BCR-001/pause", {"reason": "x", "environments": ["CIT"]}),
            (b"POST", "/v1/tables/BCR-001/broadcast", {"type": "x", "audience": "all"}),
            (b"POST", "/v1/deliveries/recover", {"since": "2026-11-21T09:00:00Z", "dry_run": True}),
            (b"PUT", config, document),
            (b"PUT", f"{config}/tables/X-1", {"id": "X-1", "type": "sicbo"}),
            (b"POST", f"{config}/rollback", {"version": 1, "reason": "x"}),
            (b"POST", "/v1/config/import?dry_run=true", {"table": "X-1"}),
            (b"POST", "/v1/login", {"key": "wrong"}),
            *((b"GET", path, {}) for path in ("/v1/rounds", at, f"{at}/history", "/v1/tables")),
            *((b"GET", path, {}) for path in ("/v1/deliveries", "/v1/audit", "/v1/config/status")),
        )

    def clean(self) -> bytes:
        """Give a request that is HTTP, whatever is in it."""
        method, path, body = self._random.choice(self._right)
        address, content = path.encode(), self._body(body)
        headers = {b"authorization": b"Bearer " + self._key, b"content-type": b"application/json"}
        for _ in range(self._random.choice((0, 0, 1, 3))):
            name = self._random.choice(HEADERS).encode()
            headers[name] = self._random.choice(WORDS)
        if self._random.random() < 0.3:
            address = self._address(address)
        if self._random.random() < 0.1:
            method = self._random.choice(METHODS[:-1])
        return self.write(method, address, headers, content)

    @staticmethod
    def write(method: bytes, address: bytes, headers: dict[bytes, bytes], content: bytes) -> bytes:
        lines = [method + b" " + address + b" HTTP/1.1", b"host: x"]
        lines += [name + b": " + value for name, value in headers.items()]
        lines += [b"content-length: %d" % len(content), b"", content]
        return b"\r\n".join(lines)

    def broken(self) -> bytes:
        """Give bytes that may be no HTTP any more."""
        sent = bytearray(self.clean()[:20_000])
        for _ in range(self._random.randint(1, 6)):
            at = self._random.randrange(max(1, min(len(sent), 400)))
            some = self._random.choice(
                (b"\0", b"\r", b"\n", b"\r\n\r\n", b":", b" ", b"\xff", b"0")
            )
            kind = self._random.randrange(5)
            if kind == 0:
                sent[at : at + 1] = bytes([self._random.randrange(256)])
            elif kind == 1:
                sent[at:at] = some * self._random.choice((1, 1, 50))
            elif kind == 2:
                del sent[at : at + self._random.randint(1, 40)]
            elif kind == 3:
                sent[at:at] = sent[at : at + self._random.randint(1, 200)]
            else:
                sent = sent[: self._random.randrange(len(sent) + 1)] or bytearray(b"\r\n")
        return bytes(sent)

    def _address(self, address: bytes) -> bytes:
        path, _, query = address.partition(b"?")
        parts = path.split(b"/")
        for _ in range(self._random.randint(0, 2)):
            parts[self._random.randrange(1, len(parts))] = self._random.choice(PARTS)
        pairs = [
            self._random.choice(QUERIES) + b"=" + self._random.choice(PARTS)
            for _ in range(self._random.randint(0, 3))
        ]
        return b"/".join(parts) + b"?" + b"&".join([query, *pairs])

    def _body(self, body: dict[str, Any]) -> bytes:
        chance = self._random.random()
        if chance < 0.15:
            return self._random.choice(BODIES)
        wrong: Any = dict(body)
        for _ in range(self._random.choice((0, 1, 1, 2))):
            value = self._random.choice(VALUES)
            name = self._random.choice((*body, "wait_ms", "reason", "odd"))
            wrong[name] = value
        if chance > 0.95:
            wrong = self._random.choice(VALUES)
        text = json.dumps(wrong)
        # A lone surrogate is written as its escape, which is how one comes in.
        return text.encode("utf-8", "surrogatepass")


def heads(said: bytes) -> Iterator[tuple[int, bytes]]:
    """Read answers off a connection: each status, and what was said with it."""
    while said:
        head, _, rest = said.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in lines if b": " in line)
        length = int(fields.get(b"content-length", b"0"))
        status = int(first.split(b" ")[1])
        if status == CONTINUE:
            said = rest
            continue
        yield status, head + b"\r\n\r\n" + rest[:length]
        said = rest[length:]
