"""Requests that are wrong, each with the refusal it must get."""

import dataclasses
from dataclasses import dataclass
from typing import Final

JSON: Final = {"Content-Type": "application/json"}
NO_ROUND: Final = "01JD0000000000000000000000"


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and how it is refused; `{...}` in the path names a round or table of the stage."""

    path: str
    body: object
    status: int
    code: str
    field: str | None = None
    method: str = "POST"
    headers: dict[str, str] = dataclasses.field(default_factory=lambda: dict(JSON))

    def __str__(self) -> str:
        shown = repr(self.body)
        return f"{self.method} {self.path} {shown[:60]}"


START, RESULT = "/v1/tables/{table_idle}/rounds", "/v1/rounds/{roulette}/result"
SICBO, BACCARAT = "/v1/rounds/{sicbo}/result", "/v1/rounds/{baccarat}/result"
COMMANDS = ("bet-stop", "result", "finish", "cancel")


def results(path: str, name: str, *values: object) -> list[Case]:
    return [Case(path, {name: value}, 422, "invalid_result", name) for value in values]


MALFORMED = [
    Case(path, body, 400, "malformed_json")
    for path in (START, RESULT, "/v1/rounds/{roulette}/cancel")
    for body in (
        b"{",
        b"{'roulette': 17}",
        b'{"roulette": }',
        b'{"roulette": "17"',
        b'{"roulette": "17"}}',
        b"roulette=17",
        b"\x00",
        b'{"roulette": "1\x007"}',
    )
] + [
    Case(RESULT, b'{"roulette": "\xff\xfe"}', 400, "malformed"),
    Case(RESULT, b'{"a":' * 20_000 + b"1" + b"}" * 20_000, 400, "malformed"),
    Case(RESULT, b"[" * 400_000, 400, "malformed"),
]
WRONG_TYPES = [
    Case(path, body, 422, "invalid", where)
    for path in (START, RESULT, "/v1/rounds/{roulette}/finish")
    for body, where in (([], "body"), ("x", "body"), (1, "body"), (True, "body"))
] + [Case(RESULT, b"null", 422, "invalid", "body"), Case(RESULT, b"", 422, "invalid", "body")]
WRONG_WAITS: Final[tuple[object, ...]] = (-1, 30_001, 10**30, 1.5, "1", True, None, [1], {})
WAITS = [
    Case(path, {**body, "wait_ms": wait}, 422, "invalid", "wait_ms")
    for path, body in (
        (START, {}),
        (RESULT, {"roulette": "17"}),
        ("/v1/rounds/{roulette}/cancel", {}),
    )
    for wait in WRONG_WAITS
] + [
    Case(START, b'{"wait_ms": 1e400}', 422, "invalid", "wait_ms"),
    Case(START, b'{"wait_ms": ' + b"9" * 5000 + b"}", 400, "malformed"),
]
UNKNOWN_FIELDS = [
    Case(START, {"colour": "red"}, 422, "invalid", "colour"),
    Case(START, {"result": {"roulette": "17"}}, 422, "invalid", "result"),
    Case(RESULT, {"roulette": "17", "colour": "red"}, 422, "invalid", "colour"),
    Case(RESULT, {"sicbo": [1, 2, 3]}, 422, "invalid", "sicbo"),
    Case("/v1/rounds/{roulette}/finish", {"reason": "x"}, 422, "invalid", "reason"),
    Case("/v1/rounds/{roulette}/cancel", {"reason": ""}, 422, "invalid", "reason"),
    Case("/v1/rounds/{roulette}/cancel", {"reason": "x" * 501}, 422, "invalid", "reason"),
    Case("/v1/rounds/{roulette}/cancel", {"reason": 7}, 422, "invalid", "reason"),
    Case("/v1/rounds/{roulette}/cancel", {"reason": "nul\x00"}, 422, "invalid", "reason"),
    Case("/v1/rounds/{roulette}/cancel", {"reason": "lone\ud800"}, 422, "invalid", "reason"),
]
STARTS = [
    Case(START, {"environments": []}, 422, "invalid", "environments"),
    Case(START, {"environments": "PRD"}, 422, "invalid", "environments"),
    Case(START, {"environments": [1]}, 422, "invalid", "0"),
    Case(START, {"environments": ["NONE"]}, 422, "unknown_environment", "environments"),
    Case(START, {"environments": ["PRD", "prd"]}, 422, "unknown_environment", "environments"),
    Case(START, {"environments": ["a\x00b"]}, 422, "unknown_environment", "environments"),
    Case(START, {"deadline_ms": 0}, 422, "invalid", "deadline_ms"),
    Case(START, {"deadline_ms": -5}, 422, "invalid", "deadline_ms"),
    Case(START, {"deadline_ms": 10**12}, 422, "invalid", "deadline_ms"),
    Case(START, {"deadline_ms": "3000"}, 422, "invalid", "deadline_ms"),
    Case("/v1/tables/NONE/rounds", {}, 404, "unknown_table"),
    Case("/v1/tables/{table_roulette}/rounds", {}, 409, "round_open"),
    Case("/v1/tables/" + "a" * 65 + "/rounds", {}, 422, "invalid", "table"),
    Case("/v1/tables/%00/rounds", {}, 400, "malformed_request"),
    Case("/v1/tables/%F0%9F%8E%B2/rounds", {}, 422, "invalid", "table"),
]
ROULETTE = results(
    RESULT,
    "roulette",
    *("37", "00", "-1", "1.0", True, False, -1, 37, 1.5, 17.0, "", " 17", "17 ", "17\n", "01"),
    *("\u0661\u0667", "seventeen", None, [], ["17"], {"pocket": 17}, 10**40, "1\x007", "\ud800"),
)
DICE = results(
    SICBO,
    "sicBo",
    *([1, 2], [1, 2, 3, 4], [], [0, 1, 2], [1, 2, 7], ["1", "2", "3"], "123", 123, None),
    *([1, 2, True], [1, 2, 3.0], [1, 2, None], [1, 2, -3], [[1, 2, 3]], {"0": 1}, [1, 2, 10**30]),
)
CARDS = results(
    BACCARAT,
    "baccarat",
    *([], ["D2"], "D2", None, [1, 2, 3, 4, 5, 6], ["D2", "S10", "HK", "C5"]),
    ["D2", "S10", "D2", "C5", "S7", "H4"],  # a double card
    ["D1", "S10", "HK", "C5", "S7", "H4"],  # a wrong rank
    ["X2", "S10", "HK", "C5", "S7", "H4"],  # a wrong suit
    ["D2", "S10", "HK", "C5", "", "H4"],  # the player has 2 and must draw
    ["S8", "S10", "HK", "C5", "S7", ""],  # a natural: nobody draws
    ["D7", "S10", "HK", "C5", "S2", "H4"],  # the player stands on 7
    ["", "S10", "HK", "C5", "S7", "H4"],
    ["d2", "S10", "HK", "C5", "S7", "H4"],
    ["D2", "S10", "HK", "C5", "S7", None],
    ["D2", "S10", "HK", "C5", "S7", "H4", ""],
)
OTHER_GAME = [
    Case(RESULT, {"sicBo": [1, 2, 3]}, 422, "invalid_result", "sicBo"),
    Case(SICBO, {"roulette": "17"}, 422, "invalid_result", "roulette"),
    Case(BACCARAT, {"sicBo": [1, 2, 3]}, 422, "invalid_result", "sicBo"),
    Case(RESULT, {"roulette": "17", "sicBo": [1, 2, 3]}, 422, "invalid_result", "sicBo"),
    Case(RESULT, {}, 422, "invalid_result", "roulette"),
]
STATES = [
    Case(f"/v1/rounds/{{none}}/{name}", body, 404, "unknown_round")
    for name, body in zip(COMMANDS, ({}, {"roulette": "17"}, {}, {}), strict=True)
] + [
    Case("/v1/rounds/{roulette}/finish", {}, 409, "round_open"),
    Case("/v1/rounds/{cancelled}/result", {"roulette": "17"}, 409, "round_cancelled"),
    Case("/v1/rounds/{cancelled}/bet-stop", {}, 409, "round_cancelled"),
    Case("/v1/rounds/{cancelled}/finish", {}, 409, "round_cancelled"),
    Case("/v1/rounds/{dealt}/result", {"roulette": "18"}, 409, "result_conflict"),
    Case("/v1/rounds/{dealt}/bet-stop", {}, 409, "round_dealt"),
    Case("/v1/rounds/{finished}/result", {"roulette": "18"}, 409, "result_conflict"),
    Case("/v1/rounds/{finished}/cancel", {}, 409, "round_finished"),
]
NO_ULIDS = ("x", "1", NO_ROUND.lower(), NO_ROUND[:-1], NO_ROUND + "0", "8" + NO_ROUND[1:])
IDS = [
    Case(f"/v1/rounds/{name}{tail}", body, 422, "invalid", "round", method)
    for name in (*NO_ULIDS, "01JDOOOOOOOOOOOOOOOOOOOOOO", "..%2e", "%F0%9F%8E%B2", "null")
    for tail, body, method in (("", b"", "GET"), ("/result", {"roulette": "17"}, "POST"))
]
NULS = [
    Case(f"/v1/rounds/{name}", b"", 400, "malformed_request", None, "GET")
    for name in ("%00", "a%00b")
]
QUERIES = [
    Case(f"/v1/rounds?{query}", b"", 422, "invalid", query.partition("=")[0], "GET")
    for query in (
        *("limit=0", "limit=201", "limit=x", "limit=", "limit=1e2", "limit=" + "9" * 40),
        *("state=none", "unresolved=maybe", "since=yesterday", "until=25:00", "cursor=x"),
        *("table=" + "a" * 65, "since=2026-13-01T00:00:00Z"),
    )
]
ADDRESSES = [
    Case(path, b"", 404, "not_found", None, method)
    for path in (
        *("/", "/v1", "/v1/", "/v2/rounds", "/admin", "/v1/rounds/", "/v1/tables/", "/docs/x"),
        *("/v1/rounds/{roulette}/", "/v1/rounds/{roulette}/deal", "/deliveries", "/.env"),
        *("/v1/../admin", "/v1/%2e%2e/admin", "/docs/assets/..%2f..%2fetc/passwd", "/metrics"),
        *("/docs/assets/%2e%2e/%2e%2e/__init__.py", "//v1//none", "/prd/deliveries"),
    )
    for method in ("GET", "POST")
    if not (method == "POST" and path.startswith("/docs/"))
]
METHODS = [
    Case(path, b"", 405, "method_not_allowed", None, method)
    for path, methods in {
        "/v1/rounds": ("POST", "PUT", "DELETE", "PATCH"),
        "/v1/rounds/{roulette}": ("POST", "PUT", "DELETE"),
        RESULT: ("GET", "PUT", "DELETE"),
        START: ("GET", "DELETE"),
        "/v1/tables": ("POST",),
        "/v1/config/environments": ("POST", "DELETE"),
        "/healthz": ("POST",),
    }.items()
    for method in methods
]
TYPES = [
    Case(RESULT, {"roulette": "17"}, 422, "invalid", "body", headers={"Content-Type": kind})
    for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "x", "")
]
CONFIGS = [
    Case("/v1/config/environments/PRD", body, status, code, where, "PUT")
    for body, status, code, where in (
        (b"{", 400, "malformed_json", None),
        ({}, 422, "invalid", "environment"),
        ({"environment": "CIT", "base_url": "http://x", "tables": []}, 422, "invalid", None),
        ({"environment": "PRD", "base_url": "ftp://x", "tables": []}, 422, "invalid", "base_url"),
        ({"environment": "PRD", "base_url": "http://x"}, 422, "invalid", "tables"),
        (
            {"environment": "PRD", "base_url": "http://x", "tables": [], "signature": "s3cret"},
            422,
            "invalid",
            "signature",
        ),
        (
            {"environment": "PRD", "base_url": "http://x", "tables": [{"id": "A", "type": "go"}]},
            422,
            "invalid",
            "type",
        ),
        (
            {
                "environment": "PRD",
                "base_url": "http://x",
                "tables": [{"id": "a/b", "type": "sicbo"}],
            },
            422,
            "invalid",
            "id",
        ),
    )
] + [Case("/v1/config/environments/prd", {}, 422, "invalid", "environment", "PUT")]
ALL = [
    *(*MALFORMED, *WRONG_TYPES, *WAITS, *UNKNOWN_FIELDS, *STARTS, *ROULETTE, *DICE, *CARDS),
    *(*OTHER_GAME, *STATES, *IDS, *NULS, *QUERIES, *ADDRESSES, *METHODS, *TYPES, *CONFIGS),
]
