"""Keys at the edge: made, listed and revoked by manage.sh, refused by every gateway after that."""

import httpx

from fleet.rig import Fleet


def _ask(fleet: Fleet, key: str, path: str = "/v1/session") -> httpx.Response:
    headers = {"authorization": f"Bearer {key}", "x-forwarded-for": "192.0.2.1"}
    return httpx.get(fleet.url + path, headers=headers, trust_env=False, timeout=30)


def test_a_key_is_made_listed_and_revoked_on_every_gateway(fleet: Fleet) -> None:
    made = fleet.run("keys", "add", "edge-viewer", "--role", "viewer", "--tables", "NONE-1")
    assert made.code == 0, made
    key = made.out.strip()
    assert key.startswith("pb_")
    assert "edge-viewer" in fleet.run("keys", "list").out
    # More often than there are gateways, so that each has seen it.
    assert {_ask(fleet, key).status_code for _ in range(8)} == {200}
    assert _ask(fleet, key, "/v1/tables").json() == {"tables": []}
    revoked = fleet.run("keys", "revoke", "edge-viewer")
    assert revoked.code == 0, revoked
    assert {_ask(fleet, key).status_code for _ in range(8)} == {401}


def test_what_keys_does_not_understand_is_one_sentence(fleet: Fleet) -> None:
    for arguments in (["keys"], ["keys", "add"], ["keys", "revoke", "nobody-has-it"]):
        said = fleet.run(*arguments)
        assert said.code in {1, 2}, said
        assert len(said.err.strip().splitlines()) == 1, said.err


def test_nobody_says_for_themselves_where_they_come_from(fleet: Fleet) -> None:
    key = "pb_wrong"
    headers = {"x-forwarded-for": "192.0.2.1"}
    url = f"{fleet.url}/v1/login"
    body = {"key": key}
    refused = httpx.post(url, json=body, headers=headers, trust_env=False, timeout=30)
    assert refused.is_client_error
    found = _ask(fleet, fleet.key, "/v1/audit?action=login.failed").json()["entries"]
    assert {one["address"] for one in found} == {"127.0.0.1"}
