"""Configuration over REST: versions, tables, roll back, dry runs, and what rounds notice of it."""

import asyncio
from typing import Any

import httpx

Studio = Any
TABLE = "ARO-001"
CIT = "/v1/config/environments/CIT"
PRD = "/v1/config/environments/PRD"


async def document(studio: Studio, url: str = CIT, **fields: Any) -> dict[str, Any]:
    read: dict[str, Any] = (await studio.client.get(url)).json()["config"]
    return read | fields


async def version(studio: Studio, url: str = CIT) -> int:
    return int((await studio.client.get(url)).json()["version"])


async def put(studio: Studio, url: str = CIT, *, query: str = "", **fields: Any) -> httpx.Response:
    body = await document(studio, url, **fields)
    answer: httpx.Response = await studio.client.put(f"{url}{query}", json=body)
    return answer


async def test_versions_are_kept_listed_and_compared(studio: Studio) -> None:
    second = await put(studio, query="?reason=Slower tables.", limits={"per_target": 2})
    assert (second.status_code, second.headers["etag"], second.json()["version"]) == (200, '"2"', 2)
    assert (await put(studio, limits={"per_target": 3})).json()["version"] == 3
    found = (await studio.client.get(f"{CIT}/versions")).json()
    listed = [(one["version"], one["author"], one["reason"]) for one in found["versions"]]
    assert listed == [(3, "admin", None), (2, "admin", "Slower tables."), (1, "admin", None)]
    page = (await studio.client.get(f"{CIT}/versions?limit=2")).json()
    assert ([one["version"] for one in page["versions"]], page["next_cursor"]) == ([3, 2], "2")
    rest = (await studio.client.get(f"{CIT}/versions?cursor=2")).json()
    assert ([one["version"] for one in rest["versions"]], rest["next_cursor"]) == ([1], None)
    old = (await studio.client.get(f"{CIT}/versions/2")).json()
    assert old["config"]["limits"]["per_target"] == 2
    newest = (await studio.client.get(f"{CIT}/diff")).json()
    path = {"path": "limits.per_target", "op": "change", "before": 2, "after": 3}
    assert newest == {"environment": "CIT", "from": 2, "to": 3, "diff": [path]}
    whole = (await studio.client.get(f"{CIT}/diff?from=1&to=3")).json()["diff"]
    assert whole == [{**path, "before": 4}]
    made = (await studio.client.get(f"{CIT}/diff?from=0&to=1")).json()["diff"]
    assert {"tables.ARO-001", "base_url"} <= {one["path"] for one in made}
    for url in (f"{CIT}/versions/9", f"{CIT}/diff?to=9", "/v1/config/environments/XYZ/versions"):
        assert (await studio.client.get(url)).status_code == 404


BAD: list[tuple[dict[str, Any], str]] = [
    ({"tables": [{"id": "A", "type": "sicbo"}] * 2}, "body.tables.1.id"),
    ({"tables": [{"id": "A", "type": "poker"}]}, "body.tables.0.type"),
    ({"tables": [{"id": "../x", "type": "sicbo"}]}, "body.tables.0.id"),
    ({"tables": [{"id": "A", "type": "sicbo", "speed": 1}]}, "body.tables.0.speed"),
    ({"tables": [{"id": "A", "type": "sicbo", "priority": "1"}]}, "body.tables.0.priority"),
    ({"tables": [{"id": "A", "type": "sicbo", "backups": ["A"]}]}, "body.tables.0.backups.0"),
    (
        {
            "tables": [
                {"id": "A", "table": "T", "type": "sicbo"},
                {"id": "B", "table": "T", "type": "baccarat"},
            ]
        },
        "body.tables.1.type",
    ),
    ({"timeouts_ms": {"start": -1}}, "body.timeouts_ms.start"),
    ({"timeouts_ms": {"bet-stop": 0}}, "body.timeouts_ms.bet-stop"),
    ({"limits": {"concurrency": 0}}, "body.limits.concurrency"),
    ({"scaling": {"min_instances": 3, "max_instances": 2}}, "body.scaling.min_instances"),
    ({"signature": "planted-token"}, "body.signature"),
    ({"table_token": "Bearer planted-token"}, "body.table_token"),
    ({"base_url": "https://me:planted-token@table-api.cit.example"}, "body.base_url"),
    ({"base_url": "https://:80/x"}, "body.base_url"),
    ({"base_url": "ftp://table-api.cit.example"}, "body.base_url"),
    ({"surprise": 1}, "body.surprise"),
    ({"primary": "yes"}, "body.primary"),
    ({"environment": "PRD"}, "body.environment"),
]


async def test_a_bad_version_is_refused_by_field_and_changes_nothing(studio: Studio) -> None:
    round_ = await studio.start()
    for fields, field in BAD:
        answer = await put(studio, **fields)
        told = answer.json()
        assert (answer.status_code, told["field"]) == (422, field), told
        assert "planted-token" not in answer.text
        tried = await put(studio, query="?dry_run=true", **fields)
        assert tried.status_code == 200, tried.text
        assert field in [one["field"] for one in tried.json()["errors"]]
        assert "planted-token" not in tried.text
    assert await version(studio) == 1
    done = await studio.post(f"/v1/rounds/{round_['round']}/result", {"roulette": "17"})
    assert done.json()["outcome"] == "complete"


async def test_a_dry_run_says_what_it_would_do_and_writes_nothing(studio: Studio) -> None:
    tried = (await put(studio, query="?dry_run=true", primary=True)).json()
    change = {"path": "primary", "op": "change", "before": False, "after": True}
    assert tried["diff"] == [change]
    assert (tried["dry_run"], tried["version"], tried["errors"]) == (True, 1, [])
    new = {"environment": "GLC", "base_url": "https://table-api.glc.example", "tables": []}
    url = "/v1/config/environments/GLC"
    tried = (await studio.client.put(f"{url}?dry_run=true", json=new)).json()
    assert (tried["environment"], tried["version"]) == ("GLC", None)
    assert (await studio.client.get(url)).status_code == 404
    gone = await studio.client.delete(f"{CIT}/tables/{TABLE}?dry_run=true")
    assert [one["path"] for one in gone.json()["diff"]] == [f"tables.{TABLE}"]
    body = {"version": 1, "reason": "To see."}
    back = await studio.client.post(f"{CIT}/rollback?dry_run=true", json=body)
    assert back.json()["diff"] == []
    assert await version(studio) == 1
    assert await studio.rows("SELECT FROM audit WHERE action <> 'config.put'") == []


async def test_of_two_puts_at_once_over_one_version_one_is_stale(studio: Studio) -> None:
    body = await document(studio)
    match = {"if-match": '"1"'}
    both = await asyncio.gather(
        *(studio.client.put(CIT, json=body, headers=match) for _ in range(2))
    )
    assert sorted(one.status_code for one in both) == [200, 412]
    assert {one.json().get("code") for one in both} == {None, "stale_version"}
    free = await asyncio.gather(*(studio.client.put(CIT, json=body) for _ in range(4)))
    assert sorted(one.json()["version"] for one in free) == [3, 4, 5, 6]
    stale = await studio.client.delete(f"{CIT}/tables/{TABLE}", headers=match)
    assert stale.status_code == 412


async def test_a_table_is_added_changed_and_taken_out(studio: Studio) -> None:
    url = f"{CIT}/tables/ARO-002"
    added = await studio.client.put(f"{url}?reason=Second wheel.", json={"type": "vip-roulette"})
    assert (added.status_code, added.headers["etag"]) == (201, '"2"')
    targets = {one["id"]: one for one in added.json()["config"]["tables"]}
    assert (targets["ARO-002"]["table"], targets["ARO-002"]["type"]) == ("ARO-002", "vip_roulette")
    changed = await studio.client.put(url, json={"type": "vip_roulette", "priority": 5})
    assert (changed.status_code, changed.json()["version"]) == (200, 3)
    wrong = await studio.client.put(url, json={"type": "sicbo", "table": TABLE})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "body.type")
    wrong = await studio.client.put(url, json={"type": "sicbo", "id": "ARO-003"})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "body.id")
    wrong = await studio.client.put(url, json={"type": "sicbo", "priority": -1})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "body.priority")
    gone = await studio.client.delete(url)
    assert (gone.status_code, [one["id"] for one in gone.json()["config"]["tables"]]) == (
        200,
        [TABLE],
    )
    again = await studio.client.delete(url)
    assert (again.status_code, again.json()["code"]) == (404, "unknown_table")
    nowhere = await studio.client.delete("/v1/config/environments/XYZ/tables/A")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "unknown_environment")


async def test_a_table_with_an_open_round_goes_only_to_drain(studio: Studio) -> None:
    round_ = await studio.start()
    url = f"{CIT}/tables/{TABLE}"
    refused = await studio.client.delete(url)
    told = refused.json()
    assert (refused.status_code, told["code"], told["round"]) == (
        409,
        "table_in_round",
        round_["round"],
    )
    drained = await studio.client.delete(f"{url}?drain=true")
    assert drained.status_code == 200
    assert any(round_["round"] in one for one in drained.json()["warnings"])
    for name, body in (("result", {"roulette": "17"}), ("finish", {})):
        answer = await studio.post(f"/v1/rounds/{round_['round']}/{name}", body)
        assert answer.json()["outcome"] == "complete", answer.text
    assert len(studio.effects("finish", "CIT")) == 1
    after = await studio.start()
    assert [leg["environment"] for leg in after["legs"]] == ["PRD"]
    assert len(studio.effects("start", "CIT")) == 1


async def test_rolled_back_while_a_round_runs_it_ends_where_it_began(studio: Studio) -> None:
    await studio.configure("CIT", base_url="http://127.0.0.1:1/nobody")
    await studio.configure("CIT")
    round_ = await studio.start()
    assert round_["outcome"] == "complete"
    back = await studio.client.post(
        f"{CIT}/rollback", json={"version": 2, "reason": "The old address."}
    )
    assert (back.status_code, back.json()["version"], back.json()["reason"]) == (
        200,
        4,
        "The old address.",
    )
    assert back.json()["config"]["base_url"] == "http://127.0.0.1:1/nobody"
    assert any("can't be reached" in one for one in back.json()["warnings"])
    done = await studio.post(f"/v1/rounds/{round_['round']}/result", {"roulette": "17"})
    assert done.json()["outcome"] == "complete"
    assert len(studio.effects("deal", "CIT")) == 1
    for replayed in (None, "true"):
        headers = {"idempotency-key": "back-once"}
        kept = await studio.client.post(
            f"{CIT}/rollback", json={"version": 1, "reason": "Once."}, headers=headers
        )
        assert kept.headers["etag"] == f'"{kept.json()["version"]}"'
        assert kept.headers.get("idempotent-replay") == replayed
    none = await studio.client.post(f"{CIT}/rollback", json={"version": 9, "reason": "x"})
    assert (none.status_code, none.json()["code"]) == (404, "unknown_version")
    silent = await studio.client.post(f"{CIT}/rollback", json={"version": 1})
    assert (silent.status_code, silent.json()["field"]) == (422, "body.reason")


ODD: list[tuple[dict[str, Any], str]] = [
    ({"base_url": "https://table-api.cit.invalid/v2"}, "can't be reached"),
    ({"base_url": "http://table-api.cit.invalid/v2"}, "plain http"),
    ({"verify_tls": False}, "verify_tls"),
    ({"tables": [{"id": "S-1", "type": "sicbo", "backups": ["S-9"]}]}, "S-9 is no target"),
    ({"tables": [{"id": "A", "table": TABLE, "type": "sicbo"}]}, "until they agree"),
]


async def test_what_may_be_a_mistake_is_taken_with_a_warning(studio: Studio) -> None:
    for fields, said in ODD:
        answer = await put(studio, query="?dry_run=true", **fields)
        assert answer.status_code == 200
        assert any(said in one for one in answer.json()["warnings"]), answer.text
    taken = await put(studio, base_url="http://127.0.0.1:1/nobody")
    assert (taken.status_code, taken.json()["version"]) == (200, 2)
    assert "can't be reached" in taken.json()["warnings"][0]


async def test_a_change_is_told_and_kept_with_its_author(studio: Studio) -> None:
    await put(studio, query="?reason=Smaller.", limits={"per_target": 2})
    [line] = await studio.rows("SELECT * FROM audit WHERE subject = 'CIT' ORDER BY id DESC LIMIT 1")
    assert (line["actor"], line["action"]) == ("admin", "config.put")
    assert line["before"] == {"version": 1, "values": {"limits.per_target": 4}}
    assert line["after"] == {
        "version": 2,
        "reason": "Smaller.",
        "values": {"limits.per_target": 2},
    }
    event = (await studio.rows("SELECT * FROM events WHERE type = 'config.changed' ORDER BY id"))[
        -1
    ]
    assert (event["environment"], event["data"]["version"]) == ("CIT", 2)
