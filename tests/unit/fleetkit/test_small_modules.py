import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import BaseModel

from fleetkit import clock, context, errors, ids
from fleetkit.testing import eventually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def test_times_are_utc_with_milliseconds() -> None:
    taipei = timezone(timedelta(hours=8))
    assert clock.rfc3339(datetime(2026, 11, 21, 9, tzinfo=UTC)) == "2026-11-21T09:00:00.000Z"
    assert (
        clock.rfc3339(datetime(2026, 11, 21, 17, 0, 0, 999_999, taipei))
        == "2026-11-21T09:00:00.999Z"
    )


def test_models_answer_times_as_the_contract_says() -> None:
    class Round(BaseModel):
        started_at: clock.Timestamp

    model = Round(started_at=datetime(2026, 11, 21, 9, tzinfo=UTC))
    assert model.model_dump_json() == '{"started_at":"2026-11-21T09:00:00.000Z"}'
    schema = Round.model_json_schema(mode="serialization")
    assert schema["properties"]["started_at"]["format"] == "date-time"


async def test_the_system_clock_tells_aware_time_and_sleeps() -> None:
    system: clock.Clock = clock.SystemClock()
    before = system.monotonic()
    await system.sleep(0.001)
    assert system.monotonic() > before
    assert system.now().utcoffset() == timedelta(0)


def test_ids_are_ulids_that_sort_by_time() -> None:
    made = [ids.new() for _ in range(100)]
    assert len(set(made)) == 100
    assert all(ids.is_ulid(text) for text in made)
    assert made[0][:8] <= made[-1][:8]


@pytest.mark.parametrize(
    "text", ["", "01JD", "8" + "0" * 25, "I" * 26, "0" * 27, "01jd" + "0" * 22, "0" * 25 + "\n"]
)
def test_what_is_no_ulid(text: str) -> None:
    assert not ids.is_ulid(text)


@pytest.mark.parametrize(
    ("header", "parsed"),
    [
        (f"00-{TRACE}-{SPAN}-01", (TRACE, "01")),
        (f" 00-{TRACE}-{SPAN}-00 ", (TRACE, "00")),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", (TRACE, "01")),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        ("", None),
        (None, None),
    ],
)
def test_traceparent_is_read_as_w3c_has_it(
    header: str | None, parsed: tuple[str, str] | None
) -> None:
    assert context.parse_traceparent(header) == parsed


async def test_ids_are_inherited_by_tasks_and_given_back() -> None:
    async def child() -> dict[str, str]:
        return context.headers()

    with context.entered(request="outer"):
        with context.entered(request="inner", parent=f"00-{TRACE}-{SPAN}-01"):
            headers = await asyncio.create_task(child())
            assert headers["x-request-id"] == "inner"
            assert context.parse_traceparent(headers["traceparent"]) == (TRACE, "01")
        assert context.request_id.get() == "outer"
    assert context.request_id.get() is None
    assert context.parse_traceparent(context.traceparent()) is not None
    assert "x-request-id" not in context.headers()


def test_errors_carry_what_they_are_given() -> None:
    plain = errors.NotFound("There is no table X.")
    assert (plain.code, plain.detail, str(plain)) == (
        "not_found",
        "There is no table X.",
        "There is no table X.",
    )
    assert errors.Invalid("No.", code="off_the_wheel").code == "off_the_wheel"
    assert errors.Invalid.code == "invalid"


async def test_eventually_waits_and_then_says_what_was_last() -> None:
    answers = iter([0, None, 7])
    assert await eventually(lambda: next(answers)) == 7

    def fail() -> bool:
        raise ValueError("never")

    with pytest.raises(AssertionError, match="never"):
        await eventually(fail, within_s=0.05)
    with pytest.raises(AssertionError, match="False"):
        await eventually(lambda: False, within_s=0.05)
