"""The old scripts' files taken in and given out again, and our own exports."""

from typing import Any

Studio = Any
IMPORT = "/v1/config/import"


def entry(name: str, code: str = "ARO-002", **fields: object) -> dict[str, object]:
    url = f"https://table-api.{name.partition('-')[0].lower()}.example/v2/service/tables/"
    return {"name": name, "get_url": url, "post_url": url, "game_code": code, **fields}


async def read(studio: Studio, environment: str) -> Any:
    return (await studio.client.get(f"/v1/config/environments/{environment}")).json()


async def test_an_old_file_is_tried_then_taken_whole_and_given_out_again(studio: Studio) -> None:
    file = [entry("UAT"), entry("QAT"), entry("QAT-2", "ARO-002-2"), entry("GLC")]
    url = f"{IMPORT}?table=ARO-002&type=vip_roulette&reason=Moved."
    tried = (await studio.client.post(f"{url}&dry_run=true", json=file)).json()
    assert (tried["dry_run"], tried["table"], tried["errors"]) == (True, "ARO-002", [])
    assert [one["environment"] for one in tried["environments"]] == ["UAT", "QAT", "GLC"]
    assert (await studio.client.get("/v1/config/environments/UAT")).status_code == 404
    taken = (await studio.client.post(url, json=file)).json()
    assert {one["environment"]: one["version"] for one in taken["environments"]} == {
        "UAT": 1,
        "QAT": 1,
        "GLC": 1,
    }
    found = await read(studio, "QAT")
    assert (found["author"], found["reason"]) == ("admin", "Moved.")
    assert found["config"]["base_url"] == "https://table-api.qat.example/v2/service"
    targets = [
        (one["id"], one["table"], one["type"], one["priority"]) for one in found["config"]["tables"]
    ]
    assert targets == [
        ("ARO-002", "ARO-002", "vip_roulette", 1),
        ("ARO-002-2", "ARO-002", "vip_roulette", 2),
    ]
    again = (await studio.client.post(url, json=file)).json()
    assert again["environments"] == []
    given = (await studio.client.get("/v1/config/export?table=ARO-002")).json()
    assert sorted(given, key=str) == sorted(file, key=str)
    assert (await studio.client.post(f"{url}&dry_run=true", json=given)).json()["errors"] == []


async def test_a_map_by_name_is_taken_too_and_names_may_be_ours(studio: Studio) -> None:
    prd = await read(studio, "PRD")
    url = f"{prd['config']['base_url']}/tables/"
    here = {"get_url": url, "post_url": url, "game_code": "ARO-009"}
    sit = {key: value for key, value in entry("sit", "ARO-009").items() if key != "name"}
    answer = await studio.client.post(f"{IMPORT}?rename=sit:UAT", json={"PRD": here, "sit": sit})
    taken = answer.json()
    assert (answer.status_code, taken["table"]) == (200, "ARO-009"), answer.text
    assert any("speed_roulette" in one for one in taken["warnings"])
    assert {one["environment"]: one["version"] for one in taken["environments"]} == {
        "PRD": 2,
        "UAT": 1,
    }
    after = (await read(studio, "PRD"))["config"]
    assert [one["id"] for one in after["tables"]] == ["ARO-001", "ARO-009"]
    assert after["primary"] is True
    assert (await studio.client.get("/v1/tables/ARO-009")).json()["type"] == "speed_roulette"


async def test_what_does_not_fit_is_refused_whole_and_by_field(studio: Studio) -> None:
    other = {**entry("CIT"), "get_url": "https://other.example/v2/service/tables/"}
    taken = {**entry("PRD", "ARO-001")}
    taken["get_url"] = taken["post_url"] = (await read(studio, "PRD"))["config"][
        "base_url"
    ] + "/tables/"
    bad: list[tuple[object, str]] = [
        ([entry("UAT", access_token="planted-token")], "body.0.access_token"),
        ([entry("UAT", table_token="planted-token")], "body.0.table_token"),
        ([entry("UAT"), entry("QAT", api_key="planted-token")], "body.1.api_key"),
        ({"UAT": {**entry("UAT"), "x-signature": "planted-token"}}, "body.UAT.x-signature"),
        ([entry("UAT"), entry("UAT")], "body.1.game_code"),
        ([entry("UAT", "../x")], "body.0.game_code"),
        ([{**entry("UAT"), "name": "U A T"}], "body.0.name"),
        ([{**entry("UAT"), "post_url": "https://x.example/no"}], "body.0.post_url"),
        ([{"name": "UAT", "game_code": "ARO-002"}], "body.0.post_url"),
        ([other], "body.0.get_url"),
        ([entry("CIT")], "body.0.post_url"),  # CIT is at another address already
        ([taken], "body.0.game_code"),  # it belongs to another table
        ([7], "body.0"),
        ([], "body"),
        ("ARO-001", "body"),
        ({"environments": [{"environment": "UAT"}]}, "body.environments.0.base_url"),
        ({"environments": 7}, "body.environments"),
    ]
    for file, field in bad:
        url = f"{IMPORT}?table=ARO-002&type=sicbo"
        answer = await studio.client.post(url, json=file)
        assert (answer.status_code, answer.json().get("field")) == (422, field), answer.text
        tried = await studio.client.post(f"{url}&dry_run=true", json=file)
        assert tried.status_code == 200, tried.text
        assert field in [one["field"] for one in tried.json()["errors"]]
        assert "planted-token" not in answer.text + tried.text
    answer = await studio.client.post(f"{IMPORT}?table=A&type=poker", json=[entry("UAT")])
    assert (answer.status_code, answer.json()["field"]) == (422, "query.type")
    told = await studio.client.post(IMPORT, json=[entry("UAT", table_token="planted-token")])
    assert "env:UAT_TABLE_TOKEN" in told.json()["detail"]
    versions = (await studio.client.get("/v1/config/environments")).json()["environments"]
    assert [(one["environment"], one["version"]) for one in versions] == [("CIT", 1), ("PRD", 1)]


async def test_a_token_by_reference_is_taken_and_an_export_is_put_back(studio: Studio) -> None:
    file = [entry("UAT", table_token="file:/run/secrets/uat", access_token="")]
    assert (await studio.client.post(IMPORT, json=file)).status_code == 200
    export = (await studio.client.get("/v1/config/export")).json()
    uat = next(one for one in export["environments"] if one["environment"] == "UAT")
    assert uat["table_token"] == "file:/run/secrets/uat"
    assert (await studio.client.post(IMPORT, json=export)).json()["environments"] == []
    uat["limits"]["per_target"] = 2
    again = (await studio.client.post(IMPORT, json=export)).json()
    assert [(one["environment"], one["version"]) for one in again["environments"]] == [("UAT", 2)]
    assert (await studio.client.get("/v1/config/export?table=NONE")).status_code == 404
