"""What a gateway finds that another one left: a claimed key, a configuration it has not read."""

from typing import Any

from fleetkit import ids
from fleetkit.testing import eventually
from ledger.domain.config import Environment
from ledger.store import config

Studio = Any
TABLE = "ARO-001"


async def leave(studio: Studio, key: str, until: str, command: str | None = None) -> None:
    """Leave the key as a gateway does that died before it kept the answer."""
    await studio.conn.execute(
        """UPDATE idempotency SET status = NULL, answer = NULL,
                  running_until = now() + $2::text::interval, command_id = coalesce($3, command_id)
           WHERE key = $1""",
        key,
        until,
        command,
    )


async def test_a_key_is_taken_over_when_its_time_is_over(studio: Studio) -> None:
    first = await studio.ask("rounds", key="one")
    assert first.status_code == 201
    await leave(studio, "one", "1 hour")
    waits = await studio.ask("rounds", key="one")
    assert (waits.status_code, waits.json()["code"]) == (409, "still_running")
    assert waits.headers["retry-after"] == "1"
    await leave(studio, "one", "-1 second")
    recalled = await studio.ask("rounds", key="one")
    assert (recalled.status_code, recalled.json()) == (201, first.json())
    again = await studio.ask("rounds", key="one")
    assert (again.headers["idempotent-replay"], again.content) == ("true", recalled.content)
    assert len(studio.effects("start")) == 1


async def test_a_command_that_was_not_written_is_run_under_its_first_id(studio: Studio) -> None:
    """Should the first one wake up after all, its command can't be written a second time."""
    first = await studio.ask("rounds", key="two")
    await studio.post(f"/v1/rounds/{first.json()['round']}/cancel")
    command = ids.new()
    await leave(studio, "two", "-1 second", command)
    run = await studio.ask("rounds", key="two")
    assert (run.status_code, run.json()["command"]) == (201, command)
    assert run.json()["round"] != first.json()["round"]
    assert "idempotent-replay" not in run.headers
    assert len(studio.effects("start")) == 2


async def test_a_key_counts_for_nothing_after_24_hours(studio: Studio) -> None:
    first = await studio.ask("rounds", key="three")
    await studio.post(f"/v1/rounds/{first.json()['round']}/cancel")
    await studio.conn.execute(
        "UPDATE idempotency SET created_at = created_at - interval '25 hours' WHERE key = 'three'"
    )
    second = await studio.ask("rounds", {"environments": ["PRD"]}, key="three")
    assert second.status_code == 201
    assert second.json()["round"] != first.json()["round"]


async def put(studio: Studio, *tables: dict[str, object]) -> None:
    """Put a version as another gateway would."""
    answer = await studio.client.get("/v1/config/environments/CIT")
    document = {**answer.json()["config"], "tables": tables}
    parsed = Environment.model_validate(document)
    assert await config.put(studio.conn, parsed, author="other", reason=None, expected=None)


async def test_a_table_added_by_another_gateway_is_found_at_once(studio: Studio) -> None:
    await put(studio, {"id": TABLE, "type": "speed_roulette"}, {"id": "NEW-1", "type": "sicbo"})
    answer = await studio.post("/v1/tables/NEW-1/rounds")
    assert answer.status_code == 201
    assert answer.json()["type"] == "sicbo"


async def test_a_target_taken_out_by_another_gateway_is_left_out_soon(studio: Studio) -> None:
    await put(studio, {"id": TABLE, "type": "speed_roulette", "enabled": False})

    async def targets() -> list[str]:
        found = (await studio.client.get(f"/v1/tables/{TABLE}")).json()["targets"]
        return [one["environment"] for one in found]

    async def is_left_out() -> bool:
        return await targets() == ["PRD"]

    await eventually(is_left_out)
    assert [leg["environment"] for leg in (await studio.start())["legs"]] == ["PRD"]
