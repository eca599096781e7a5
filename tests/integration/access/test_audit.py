"""The audit list: every change with who, what, when and from where."""

from integration.access.conftest import ADMIN, Gate, as_key


async def test_changes_of_keys_and_logins_are_listed(gate: Gate) -> None:
    made = await gate.made("viewer", tables=["ARO-001"])
    await gate.client.post("/v1/login", json={"key": made["key"]})
    gate.client.cookies.clear()
    await gate.client.delete(f"/v1/keys/{made['id']}", headers=ADMIN)
    found = (await gate.client.get("/v1/audit", headers=ADMIN)).json()["entries"]
    assert [(one["actor"], one["action"], one["subject"]) for one in found] == [
        ("admin", "key.revoked", f"keys/{made['id']}"),
        (made["name"], "login.opened", f"keys/{made['id']}"),
        ("admin", "key.added", f"keys/{made['id']}"),
    ]
    assert found[2]["after"]["tables"] == ["ARO-001"]
    assert found[0]["before"]["role"] == "viewer"
    assert {one["address"] for one in found} == {"127.0.0.1"}
    assert all(one["trace_id"] for one in found)


async def test_what_operators_do_is_listed(gate: Gate) -> None:
    await gate.configure()
    made = await gate.made("operator")
    headers = as_key(made["key"])
    body = {"reason": "Shuffling", "wait_ms": 0}
    assert (
        await gate.client.post("/v1/tables/ARO-001/pause", json=body, headers=headers)
    ).status_code == 202
    query = {"actor": made["name"], "action": "table.pause"}
    found = (await gate.client.get("/v1/audit", params=query, headers=ADMIN)).json()["entries"]
    assert [(one["subject"], one["after"]["reason"]) for one in found] == [
        ("tables/ARO-001", "Shuffling")
    ]
    config = {"action": "config.put"}
    found = (await gate.client.get("/v1/audit", params=config, headers=ADMIN)).json()["entries"]
    assert {one["actor"] for one in found} == {"admin"}


async def test_the_list_is_read_in_pages_and_in_stretches(gate: Gate) -> None:
    for _ in range(5):
        await gate.made("viewer")
    whole = (await gate.client.get("/v1/audit", headers=ADMIN)).json()["entries"]
    pages: list[object] = []
    cursor: str | None = None
    while True:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await gate.client.get("/v1/audit", params=query, headers=ADMIN)).json()
        pages += page["entries"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == whole
    query = {"since": whole[2]["at"]}
    since = (await gate.client.get("/v1/audit", params=query, headers=ADMIN)).json()["entries"]
    assert set(map(str, whole[:2])) <= set(map(str, since))
