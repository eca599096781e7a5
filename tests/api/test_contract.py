"""What the API answers to anything at all is what its description says, whoever asks."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode

from api.conftest import Aim
from api.contract import OPERATIONS, ROLES, bounded, judge, least_role, send

# What would end the run: our own key, our own tables.
PROTECTED = {"DELETE /v1/keys/{id}"}


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        yield made


def aimed(data: st.DataObject, case: schemathesis.Case[Any], aim: Aim) -> schemathesis.Case[Any]:
    """Have half of the calls hit something that is there."""
    if data.draw(st.booleans()) and case.path_parameters:
        known = aim.names()
        path = {name: known.get(name, value) for name, value in case.path_parameters.items()}
        if case.operation.label not in PROTECTED:
            case.path_parameters = path
    return case


def cases(label: str, mode: GenerationMode) -> st.SearchStrategy[Any]:
    found: st.SearchStrategy[Any] = OPERATIONS[label].as_strategy(generation_mode=mode)
    return found


def ask_all(
    label: str, mode: GenerationMode, examples: int, ask: Callable[[st.DataObject, Any], None]
) -> None:
    # A call that takes nothing can't be given anything wrong.
    with suppress(Unsatisfiable):
        bounded(examples)(given(st.data(), cases(label, mode))(ask))()


@pytest.fixture(scope="module")
def seen() -> dict[str, set[int]]:
    """Keep the statuses that each call was answered."""
    return {label: set() for label in OPERATIONS}


@pytest.mark.parametrize("label", OPERATIONS)
def test_an_admin_is_answered_as_described(
    label: str, aim: Aim, session: requests.Session, seen: dict[str, set[int]]
) -> None:
    def ask(data: st.DataObject, case: schemathesis.Case[Any]) -> None:
        case = aimed(data, case, aim)
        answer = send(case, aim.fleet.url, session, aim.keys["admin"])
        seen[label].add(answer.status_code)
        judge(case, answer)

    ask_all(label, GenerationMode.POSITIVE, 8, ask)
    ask_all(label, GenerationMode.NEGATIVE, 8, ask)


def test_the_calls_got_through_to_what_answers_them(seen: dict[str, set[int]]) -> None:
    done = [label for label, statuses in seen.items() if min(statuses, default=500) < 300]
    refused = [label for label, statuses in seen.items() if 422 in statuses]
    assert len(done) > len(seen) / 2, seen
    assert len(refused) > len(seen) / 2, seen


@pytest.mark.parametrize("label", [label for label in OPERATIONS if least_role(label)])
def test_whoever_may_not_is_refused_whatever_is_sent(
    label: str, aim: Aim, session: requests.Session
) -> None:
    least = ROLES.index(str(least_role(label)))
    lesser = [*ROLES[:least][-1:], None]

    def ask(data: st.DataObject, case: schemathesis.Case[Any]) -> None:
        case = aimed(data, case, aim)
        for role in lesser:
            key = None if role is None else aim.keys[role]
            answer = send(case, aim.fleet.url, session, key)
            judge(case, answer)
            assert answer.status_code in ((401, 429) if role is None else (403,)), (role, case)

    ask_all(label, GenerationMode.POSITIVE, 2, ask)
