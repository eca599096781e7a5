"""What is wrong is refused in a clear sentence; nothing is sent and nothing is stored."""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from fleet.badinput import ALL, CONFIGS, NO_ROUND, Case
from fleet.console import RESULTS, Problem
from fleet.floor import Floor
from fleet.rig import Fleet
from fleet.tableapi import TableApi
from simulator.testing import Content, Reply, send


@dataclass(frozen=True, slots=True)
class Stage:
    """Rounds in each state that a bad request may be aimed at."""

    fleet: Fleet
    tables: TableApi
    client: httpx.Client
    names: dict[str, str]
    seen: list[tuple[object, ...]] = dataclasses.field(default_factory=list)

    def send(self, case: Case) -> Reply:
        path = case.path.format(**self.names)
        headers = {"Authorization": f"Bearer {self.fleet.key}", **case.headers}
        return send(self.fleet.port, case.method, path, case.body, headers=headers)

    def look(self) -> tuple[object, ...]:
        """Take down all that a request could have changed."""
        used = [name for key, name in self.names.items() if key.startswith("table_")]
        rounds = [self.client.get("/v1/rounds", params={"table": name}).json() for name in used]
        newest = self.client.get("/v1/rounds", params={"limit": 1}).json()["rounds"][0]["round"]
        versions = [
            (one["environment"], one["version"])
            for one in self.client.get("/v1/config/environments").json()["environments"]
        ]
        return rounds, newest, versions, self.tables.all_effects()

    def post(self, path: str, body: Content) -> Content:
        answer = self.client.post(path, json=body)
        assert answer.status_code in (200, 201), answer.content
        found: Content = answer.json()
        return found


@pytest.fixture(scope="module")
def stage(fleet: Fleet, tables: TableApi, floor: Floor) -> Iterator[Stage]:
    headers = {"authorization": f"Bearer {fleet.key}"}
    names: dict[str, str] = {"none": NO_ROUND}
    with httpx.Client(base_url=fleet.url, headers=headers, trust_env=False) as client:
        made = Stage(fleet, tables, client, names)
        for kind, name in (
            ("roulette", "roulette"),
            ("sicbo", "sicbo"),
            ("baccarat", "baccarat"),
            ("roulette", "idle"),
            ("roulette", "dealt"),
            ("roulette", "cancelled"),
            ("roulette", "finished"),
        ):
            table = floor.take(kind)
            tables.arrange_all(table, bet_period_s=3600)
            names[f"table_{name}"] = table
            if name != "idle":
                names[name] = str(made.post(f"/v1/tables/{table}/rounds", {})["round"])
        made.post(f"/v1/rounds/{names['dealt']}/result", RESULTS["speed_roulette"])
        made.post(f"/v1/rounds/{names['finished']}/result", RESULTS["speed_roulette"])
        made.post(f"/v1/rounds/{names['finished']}/finish", {})
        made.post(f"/v1/rounds/{names['cancelled']}/cancel", {})
        yield made


def check(stage: Stage, case: Case) -> Problem:
    before = stage.seen.pop() if stage.seen else stage.look()
    reply = stage.send(case)
    after = stage.look()
    stage.seen.append(after)
    assert reply.status == case.status, (case, reply)
    assert reply.headers["content-type"] == "application/problem+json", reply
    assert reply.headers["x-request-id"]
    problem = Problem.model_validate_json(reply.body)
    assert (problem.status, problem.code) == (case.status, case.code), reply.body
    assert problem.title
    assert problem.trace_id
    assert problem.detail[:1].isupper() or case.status == 422, problem.detail
    if case.field is not None:
        assert (problem.field or "").split(".")[-1] == case.field, reply.body
    assert after == before
    return problem


@pytest.mark.parametrize("case", ALL, ids=str)
def test_it_is_refused_and_leaves_no_trace(stage: Stage, case: Case) -> None:
    check(stage, case)


def test_a_secret_in_a_refused_document_is_not_told_again(stage: Stage) -> None:
    [case] = [one for one in CONFIGS if "s3cret" in json.dumps(str(one.body))]
    assert "s3cret" not in check(stage, case).model_dump_json()
