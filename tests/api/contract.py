"""The API as its own description has it, and how a generated call is sent and its answer judged."""

from typing import Any, Final

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from pydantic import SecretStr
from schemathesis import openapi
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.app import create
from gateway.settings import Settings

HIDDEN: Final = SecretStr("postgresql://nobody@127.0.0.1:1/none")
DOCUMENT: Final[dict[str, Any]] = create(
    Settings(database_url=HIDDEN, inner_key=HIDDEN, admin_key=HIDDEN)
).openapi()
SCHEMA: Final = openapi.from_dict(DOCUMENT)
OPERATIONS: Final[dict[str, Any]] = {
    found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)
}
ROLES: Final = ("viewer", "dealer", "operator", "admin")
CHECKS: Final = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SECONDS: Final = 20
# That no target took a command is the truth about the tables, told with the whole round.
NO_LEG: Final = 502
FIRST_FAILURE: Final = 500


def bounded(examples: int) -> settings:
    """Search the same cases each time."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def least_role(label: str) -> str | None:
    """Give the role that a route asks for; None where anybody may ask."""
    method, _, path = label.partition(" ")
    role: str | None = DOCUMENT["paths"][path][method.lower()].get("x-least-role")
    return role


def is_stream(label: str) -> bool:
    method, _, path = label.partition(" ")
    answers = DOCUMENT["paths"][path][method.lower()]["responses"]
    return "text/event-stream" in str(answers)


def send(
    case: schemathesis.Case[Any], url: str, session: requests.Session, key: str | None
) -> requests.Response:
    """Send it with this key and no other, as far as the end or the first line of a stream."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    wanted = case.as_transport_kwargs(base_url=url)
    wanted["headers"] = {
        name: value
        for name, value in (wanted.get("headers") or {}).items()
        if name.lower() not in ("authorization", "cookie")
    } | headers
    wanted.pop("cookies", None)
    answer = session.request(**wanted, timeout=SECONDS, stream=True, allow_redirects=False)
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        answer.close()
    else:
        answer.content  # noqa: B018  # read to its end
    return answer


def judge(case: schemathesis.Case[Any], answer: requests.Response) -> None:
    """Hold the answer against the description."""
    told = (case.method, case.path, answer.status_code)
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        assert is_stream(case.operation.label), told
        return
    whole = answer.status_code == NO_LEG and "legs" in answer.text
    assert answer.status_code < FIRST_FAILURE or whole, (told, answer.text)
    assert "traceback" not in answer.text.lower(), told
    assert answer.headers["x-request-id"], told
    case.validate_response(answer, checks=CHECKS)
