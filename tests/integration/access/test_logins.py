"""Browsers: a key shown once, a cookie that changes nothing by itself, an end."""

import httpx

from fleetkit.testing import eventually
from integration.access.conftest import ADMIN, Gate, as_key

KEY = {"name": "by-cookie", "role": "viewer"}


async def _login(gate: Gate, key: str) -> tuple[dict[str, str], str]:
    """Log in; give the cookie as a header, and the token."""
    answer = await gate.client.post("/v1/login", json={"key": key})
    assert answer.status_code == 200, answer.text
    gate.client.cookies.clear()
    flags = answer.headers["set-cookie"]
    assert "HttpOnly" in flags
    assert "SameSite=strict" in flags
    assert "Secure" not in flags
    return {"cookie": flags.split(";")[0]}, answer.json()["csrf_token"]


async def _code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_browser_logs_in_reads_changes_and_logs_out(gate: Gate) -> None:
    made = await gate.made("admin")
    cookie, token = await _login(gate, made["key"])
    session = (await gate.client.get("/v1/session", headers=cookie)).json()
    assert (session["name"], session["csrf_token"]) == (made["name"], token)
    changed = await gate.client.post(
        "/v1/keys", json=KEY, headers={**cookie, "x-csrf-token": token}
    )
    assert changed.status_code == 201
    assert changed.json()["author"] == made["name"]
    out = await gate.client.post("/v1/logout", headers={**cookie, "x-csrf-token": token})
    assert out.status_code == 204
    gate.client.cookies.clear()
    # The old cookie is worth nothing, here and elsewhere.
    for client in (gate.client, await gate.another()):
        answer = await client.get("/v1/session", headers=cookie)
        assert await _code(answer) == (401, "not_logged_in")


async def test_a_stolen_cookie_changes_nothing(gate: Gate) -> None:
    cookie, token = await _login(gate, (await gate.made("admin"))["key"])
    others, other_token = await _login(gate, (await gate.made("admin"))["key"])
    for given in ({}, {"x-csrf-token": "x"}, {"x-csrf-token": other_token}):
        answer = await gate.client.post("/v1/keys", json=KEY, headers={**cookie, **given})
        assert await _code(answer) == (403, "csrf_token_needed")
    assert others != cookie
    assert token != other_token


async def test_a_login_ends_with_its_key(gate: Gate) -> None:
    made = await gate.made("viewer")
    cookie, _ = await _login(gate, made["key"])
    await gate.client.delete(f"/v1/keys/{made['id']}", headers=ADMIN)
    answer = await gate.client.get("/v1/tables", headers=cookie)
    assert await _code(answer) == (401, "not_logged_in")


async def test_a_login_ends_by_age_and_by_lying_idle(gate: Gate) -> None:
    key = (await gate.made("viewer"))["key"]
    for change in ("expires_at = now()", "used_at = now() - interval '61 minutes'"):
        cookie, _ = await _login(gate, key)
        await gate.conn.execute(f"UPDATE logins SET {change}")  # noqa: S608
        answer = await gate.client.get("/v1/tables", headers=cookie)
        assert await _code(answer) == (401, "not_logged_in")


async def test_a_login_that_is_used_does_not_lie_idle(gate: Gate) -> None:
    cookie, _ = await _login(gate, (await gate.made("viewer"))["key"])
    await gate.conn.execute("UPDATE logins SET used_at = now() - interval '50 minutes'")
    assert (await gate.client.get("/v1/tables", headers=cookie)).status_code == 200
    idle = await gate.conn.fetchval("SELECT now() - used_at < interval '10 minutes' FROM logins")
    assert idle is True


async def test_a_device_does_not_log_in(gate: Gate) -> None:
    made = await gate.made("device")
    answer = await gate.client.post("/v1/login", json={"key": made["key"]})
    assert await _code(answer) == (403, "role_too_low")


async def test_who_guesses_at_the_login_waits(gate: Gate) -> None:
    right = (await gate.made("viewer"))["key"]
    codes = []
    for _ in range(30):
        answer = await gate.client.post("/v1/login", json={"key": "guess"})
        codes.append(answer.status_code)
        if answer.status_code == 429:
            break
    assert codes.count(401) >= 10
    assert codes[-1] == 429
    assert int(answer.headers["retry-after"]) >= 1
    # With the right key too; who shows it at the door itself does not wait.
    gate.client.cookies.clear()
    assert (await gate.client.get("/v1/session", headers=as_key(right))).status_code == 200

    async def let_in() -> bool:
        return (await gate.client.post("/v1/login", json={"key": right})).status_code == 200

    await eventually(let_in, within_s=30)
    failed = await gate.conn.fetch("SELECT address FROM audit WHERE action = 'login.failed'")
    assert len(failed) >= 10
    assert failed[0]["address"] == "127.0.0.1"
